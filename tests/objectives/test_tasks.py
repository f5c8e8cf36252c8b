"""Losses, and which outputs they can be taken of."""

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from pathsearch.errors import PathsearchError
from pathsearch.objectives import LossSettings
from pathsearch.objectives.data import Data
from pathsearch.objectives.models import MODELS
from pathsearch.objectives.tasks import TASKS, wrong
from tests.objectives.networks import images, objective, scaled


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


def test_the_table_says_what_a_loss_takes():
    assert [TASKS[name].outputs(2) for name in ("cross_entropy", "mse")] == [2, 1]
    assert [TASKS[name].outputs(3) for name in ("cross_entropy", "mse")] == [3, 3]
    assert [name for name, task in TASKS.items() if task.numbers] == ["mse"]
    assert LossSettings(loss="mse").loss == "mse"
    with pytest.raises(ValidationError, match="cross_entropy"):
        LossSettings(loss="msee")


def test_errors_are_counted_where_there_are_classes():
    outputs = torch.tensor([[0.2, 0.8], [0.9, 0.1], [0.4, 0.6]])
    assert int(wrong(outputs, torch.tensor([1, 1, 0]))) == 2
    assert int(wrong(outputs[:, :1], torch.tensor([0, 1, 1]))) == 1
    assert bool(wrong(outputs[:, :1], torch.ones(3)).isnan())
