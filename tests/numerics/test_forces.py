import numpy as np
import pytest

from pathsearch.numerics import forces, tangents
from tests.conftest import gram_of


def setup(rng):
    points, losses, gradients = rng.normal(size=(6, 4)), rng.normal(size=6), rng.normal(size=(4, 4))
    basis = np.stack([points[1:-1] - points[:-2], points[2:] - points[1:-1], gradients], axis=1)
    gram = gram_of(basis)
    tangent = tangents.improved(losses, gram)
    return basis, gram, tangent, np.einsum("nj,njm->nm", tangent, basis[:, :2]), gradients


def vectors(force, basis):
    return np.einsum("nj,njm->nm", force, basis)


def test_perpendicular_force_is_the_projected_gradient(rng):
    basis, gram, tangent, tau, g = setup(rng)
    slope = (g * tau).sum(1, keepdims=True)
    np.testing.assert_allclose(vectors(forces.perpendicular(tangent, gram), basis), -g + slope * tau, rtol=1e-11)


def test_climbing_force_turns_the_part_along_the_band_around(rng):
    basis, gram, tangent, tau, g = setup(rng)
    slope = (g * tau).sum(1, keepdims=True)
    np.testing.assert_allclose(vectors(forces.climbing(tangent, gram), basis), -g + 2 * slope * tau, rtol=1e-11)


def test_spring_force_pulls_towards_the_longer_segment(rng):
    basis, gram, tangent, tau, _ = setup(rng)
    back, ahead = np.linalg.norm(basis[:, 0], axis=1), np.linalg.norm(basis[:, 1], axis=1)
    wanted = 3.0 * (ahead - back)[:, None] * tau
    np.testing.assert_allclose(vectors(forces.spring(tangent, gram, 3.0), basis), wanted, rtol=1e-11)


@pytest.mark.parametrize(
    ("losses", "image"),
    [
        ([0, 1, 3, 2, 0], 2),
        ([0, 2, 1, 3, 0], 3),  # the highest of several
        ([5, 4, 1, 3, 0], 3),  # image 1 is higher, and only on the way up to the start
        ([0, 1, 2, 3, 4], None),
        ([4, 2, 1, 2, 4], None),
        ([1, 1, 1, 1], None),
        ([0, 2, 2, 0], 1),  # two of one height are one maximum
        ([0, 1, 1, 2], None),
        ([0, 1, 1], None),
        ([1, 1, 0], None),
    ],
)
def test_what_climbs_is_higher_than_both_its_neighbours(losses, image):
    found = forces.climber(np.array(losses, dtype=float))
    assert (None if found is None else found + 1) == image
