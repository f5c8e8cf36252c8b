"""Places of trees: by hand, and that nothing crosses."""

from itertools import combinations

import numpy as np
import pytest

from pathsearch.numerics.radial import radial


def test_a_chain_lies_on_a_line_and_a_star_round_its_middle():
    np.testing.assert_allclose(radial(3, [(0, 2), (1, 2)]), [[1, 0], [-1, 0], [0, 0]], atol=1e-12)
    places = radial(5, [(0, 3), (1, 3), (2, 3), (3, 4)])
    np.testing.assert_allclose(places, [[1, 0], [0, 1], [-1, 0], [0, 0], [0, -1]], atol=1e-12)
    assert not radial(1, []).any()


def side(a, b, c):
    """On which side of the line from a to b c lies."""
    (x, y), (u, v) = b - a, c - a
    return x * v - y * u


@pytest.mark.parametrize("seed", range(20))
def test_no_lines_cross_and_no_minima_coincide(seed):
    rng = np.random.default_rng(seed)
    count = int(rng.integers(2, 25))
    edges = [(int(rng.integers(n)), n) for n in range(1, count) if rng.random() < (0.8 if seed % 2 else 1.0)]
    places = radial(count, edges)
    assert np.linalg.norm(places[:, None] - places, axis=-1)[np.triu_indices(count, 1)].min() > 0.2
    for (a, b), (c, d) in combinations(edges, 2):
        if not {a, b} & {c, d}:
            a, b, c, d = places[[a, b, c, d]]
            assert not (side(a, b, c) * side(a, b, d) < -1e-9 and side(c, d, a) * side(c, d, b) < -1e-9)
