"""Where a path lies, slice by slice, against what is worked out by hand and from the vectors themselves."""

import numpy as np
import pytest

from pathsearch.numerics import layers
from pathsearch.numerics.curves import bezier, polygon

# slices of 2, 1 and 1 elements
BY_HAND = np.array([[3.0, 4.0, 1.0, 7.0], [3.0, 7.0, 3.0, 7.0], [7.0, 4.0, 5.0, 7.0]], dtype=np.float32)


def test_by_hand():
    """The first slice goes from (3, 4) over (3, 7) to (7, 4); the second runs straight; the third stays."""
    found = layers.geometry(layers.grams(BY_HAND, [2, 1, 1]), np.eye(3))
    nan = np.nan
    np.testing.assert_allclose(found["norm"], [[5, 1, 7], [np.sqrt(58), 3, 7], [np.sqrt(65), 5, 7]])
    np.testing.assert_allclose(found["distance"], [[0, 0, 0], [3, 0, 0], [0, 0, 0]], atol=1e-12)
    np.testing.assert_allclose(found["angle"], [[nan, nan, nan], [90, 0, nan], [0, 0, nan]], atol=1e-12)


@pytest.mark.parametrize("curve", [polygon, bezier])
@pytest.mark.parametrize("block", [1, 13, 1 << 20])
def test_mixtures_are_measured_as_the_points_themselves(curve, block, rng, monkeypatch):
    monkeypatch.setattr(layers, "BLOCK", 5 * block)
    sizes = [7, 0, 1, 30, 4]  # a parameter may have no elements
    pivots = rng.normal(size=(5, sum(sizes)))
    t = np.linspace(0.0, 1.0, 9)
    found = layers.geometry(layers.grams(pivots, sizes), curve(t, 5))
    points = curve(t, 5) @ pivots
    for n, (high, size) in enumerate(zip(np.cumsum(sizes), sizes)):
        part = slice(high - size, high)
        away, chord = (points - pivots[0])[:, part], (pivots[-1] - pivots[0])[part]
        length = np.linalg.norm(chord)
        np.testing.assert_allclose(found["norm"][:, n], np.linalg.norm(points[:, part], axis=1), rtol=1e-12)
        if size == 0:
            assert np.isnan(found["angle"][:, n]).all()
            continue
        along = away @ chord / length
        rest = np.linalg.norm(away - np.outer(along, chord / length), axis=1)
        np.testing.assert_allclose(found["distance"][:, n], rest, rtol=1e-9, atol=1e-6)
        cosine = along[1:] / np.linalg.norm(away[1:], axis=1)
        np.testing.assert_allclose(np.cos(np.radians(found["angle"][1:, n])), cosine, rtol=1e-9)


def test_small_steps_far_from_the_origin_do_not_drown():
    """The norm is 1e4, the steps 1e-4: their squares lie 16 digits apart."""
    pivots = np.full((3, 1), 1e4) + np.zeros((3, 2))
    pivots[1, 1] += 1e-4
    pivots[2, 0] += 1e-4
    found = layers.geometry(layers.grams(pivots, [2]), np.eye(3))
    np.testing.assert_allclose(found["distance"][1], 1e-4, rtol=1e-7)
    np.testing.assert_allclose(found["angle"][1], 90.0, atol=1e-6)
