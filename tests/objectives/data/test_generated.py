"""Batches that a function of a user's makes, named in a configuration."""

import pytest
import torch
from torch import nn

from pathsearch.errors import PathsearchError
from pathsearch.numerics.seeds import Key
from pathsearch.objectives import NetworkSettings


def lines(split, seed, step, size):
    """Points on a line with noise, by torch's own generator; the test's lie further up."""
    x = torch.rand(size, 1)
    return x, 3 * x[:, 0] + 0.1 * torch.randn(size) + (split == "test")


def line():
    return nn.Linear(1, 1)


def opened(**more):
    data = {"name": "batches", "target": f"{__name__}:lines", "train_batches": 3, "test_batches": 2, "workers": 1}
    settings = {"model": f"{__name__}:line", "data": data, "loss": "mse", "dtype": "float64", "batch": 5, **more}
    return NetworkSettings.model_validate(settings).open(None, torch.device("cpu"))


def made(split, seed, step):
    torch.manual_seed(0)
    objective = opened()
    (batch,) = (objective.train if split == "train" else objective.test).draw(Key(seed, step))
    return batch


def test_a_network_is_trained_and_measured_on_what_the_function_makes():
    objective = opened()
    assert objective.stochastic
    weights = torch.tensor([2.0, 0.5], dtype=torch.float64)
    x, y = (each.double() for each in made("train", 4, 7))
    wanted = (2 * x[:, 0] + 0.5 - y).square().mean()
    torch.testing.assert_close(objective.loss(weights, Key(4, 7)), wanted)
    assert not torch.equal(x, made("train", 4, 8)[0])
    for split, count in (("train", 3), ("test", 2)):
        whole = [made(split, 0, step) for step in range(count)]
        x, y = torch.cat([each for each, _ in whole])[:, 0].double(), torch.cat([each for _, each in whole]).double()
        measured = objective.measure(weights)[f"{split}_loss"]
        assert measured == pytest.approx(float((2 * x + 0.5 - y).square().mean()), rel=1e-12)
    pieces = opened(micro_batch=2).loss_and_gradient(weights, Key(4, 7))
    for piece, full in zip(pieces, objective.loss_and_gradient(weights, Key(4, 7))):
        torch.testing.assert_close(piece, full)


def test_its_mini_batches_need_a_size():
    with pytest.raises(PathsearchError, match=r"objective.data.target .*:lines makes mini-batches: .* objective.batch"):
        opened(batch=None)
