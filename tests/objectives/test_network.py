"""A network objective against plain torch on the same module."""

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from pathsearch.errors import PathsearchError
from pathsearch.numerics.seeds import Key
from pathsearch.objectives.data import Data, Digits, Moons, Split, checked
from pathsearch.objectives.models import MODELS
from pathsearch.objectives.tasks import TASKS
from tests.objectives.networks import DATA, images, objective, scaled


def cnn(norm=True):
    return MODELS["cnn"](shape=(3, 8, 8), outputs=4, norm=norm)


class Odd(nn.Module):
    """Tied weights, a parameter nobody uses, an integer buffer, dropout."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(192, 192)
        self.second = nn.Linear(192, 192)
        self.second.weight = self.first.weight
        self.unused = nn.Parameter(torch.ones(3))
        self.drop = nn.Dropout(0.5)
        self.head = nn.Linear(192, 4)
        self.register_buffer("calls", torch.zeros((), dtype=torch.int64))

    def forward(self, x):
        self.calls += 1
        return self.head(self.drop(self.second(self.first(x.flatten(1)).relu())))


@pytest.mark.parametrize("norm", [True, False])
def test_loss_and_gradient_are_those_of_the_module_in_training_mode(norm):
    found = objective(lambda: cnn(norm), decay=0.01)
    weights = found.initial(3)
    module = cnn(norm).double().train()
    nn.utils.vector_to_parameters(weights, module.parameters())
    penalty = 0.5 * 0.01 * sum((p**2).sum() for p in module.parameters())
    wanted = F.cross_entropy(module(scaled(DATA.train)), DATA.train.targets) + penalty
    wanted.backward()
    loss, gradient = found.loss_and_gradient(weights, Key(0, 0))
    assert float(loss) == pytest.approx(wanted.item(), rel=1e-12)
    flat = torch.cat([p.grad.reshape(-1) for p in module.parameters()])
    np.testing.assert_allclose(gradient, flat, rtol=1e-9, atol=1e-12)
    assert float(found.loss(weights, Key(0, 0))) == pytest.approx(wanted.item(), rel=1e-12)


def test_gradient_is_a_finite_difference():
    layers = lambda: (nn.Flatten(), nn.Linear(192, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Linear(8, 4))
    found = objective(lambda: nn.Sequential(*layers()), decay=0.01)  # smooth: ReLU has kinks between two points
    direction = torch.randn(found.size, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    weights = found.initial(0)
    _, gradient = found.loss_and_gradient(weights, Key(0, 0))
    ahead, back = (found.loss(weights + s * 1e-6 * direction, Key(0, 0)) for s in (1, -1))
    assert float(gradient @ direction) == pytest.approx(float((ahead - back) / 2e-6), rel=1e-6)


def test_measures_with_batch_norm_reestimated_over_the_whole_training_set():
    found = objective(lambda: cnn(True), decay=0.01)
    weights = found.initial(5)
    module = cnn(True).double()
    nn.utils.vector_to_parameters(weights, module.parameters())
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.momentum = None
            part.reset_running_stats()
    with torch.no_grad():
        module.train()(scaled(DATA.train))  # one chunk: 70 examples
        module.eval()
        measured = found.measure(weights)
        for name, split in (("train", DATA.train), ("test", DATA.test)):
            outputs = module(scaled(split))
            loss = F.cross_entropy(outputs, split.targets)
            assert measured[f"{name}_loss"] == pytest.approx(float(loss), rel=1e-10)
            error = (outputs.argmax(1) != split.targets).double().mean()
            assert measured[f"{name}_error"] == pytest.approx(float(error), rel=1e-12)
        np.testing.assert_array_equal(found.predictions(weights), outputs.argmax(1))
    square = float((weights**2).sum())
    assert measured["train_loss_l2"] - measured["train_loss"] == pytest.approx(0.005 * square, rel=1e-9)


def test_running_statistics_do_not_leak_from_one_evaluation_to_the_next():
    found = objective(lambda: cnn(True))
    a, b = found.initial(0), found.initial(1)
    first = found.measure(a)
    found.loss_and_gradient(b, Key(0, 0))
    found.measure(b)
    assert found.measure(a) == first
    for name, buffer in found.module.named_buffers():
        torch.testing.assert_close(buffer, found.buffers[name], rtol=0, atol=0)


def test_an_endpoint_can_be_measured_with_its_own_statistics():
    found = objective(lambda: cnn(True))
    weights = found.initial(0)
    own = {name: b.numpy() + 1 for name, b in found.buffers.items() if name.endswith("running_mean")}
    assert found.measure_with(weights, own)["test_loss"] != found.measure(weights)["test_loss"]
    again = found.measure_with(weights, {name: b.numpy() for name, b in found.reestimated(weights).items()})
    assert again == found.measure(weights)


def test_tied_parameters_count_once_and_buffers_are_no_coordinates():
    found = objective(Odd)
    assert found.size == 192 * 192 + 2 * 192 + 3 + 192 * 4 + 4
    loss, gradient = found.loss_and_gradient(found.initial(0), Key(0, 0))
    assert torch.isfinite(loss)
    offset = [name for name, _ in found.table].index("unused")
    start = sum(found.sizes[:offset])
    assert (gradient[start : start + 3] == 0).all()
    shared = gradient[: 192 * 192].reshape(192, 192)
    assert float(shared.abs().sum()) > 0


def test_dropout_is_a_function_of_seed_and_step():
    found = objective(Odd)
    assert found.stochastic
    weights = found.initial(0)
    state = torch.get_rng_state()
    losses = [float(found.loss(weights, key)) for key in (Key(0, 0), Key(0, 1), Key(1, 0), Key(0, 0))]
    assert losses[0] == losses[3]
    assert len(set(losses)) == 3
    torch.testing.assert_close(torch.get_rng_state(), state, rtol=0, atol=0)


class Functional(nn.Module):
    """Dropout that no module shows."""

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(192, 4)

    def forward(self, x):
        return F.dropout(self.head(x.flatten(1)), 0.5, self.training)


def test_a_loss_that_draws_is_told_from_one_that_does_not():
    assert objective(Functional).stochastic
    assert objective(cnn, batch=10).stochastic
    assert not objective(cnn).stochastic


def test_mse_on_two_classes_uses_one_output():
    data = Data(images(classes=2), images(9, classes=2), 2)
    found = objective(lambda: MODELS["mlp"](shape=(3, 8, 8), outputs=1), data, loss="mse")
    weights = found.initial(0)
    module = MODELS["mlp"](shape=(3, 8, 8), outputs=1).double()
    nn.utils.vector_to_parameters(weights, module.parameters())
    outputs = module(scaled(data.test, data.train))[:, 0].detach()
    measured = found.measure(weights)
    assert measured["test_loss"] == pytest.approx(float(((outputs - data.test.targets) ** 2).mean()), rel=1e-10)
    wrong = ((outputs > 0.5).long() != data.test.targets).double().mean()
    assert measured["test_error"] == pytest.approx(float(wrong))


def test_the_module_is_left_as_it_was_made():
    made = []

    def make():
        made.append(cnn(True))
        return made[-1]

    found = objective(make)
    before = copy.deepcopy(made[0].state_dict())
    weights = found.initial(1)
    found.loss_and_gradient(weights, Key(0, 0))
    found.measure(weights)
    for name, value in made[0].state_dict().items():
        torch.testing.assert_close(value.to(before[name].dtype), before[name], rtol=0, atol=0)


class Shuffled(nn.Module):
    """A buffer that is part of the function, and no statistic."""

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(192, 4)
        self.register_buffer("order", torch.randperm(192))

    def forward(self, x):
        return self.head(x.flatten(1)[:, self.order])


def test_an_endpoints_own_buffers_become_the_paths_unless_the_other_has_others():
    found, other = objective(Shuffled), Shuffled().double()
    weights = found.flat(dict(other.named_parameters()))
    found.adopt(dict(other.named_buffers()), "a.pt")
    outputs = other(scaled(DATA.train))
    wanted = F.cross_entropy(outputs, DATA.train.targets).item()
    assert found.measure(weights)["train_loss"] == pytest.approx(wanted, rel=1e-10)
    assert float(found.loss(weights, Key(0, 0))) == pytest.approx(wanted, rel=1e-10)
    found.adopt(dict(other.named_buffers()), "b.pt")
    with pytest.raises(PathsearchError, match=r"buffer 'order' of c\.pt differs"):
        found.adopt({"order": torch.arange(192)}, "c.pt")


BROKEN = {
    "no parameters": (nn.Flatten, "no parameters"),
    "one output": (lambda: nn.Sequential(nn.Flatten(), nn.Linear(192, 1)), "1 outputs for 4 classes"),
    "a picture": (lambda: nn.Conv2d(3, 4, 1), r"must return a tensor of shape \(2, outputs\)"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_networks_that_cannot_work_are_refused(case):
    make, says = BROKEN[case]
    with pytest.raises(PathsearchError, match=says):
        objective(make)


def test_data_are_checked_and_their_classes_made_integers():
    few = Data(Split(DATA.train.inputs, DATA.train.targets.int()), images(20, 6, seed=5), 4)
    assert checked(few, TASKS["cross_entropy"]).train.targets.dtype == torch.int64
    assert checked(few, TASKS["cross_entropy"]).outputs == 6
    split = DATA.test
    bad = {
        "the targets are real": Split(split.inputs, split.targets.float()),
        "classes run from -1": Split(split.inputs, split.targets - 1),
        "the test set is empty": Split(split.inputs[:0], split.targets[:0]),
        "test inputs": Split(split.inputs[:, :, :4], split.targets),
    }
    for says, test in bad.items():
        with pytest.raises(PathsearchError, match=says):
            checked(Data(DATA.train, test, 4), TASKS["cross_entropy"])


def test_what_is_no_module_is_refused():
    with pytest.raises(PathsearchError, match=r"must make an nn\.Module"):
        objective(lambda: 3)


@pytest.mark.parametrize("kind", [Digits(), Moons(points=50)])
def test_embedded_data(kind):
    data = kind.load()
    assert len(data.test.inputs) == len(data.train.inputs) // 4
    assert set(data.test.targets.tolist()) == set(range(data.outputs))
