"""Where curves sample, and how the samples' gradients come to the bend points."""

import numpy as np
import pytest
import scipy.stats

from pathsearch.methods import Curve
from pathsearch.numerics.seeds import Key
from tests.conftest import gram_of

MOVING = [1, 2]


def sample(name="bezier", step=3, fixed=False, **options):
    return Curve(name=name, bends=2, **options).sample(4, MOVING, 5, step, fixed)


def test_a_bezier_s_weights_are_bernstein_s():
    found = sample(samples=6)
    np.testing.assert_allclose(found.mix, scipy.stats.binom.pmf(np.arange(4), 3, found.t[:, None]), rtol=1e-12)


def test_a_polygon_s_weights_lie_on_the_two_ends_of_a_segment():
    found = sample("polygon", samples=6)
    wanted = np.maximum(0.0, 1.0 - np.abs(3 * found.t[:, None] - np.arange(4)))
    np.testing.assert_allclose(found.mix, wanted, atol=1e-14)


@pytest.mark.parametrize("name", ["polygon", "bezier"])
def test_gradients_go_to_the_bends_by_the_same_weights(name):
    found = sample(name, samples=6)
    np.testing.assert_array_equal(found.back[:, MOVING], found.mix[:, MOVING] / 6)
    np.testing.assert_array_equal(found.back[:, [0, 3]], 0.0)
    assert found.keys == [Key(5, 3)] * 6


def test_one_t_is_drawn_in_each_equal_share_anew_every_step():
    found = [sample(samples=50, step=step).t for step in (0, 1, 0)]
    np.testing.assert_array_equal(np.floor(50 * found[0]), np.arange(50))
    np.testing.assert_array_equal(found[0], found[2])
    assert not (found[0] == found[1]).any()
    assert len(np.unique(found[0] * 50 % 1)) == 50


def test_an_optimiser_that_compares_steps_gets_the_shares_middles_eight_a_segment():
    found = sample(fixed=True)
    np.testing.assert_allclose(found.t, (np.arange(24) + 0.5) / 24)
    assert found.fixed
    assert len(sample().t) == 1


def test_the_force_is_the_gradient_downhill(rng):
    basis = rng.normal(size=(2, 3, 5))
    found = Curve(name="bezier", bends=2).forces(np.zeros(1), gram_of(basis), {}, True)
    np.testing.assert_array_equal(found.force, [[0, 0, -1]] * 2)
    np.testing.assert_allclose(found.norms, np.linalg.norm(basis[:, 2], axis=1))
