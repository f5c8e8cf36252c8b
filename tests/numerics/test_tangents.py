import numpy as np
import pytest

from pathsearch.numerics import tangents
from tests.conftest import gram_of


def chain(rng, images=7, size=5):
    return rng.normal(size=(images, size)), rng.normal(size=images)


def by_vectors(points, losses, i):
    """Improved tangent of image i on the vectors themselves, written from Henkelman & Jónsson 2000, eqs 8-11."""
    ahead, back = points[i + 1] - points[i], points[i] - points[i - 1]
    up, here, down = losses[i + 1], losses[i], losses[i - 1]
    if up > here > down:
        tangent = ahead
    elif up < here < down:
        tangent = back
    else:
        large = max(abs(up - here), abs(down - here))
        small = min(abs(up - here), abs(down - here))
        tangent = ahead * large + back * small if up > down else ahead * small + back * large
    return tangent / np.linalg.norm(tangent)


def basis_of(points):
    return np.stack([points[1:-1] - points[:-2], points[2:] - points[1:-1]], axis=1)


@pytest.mark.parametrize("seed", range(20))
def test_improved_tangent_is_that_of_the_vectors(seed):
    points, losses = chain(np.random.default_rng(seed))
    basis = basis_of(points)
    found = np.einsum("nj,njm->nm", tangents.improved(losses, gram_of(basis)), basis)
    wanted = [by_vectors(points, losses, i) for i in range(1, len(points) - 1)]
    np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-14)


def test_improved_tangent_is_smooth_where_a_slope_becomes_an_extremum(rng):
    # the published AutoNEB code has the weights swapped and jumps here
    points, _ = chain(rng, images=3)
    basis = basis_of(points)
    around = [tangents.improved(np.array([0.0, loss, 1.0]), gram_of(basis)) for loss in (1.0 - 1e-9, 1.0 + 1e-9)]
    np.testing.assert_allclose(around[0], around[1], atol=1e-7)


def test_equal_losses_fall_back_to_the_bisector(rng):
    points, _ = chain(rng)
    gram = gram_of(basis_of(points))
    ahead, back = points[2:] - points[1:-1], points[1:-1] - points[:-2]
    halves = ahead / np.linalg.norm(ahead, axis=1)[:, None] + back / np.linalg.norm(back, axis=1)[:, None]
    wanted = halves / np.linalg.norm(halves, axis=1)[:, None]
    found = np.einsum("nj,njm->nm", tangents.improved(np.ones(7), gram), basis_of(points))
    np.testing.assert_allclose(found, wanted, rtol=1e-12)


def test_coinciding_images_give_a_zero_tangent_and_no_nan():
    gram = np.zeros((1, 2, 2))
    np.testing.assert_array_equal(tangents.improved(np.array([0.0, 1.0, 0.0]), gram), np.zeros((1, 2)))
