"""Measurement on known functions, and the Python interface."""

import numpy as np
import pytest
import torch

import pathsearch
from pathsearch.holders import SerialHolder
from pathsearch.measure import disagreement, measured_line, measured_path, measured_plane
from pathsearch.objectives import NetworkSettings
from pathsearch.objectives.function import FunctionObjective
from tests.conftest import surface

CPU = torch.device("cpu")


def holder_of(function, pivots):
    pivots = np.asarray(pivots, dtype=float)
    holder = SerialHolder(FunctionObjective(function, pivots.shape[1], torch.float64, CPU))
    holder.load(pivots, [], {})
    return holder


def spike(w):
    """A spike of height 1 and width 0.002 at x = 0.4142, over a slope."""
    return torch.exp(-(((w[0] - 0.4142) / 0.02) ** 2)) + 0.1 * w[0]


@pytest.mark.parametrize("curve", ["polygon", "bezier"])
def test_the_saddle_is_found_between_pivots_to_the_stated_tolerance(curve):
    holder = holder_of(spike, [[0.0, 0.0], [0.5, 0.0], [1.0, 0.0]])
    found = measured_path(holder, curve, holder.inner_products(), 61, 1e-8)
    x = np.linspace(0.41, 0.42, 1_000_001)
    top = (np.exp(-(((x - 0.4142) / 0.02) ** 2)) + 0.1 * x).max()
    assert found.uncertainty <= 1e-8
    assert found.metrics["loss"].max() == pytest.approx(top, abs=1e-8)
    assert len(found.t) < 100
    np.testing.assert_array_equal(found.t, np.sort(found.t))


def test_arc_length_of_a_bezier_is_its_integral():
    pivots = np.array([[0.0, 0.0], [1.0, 2.0], [3.0, 0.0]])
    holder = holder_of(lambda w: w.sum(), pivots)
    found = measured_path(holder, "bezier", holder.inner_products(), 4001, None)
    t = np.linspace(0, 1, 100_001)
    slope = 2 * (1 - t)[:, None] * (pivots[1] - pivots[0]) + 2 * t[:, None] * (pivots[2] - pivots[1])
    assert found.arc[-1] == pytest.approx(np.trapezoid(np.linalg.norm(slope, axis=1), t), rel=1e-6)


def test_the_line_ignores_the_pivots_between():
    holder = holder_of(lambda w: (w**2).sum(), [[-1.0, 0.0], [5.0, 7.0], [1.0, 0.0]])
    found = measured_line(holder, holder.inner_products(), 5, None)
    np.testing.assert_allclose(found.metrics["loss"][[0, -1]], 1.0)
    assert found.metrics["loss"].min() == pytest.approx(0.0, abs=1e-15)
    assert found.arc[-1] == pytest.approx(2.0)


def test_the_plane_holds_losses_at_its_own_coordinates():
    """A surface that only depends on two directions in five dimensions, seen on the plane of those two."""
    basis = torch.linalg.qr(torch.randn(5, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64))[0].T
    function = surface("muller-brown").function
    flat = np.array([[-0.5, 1.4], [-0.2, 0.3], [0.6, 0.0]])
    holder = holder_of(lambda w: function(basis @ w), flat @ basis.numpy())
    plane = measured_plane(holder, "polygon", holder.inner_products(), 9)
    along = (flat[2] - flat[0]) / np.linalg.norm(flat[2] - flat[0])
    aside = np.array([-along[1], along[0]])
    aside = aside * np.sign((flat[1] - flat[0]) @ aside)
    for j, y in enumerate(plane.y):
        for i, x in enumerate(plane.x):
            point = torch.tensor(flat[0] + x * along + y * aside)
            assert plane.metrics["loss"][j, i] == pytest.approx(float(function(point)), rel=1e-8)
    np.testing.assert_allclose(
        [plane.shadow["pivots_x"][2], plane.shadow["pivots_y"][2]], [np.linalg.norm(flat[2] - flat[0]), 0], atol=1e-12
    )


def test_the_plane_says_how_far_the_path_lies_from_it():
    """Bends to both sides of the plane through start, end and middle; every pivot has a loss of its own."""
    points = [[0.0, 0.0, 0.0], [1.0, 1.0, 3.0], [2.0, 1.0, 0.0], [3.0, 1.0, -1.0], [4.0, 0.0, 0.0]]
    holder = holder_of(lambda w: w[2] ** 2 + w[0], points)
    shadow = measured_plane(holder, "polygon", holder.inner_products(), 3).shadow
    np.testing.assert_allclose(shadow["pivots_off"], [0.0, 3.0, 0.0, 1.0, 0.0], atol=1e-7)
    np.testing.assert_allclose(shadow["path_off"][[0, 5, 10, 25, 40]], [0.0, 1.5, 3.0, 0.5, 0.0], atol=1e-7)
    np.testing.assert_allclose(shadow["pivots_loss"], [0.0, 10.0, 2.0, 4.0, 4.0])


def test_a_bend_point_beside_its_curve_has_its_own_loss():
    holder = holder_of(lambda w: w[1], [[0.0, 0.0], [1.0, 8.0], [2.0, 0.0]])
    plane = measured_plane(holder, "bezier", holder.inner_products(), 3)
    np.testing.assert_allclose(plane.shadow["pivots_loss"], [0.0, 8.0, 0.0])
    np.testing.assert_allclose(plane.shadow["path_y"].max(), 4.0)
    assert plane.metrics["loss"].shape == (3, 3)


@pytest.mark.parametrize(
    ("rise", "high"),
    [
        (3.0, 6.0),  # 0.6 of the width, a square
        (1.3, 6.0),
        (1.0, 3.0),  # three times the rise
        (1e-3, 0.6),  # a tenth of the square
    ],
)
def test_the_plane_of_a_path_that_is_all_but_straight_is_no_square(rise, high):
    holder = holder_of(lambda w: w @ w, [[0.0, 0.0], [5.0, rise], [10.0, 0.0]])
    plane = measured_plane(holder, "polygon", holder.inner_products(), 5)
    np.testing.assert_allclose([plane.x[0], plane.x[-1]], [-1.0, 11.0])
    np.testing.assert_allclose([plane.y[0], plane.y[-1]], [rise / 2 - high, rise / 2 + high])


def test_the_plane_of_a_path_that_is_all_but_straight_has_its_pivots():
    """A curve's bends lie far beside it."""
    aside = [0.0, 4.0, -6.0, 6.0, -3.0, 0.0]
    holder = holder_of(lambda w: w @ w, np.stack([np.linspace(0.0, 20.0, 6), aside], axis=1))
    plane = measured_plane(holder, "bezier", holder.inner_products(), 5)
    shadow = plane.shadow
    assert np.ptp(plane.y) < 0.9 * np.ptp(plane.x)
    assert 1.5 * np.ptp(shadow["path_y"]) < np.ptp(shadow["pivots_y"]) / 2
    assert plane.y[0] < shadow["pivots_y"].min()
    assert plane.y[-1] > shadow["pivots_y"].max()


def test_there_is_no_plane_through_three_points_on_a_line():
    holder = holder_of(lambda w: w.sum(), [[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]])
    assert measured_plane(holder, "polygon", holder.inner_products(), 5) is None


def test_disagreement_is_the_share_of_other_answers():
    settings = {"model": "mlp", "data": {"name": "random", "shape": [1, 4, 4], "examples": 100}}
    objective = NetworkSettings.model_validate(settings).open(None, CPU)
    ends = [objective.initial(seed) for seed in (0, 1)]
    holder = SerialHolder(objective)
    holder.load(torch.stack(ends).numpy(), [], {})
    classes = [objective.predictions(weights) for weights in ends]
    assert disagreement(holder, 2) == np.mean(classes[0] != classes[1])
    assert disagreement(holder_of(lambda w: w.sum(), [[0.0], [1.0]]), 2) is None


def test_of_several_answers_one_that_differs_is_enough():
    class Answers:
        def ask(self, name, mixture):
            return [np.array([[1, 0], [1, 1], [0, 0]]), np.array([[1, 1], [1, 1], [1, 1]])]

    assert disagreement(Answers(), 2) == pytest.approx(2 / 3)


def test_connect_is_the_same_loop_without_files():
    seen = []
    path = pathsearch.connect(
        surface("muller-brown"),
        [-0.558223634633024277, 1.44172584180466866],
        [0.62349940493087651, 0.0280377585286856657],
        method={"name": "neb", "images": 7, "climb": True},
        watch=seen.append,
        measure={"tolerance": 1e-9},
    )
    assert path.converged
    assert path.evaluations == seen[-1].evaluations == 126
    assert float(path.profile.loss.max()) == pytest.approx(-40.664843508657, abs=1e-6)
    np.testing.assert_array_equal(path.weights(1.0), path.pivots[-1])


def test_connect_joins_networks():
    data, metrics = {"name": "moons", "points": 100}, {"error": "error", "right": "accuracy"}
    objective = pathsearch.network(model="mlp", data=data, batch=20, device="cpu", metrics=metrics)
    ends = [objective.initial(seed) for seed in (0, 1)]
    ends[0].requires_grad_()  # as torch hands them out
    optimizer = {"name": "sgd", "lr": 0.1}
    path = pathsearch.connect(objective, *ends, steps=20, optimizer=optimizer, measure={"points": 5})
    assert not path.converged
    assert path.profile.train_loss.max() < path.line.train_loss.max()
    for found in (path.summary["path"], path.summary["linear"]):
        # of what is right the least counts, which is as far below the ends as the most errors are above
        assert found["test_right"]["barrier"] == pytest.approx(found["test_error"]["barrier"])
        assert found["test_right"]["min"] == pytest.approx(1 - found["test_error"]["max"])
    with pytest.raises(pathsearch.PathsearchError, match=r"network: .*data"):
        pathsearch.network(model="mlp")


def test_connect_takes_a_plain_function_and_says_what_is_wrong():
    path = pathsearch.connect(lambda w: (w @ w + w[1] - 1) ** 2, [-1, 0], [1, 0])
    assert path.curve == "bezier"
    assert path.summary["linear"]["loss"]["barrier"] == pytest.approx(1.0, abs=1e-3)
    with pytest.raises(pathsearch.PathsearchError, match="identical"):
        pathsearch.connect(lambda w: w.sum(), [1.0], [1.0])
    with pytest.raises(pathsearch.PathsearchError, match=r"method: .*'neb'"):
        pathsearch.connect(lambda w: w.sum(), [0.0], [1.0], method="nep")
    with pytest.raises(pathsearch.PathsearchError, match=r"end has shape \(2,\), .* have shape \(1,\)"):
        pathsearch.connect(lambda w: w.sum(), [0.0], [1.0, 2.0])
    bent = pathsearch.connect(lambda w: (w**2).sum(), [0.0, 0.0], [1.0, 0.0], method="linear", through=[[0.5, 1.0]])
    assert len(bent.pivots) == 2
    with pytest.raises(pathsearch.PathsearchError, match=r"start has shape \(3,\), .* have shape \(2,\)"):
        pathsearch.connect(surface("circle"), [0.0, 1.0, 2.0], [1.0, 0.0, 2.0])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"steps": -1}, "connect: steps: give a whole number at least 0"),
        ({"tolerance": -1.0}, "connect: tolerance: give a number above 0 or null"),
        ({"seed": "a"}, "connect: seed: give a whole number"),
        ({"end": [float("nan")]}, "not finite"),
        ({"start": [], "end": []}, r"start is to be a vector of weights, it has shape \(0,\)"),
        ({"through": 5}, "through is to be a list of points"),
        ({"method": "foo"}, "method: no 'foo': there are linear"),
        ({"objective": "neb"}, "a function of a weight vector, or what pathsearch.network.* gives, not a str"),
    ],
)
def test_connect_checks_what_it_is_given(options, said):
    with pytest.raises(pathsearch.PathsearchError, match=said):
        pathsearch.connect(**{"objective": torch.sum, "start": [0.0], "end": [1.0], **options})
