"""What a curve's search minimises: the loss of points of the curve with their own L2, whose gradient is the bends'."""

import numpy as np
import pytest
import torch
from torch import nn

from pathsearch.holders import SerialHolder
from pathsearch.methods import Curve
from pathsearch.numerics.curves import CURVES
from tests.objectives.networks import objective

DECAY = 0.03


def smooth():
    return nn.Sequential(nn.Flatten(), nn.Linear(192, 5), nn.BatchNorm1d(5), nn.Tanh(), nn.Linear(5, 4))


@pytest.fixture(scope="module")
def found():
    return objective(smooth, decay=DECAY)


@pytest.mark.parametrize("bends", [1, 3])
@pytest.mark.parametrize("name", ["polygon", "bezier"])
def test_gradients_are_finite_differences_with_the_points_own_l2(name, bends, found):
    method = Curve(name=name, bends=bends, samples=3)
    moving = list(range(1, bends + 1))
    rng = np.random.default_rng(bends)
    pivots = np.stack([found.initial(seed).numpy() for seed in range(bends + 2)])
    pivots += 0.1 * rng.normal(size=pivots.shape)
    sample = method.sample(len(pivots), moving, 0, 4, False)

    def minimised(chain):
        """(1/3) Σ over t of L(γ(t)) + ½λ|γ(t)|², by hand from the network alone."""
        plain = objective(smooth, decay=0.0)
        points = CURVES[name](sample.t, len(chain)) @ chain
        losses = [float(plain.loss(torch.from_numpy(point), key)) for point, key in zip(points, sample.keys)]
        return np.mean(losses) + 0.5 * DECAY * np.mean((points**2).sum(axis=1))

    holder = SerialHolder(found)
    holder.load(pivots, [], {})
    losses, _ = holder.evaluate(sample)
    assert losses.mean() == pytest.approx(minimised(pivots), rel=1e-10)
    direction = rng.normal(size=(bends, found.size))
    slope = sum(float(holder.block.gradients[row] @ torch.from_numpy(each)) for row, each in zip(moving, direction))
    ahead, back = pivots.copy(), pivots.copy()
    ahead[1:-1] += 1e-5 * direction
    back[1:-1] -= 1e-5 * direction
    assert slope == pytest.approx((minimised(ahead) - minimised(back)) / 2e-5, rel=1e-6)


@pytest.mark.parametrize("name", ["polygon", "bezier"])
def test_a_curve_begins_and_ends_at_the_endpoints(name, rng):
    pivots = rng.normal(size=(4, 7))
    np.testing.assert_array_equal(CURVES[name](np.array([0.0, 1.0]), 4) @ pivots, pivots[[0, 3]])
