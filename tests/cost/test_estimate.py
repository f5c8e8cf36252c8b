"""Operations of a run against a count by hand."""

import pytest

from pathsearch.cost.estimate import estimate, operations
from pathsearch.run.config import load

MLP = [
    "objective.model={name: mlp, args: {width: 16, depth: 1}}",
    "objective.batch=50",
    "steps=100",
    "endpoints.start.train.steps=10",
    "endpoints.end.train.steps=10",
    "method={name: neb, images: 3}",
    "measure={points: 5, plane: 0}",
]


def test_operations_of_an_mlp():
    settings, folder = load("digits", MLP)
    counted = operations(settings, folder)
    forward = 2 * (64 * 16 + 16 * 10)  # an example's: multiplications and additions
    # backward: of the weights everywhere, of the inputs not in the first layer
    backward = forward + 2 * 16 * 10
    assert counted.gradient == 50 * (forward + backward)
    assert counted.point == (2 * 1438 + 359) * forward


def test_the_estimate_is_the_sum_over_steps_and_points():
    settings, folder = load("digits", MLP)
    counted = operations(settings, folder)
    one, four = (estimate(settings, counted, gpus, 1e-6) for gpus in (1, 4))
    gradients = 2 * 10 + 3 * 100
    assert one.operations >= gradients * counted.gradient + 10 * counted.point
    assert one.operations == pytest.approx(gradients * counted.gradient + 10 * counted.point, rel=0.5)  # losses of ends
    assert one.gpu_hours == pytest.approx(one.operations / 1e6 / 3600)
    assert four.wall_hours < one.wall_hours <= one.gpu_hours <= four.gpu_hours


def test_only_networks_are_counted():
    assert operations(*load("muller-brown", [])) is None
