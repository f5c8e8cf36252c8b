"""Forces of bands where they are known by hand, and what a string and a band share."""

import numpy as np
import pytest

from pathsearch.methods import Neb, String
from pathsearch.methods.band import smoothed
from pathsearch.numerics.seeds import Key
from pathsearch.objectives import SURFACES
from pathsearch.optimizers import Fire
from tests.conftest import gram_of, path_of, searched, surface

ENDS = [SURFACES["muller-brown"].start, SURFACES["muller-brown"].end]
A, H = 0.25, 0.5
PIVOTS = np.array([[-1.0, 0.0], [A, H], [1.0, 0.0]])
SADDLE = np.array([-1.0, 1.0])
"""Curvatures of ½(y² − x²), whose saddle is the origin; both ends lie equally low, so the tangent is along x."""


def force_on_the_image(method):
    """The force [2] on the middle pivot, and its norm."""
    losses = 0.5 * (SADDLE * PIVOTS**2).sum(axis=1)
    basis = np.stack([PIVOTS[1] - PIVOTS[0], PIVOTS[2] - PIVOTS[1], SADDLE * PIVOTS[1]])
    found = method.forces(losses, gram_of(basis[None]), {}, False)
    return found.force[0] @ basis, found.norms[0], found.climber


def test_a_band_is_pushed_down_across_itself():
    force, norm, climber = force_on_the_image(Neb())
    np.testing.assert_allclose(force, [0.0, -H], atol=1e-14)
    assert norm == pytest.approx(H)
    assert climber is None


def test_a_spring_pulls_along_the_band():
    force, norm, _ = force_on_the_image(Neb(spring=3.0))
    pull = 3.0 * (np.hypot(1 - A, H) - np.hypot(1 + A, H))
    np.testing.assert_allclose(force, [pull, -H], atol=1e-14)
    assert norm == pytest.approx(np.hypot(pull, H))


@pytest.mark.parametrize("spring", ["inf", 3.0])
def test_a_climbing_image_is_drawn_straight_to_the_saddle(spring):
    force, norm, climber = force_on_the_image(Neb(spring=spring, climb=True))
    np.testing.assert_allclose(force, -PIVOTS[1], atol=1e-14)
    assert norm == pytest.approx(np.hypot(A, H))
    assert climber == 0


def test_every_image_sees_the_same_mini_batch_and_the_ends_give_losses_alone():
    sample = Neb().sample(5, [1, 2, 3], seed=8, step=4, fixed=False)
    np.testing.assert_array_equal(sample.mix, np.eye(5))
    np.testing.assert_array_equal(sample.back, np.diag([0.0, 1.0, 1.0, 1.0, 0.0]))
    assert sample.keys == [Key(8, 4)] * 5
    np.testing.assert_array_equal(sample.t, [0.0, 0.25, 0.5, 0.75, 1.0])


def test_smoothing_averages_the_losses_that_order_images():
    losses, memory = smoothed(np.array([1.0, 2.0]), {})
    np.testing.assert_allclose(losses, [1.0, 2.0])
    losses, memory = smoothed(np.array([2.0, 2.0]), memory)
    np.testing.assert_allclose(losses, [1.1, 2.0])
    assert memory == {"losses": losses.tolist()}


def test_only_a_stochastic_loss_is_smoothed():
    losses, memory = np.array([1.0, 3.0, 1.0]), {"losses": [0.0, 0.0, 0.0]}
    gram = gram_of(np.array([[[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]]))
    assert Neb().forces(losses, gram, memory, stochastic=False).memory == memory
    assert Neb().forces(losses, gram, memory, stochastic=True).memory["losses"] == pytest.approx([0.1, 0.3, 0.1])


def test_a_string_is_the_band_without_springs():
    ends = [
        path_of(searched(surface("muller-brown"), ENDS, method.stages(Fire(), 50, None))[0])
        for method in (String(images=9), Neb(images=9, spring="inf"))
    ]
    np.testing.assert_array_equal(*ends)
