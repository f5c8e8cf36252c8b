import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import pathsearch
from pathsearch import report_ensemble
from pathsearch.ensembles import ensemble, refuse_others, taken
from pathsearch.errors import PathsearchError
from pathsearch.numerics.calibration import figures
from pathsearch.objectives import NetworkSettings
from pathsearch.objectives.losses import IGNORED, LOSSES


def of_outputs(outputs, labels):
    """Figures of points, their average weights (the last), all points' and the ends' predictions."""
    passes = [(torch.tensor(each), torch.tensor(labels)) for each in outputs]
    return list(map(figures, taken(passes, len(outputs) - 1, False).tallies))


@pytest.fixture
def outputs(rng):
    return 3 * rng.normal(size=(5, 40, 6))  # four points, and their average weights


def test_probabilities_are_averaged(outputs, rng):
    labels = rng.integers(6, size=40)
    found = of_outputs(outputs, labels)
    every = torch.softmax(torch.tensor(outputs), dim=2)
    for each, wanted in zip(found, (*every, every[:4].mean(dim=0), every[[0, 3]].mean(dim=0))):
        assert each.error == pytest.approx(float((wanted.argmax(dim=1).numpy() != labels).mean()))
        assert each.nll == pytest.approx(float(F.nll_loss(wanted.log(), torch.tensor(labels))), rel=1e-12)
    assert found[5].nll < np.mean([each.nll for each in found[:4]])  # Jensen


def test_equal_members_are_as_good_as_one(outputs, rng):
    found = of_outputs(outputs[[0, 0, 0, 0]], rng.integers(6, size=40))
    for each in found[1:]:
        np.testing.assert_allclose(each, found[0], rtol=1e-12)


def test_a_mean_of_tiny_probabilities_is_no_zero():
    """e⁻¹⁰⁰⁰ and e⁻¹⁰⁰¹ are zeros in float64, their mean's logarithm is a number."""
    found = of_outputs(np.array([[[1000.0, 0.0]], [[1001.0, 0.0]], [[0.0, 0.0]]]), [1])
    assert found[3].nll == pytest.approx(1000.0 + np.log(2) - np.log1p(np.exp(-1)), rel=1e-14)
    assert found[2].nll == pytest.approx(np.log(2), rel=1e-14)


@pytest.mark.parametrize("name", ["neb", "bezier"])
def test_of_a_run(network_runs, name):
    """As the plain modules of its points predict, and as the profile has its ends."""
    opened = pathsearch.open(network_runs / name)
    told = []
    found = opened.ensemble(3, keep=True, watch=lambda *each: told.append(each))
    np.testing.assert_array_equal(found.t, opened.evenly(3))
    for t, each in ((0.0, found.points[0]), (1.0, found.points[-1])):
        kept = opened.profile.sel(t=t)
        assert each.error == pytest.approx(float(kept.test_error))
        assert each.nll == pytest.approx(float(kept.test_loss), rel=1e-5)
    with opened._network() as network:
        inputs, labels = next(iter(network.test.whole(100)))
        average = torch.from_numpy(np.mean([opened.weights(t) for t in found.t], axis=0))
        modules = [*map(opened.model, found.t), network.at(average)]
    with torch.no_grad():
        every = torch.stack([torch.softmax(module(inputs), dim=1) for module in modules]).double()
    combined = (every[3], every[:3].mean(dim=0), every[[0, 2]].mean(dim=0))
    every_found = (*found.points, found.weights, found.predictions, found.ends)
    for each, wanted in zip(every_found, (*every[:3], *combined)):
        assert each.nll == pytest.approx(float(F.nll_loss(wanted.log(), labels)), rel=1e-5)
        assert each.error == pytest.approx(float((wanted.argmax(dim=1) != labels).double().mean()))
    assert found.mean.nll == pytest.approx(np.mean([each.nll for each in found.points]))
    guesses = every[:3].argmax(dim=2)
    for one in range(3):
        for other in range(3):
            share = (guesses[one] != guesses[other]).double().mean()
            assert found.disagreement[one, other] == pytest.approx(float(share))
    assert (found.examples, found.of, found.targets) == (10, 10, 10)
    np.testing.assert_allclose(found.kept.log_probabilities, every[:3].log(), rtol=1e-3, atol=1e-3)
    np.testing.assert_array_equal(found.kept.labels, labels)
    assert told == [*(("statistics", n, 4) for n in range(5)), *(("predictions", n, 4) for n in range(5))]


def test_chunks_of_any_size_give_the_same_in_order(network_runs):
    opened = pathsearch.open(network_runs / "neb")
    with opened._network() as network:
        members = [(each, network.reestimated(each)) for each in (torch.from_numpy(opened.weights(t)) for t in (0, 1))]
        ranking, chunk, found = LOSSES["cross_entropy"].ranking, network.chunk, []
        for network.chunk in (3, chunk):
            found.append(network.outputs(members, ranking, list))
        assert [len(each) for each in found] == [4, 1]
        for n in range(2):
            for few, all_at_once in zip(zip(*(each[n] for each in found[0])), found[1][0][n]):
                np.testing.assert_allclose(torch.cat(few), all_at_once, rtol=1e-5, atol=1e-6)


class Classes(nn.Linear):
    """Outputs [b, classes, positions] for inputs [b, positions, 3]."""

    def __init__(self):
        super().__init__(3, 4)

    def forward(self, inputs):
        return super().forward(inputs).movedim(-1, 1)


class Tokens(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Embedding(5, 3), nn.Linear(3, 5))


GENERATOR = torch.Generator().manual_seed(0)
INPUTS, IDS = torch.randn(30, 7, 3, generator=GENERATOR), torch.randint(0, 4, (30, 7), generator=GENERATOR)
SOME = IDS.where(torch.rand(30, 7, generator=GENERATOR) < 0.7, IGNORED)
TASKS = {
    "cross_entropy": (Classes, (INPUTS, SOME)),
    "next_token": (Tokens, (IDS, SOME)),
    "binary_cross_entropy": (lambda: nn.Linear(3, 2), (INPUTS[:, 0], (SOME[:, :2] > 1).float())),
}


@pytest.mark.parametrize("loss", TASKS)
def test_every_loss_that_has_probabilities(loss):
    """A point's figures are the metrics that are measured, of targets that count, of which an example has several."""
    make, data = TASKS[loss]
    network = pathsearch.network(model=make, data=data, loss=loss, metrics={"error": "error"})
    points = [network.initial(seed) for seed in (0, 1)]
    found = ensemble(network, np.array([0.0, 1.0]), [each.numpy() for each in points], keep=True)
    for point, each in zip(points, found.points):
        measured = network.measure(point)
        assert each.nll == pytest.approx(measured["test_loss"], rel=1e-6)
        assert each.error == pytest.approx(measured["test_error"], rel=1e-12)
    assert found.predictions == pytest.approx(found.ends)
    assert found.examples == 6
    assert found.targets == len(found.kept.labels) == int((data[1][4::5] != IGNORED).sum())
    assert f"6 test examples with {found.targets} targets" in report_ensemble.headline(found)


def test_targets_between_classes_are_refused():
    network = pathsearch.network(
        model=lambda: nn.Linear(3, 1), data=(INPUTS[:, 0], torch.full((30, 1), 0.3)), loss="binary_cross_entropy"
    )
    with pytest.raises(PathsearchError, match="a target between 0 and 1 is no class"):
        ensemble(network, np.array([0.0, 1.0]), 2 * [network.initial(0).numpy()])


def test_outputs_that_are_no_numbers_are_told():
    network = pathsearch.network(model=Classes, data=(INPUTS, SOME))
    good = network.initial(0).numpy()
    found = ensemble(network, np.array([0.0, 0.5, 1.0]), [good, np.full_like(good, np.inf), good])
    assert report_ensemble.warnings(found) == [
        "figures are not finite at t = 0.5, the average of weights: outputs there are no numbers, or give a true class "
        "no probability at all"
    ]
    shown = report_ensemble.figures(found)
    assert shown["points"][1]["nll"] is shown["predictions"]["ece"] is shown["mean"]["nll"] is None
    assert shown["points"][1]["error"] == 1.0
    assert shown["ends"] == pytest.approx(shown["points"][0])


@pytest.mark.parametrize("loss", ["mse", "own:loss"])
def test_losses_without_probabilities_are_refused(loss):
    settings = NetworkSettings(model="mlp", data="digits", loss=loss)
    says = f"objective.loss {loss} does not say .* one of cross_entropy, binary_cross_entropy, next_token$"
    with pytest.raises(PathsearchError, match=says):
        refuse_others(settings)
