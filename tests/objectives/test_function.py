"""Losses that are plain functions."""

import torch

from pathsearch.numerics.seeds import Key
from pathsearch.objectives import CallableSettings

CPU = torch.device("cpu")


def drawing(weights):
    return (weights * torch.rand(2, dtype=weights.dtype)).sum()


def test_a_function_that_draws_gets_the_same_numbers_at_every_call():
    objective = CallableSettings(target=f"{__name__}:drawing").open(2, CPU)
    weights = torch.ones(2, dtype=torch.float64)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        first = objective.loss(weights, Key(0, 0))
        torch.manual_seed(2)
        second, gradient = objective.loss_and_gradient(weights, Key(1, 5))
    assert first == second == gradient.sum()
