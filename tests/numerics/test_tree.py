"""Trees of minima, against answers by hand and against networkx's shortest ways."""

import numpy as np
import pytest

from pathsearch.numerics import tree

INF = np.inf


def matrix(n, **saddles):
    found = np.full((n, n), INF)
    for key, value in saddles.items():
        u, v = (int(each) for each in key[1:].split("_"))
        found[u, v] = found[v, u] = value
    return found


def test_muller_browns_three_minima():
    """A, B, C with A–C at −40.66 and C–B at −72.25, as the notes have it."""
    values = np.array([-146.6995, -108.1667, -80.7678])
    saddles = matrix(3, s0_2=-40.664843508657, s1_2=-72.248940)
    assert tree.spanning_tree(saddles) == [(1, 2), (0, 2)]
    ways = tree.minimax(saddles)
    assert ways[0, 1] == ways[0, 2] == -40.664843508657
    assert ways[1, 2] == -72.248940
    assert tree.merges(values, saddles) == [((1,), (2,), -72.248940), ((0,), (1, 2), -40.664843508657)]
    assert tree.leaves(values, saddles) == [0, 1, 2]


def test_the_way_from_one_minimum_to_another():
    saddles = matrix(6, s0_2=4.0, s1_2=3.0, s0_1=5.0, s2_3=-1.0, s4_5=0.0)
    assert tree.route(saddles, 0, 1) == [0, 2, 1]
    assert tree.route(saddles, 3, 0) == [3, 2, 0]
    assert tree.route(saddles, 4, 5) == [4, 5]
    assert tree.route(saddles, 0, 4) == []


def drawn(seed, n=9, missing=0.5, levels=6):
    rng = np.random.default_rng(seed)
    saddles = rng.integers(-levels, levels, size=(n, n)).astype(float)  # many are equal, some are 0 and below
    saddles[rng.random((n, n)) < missing] = INF
    upper = np.triu(saddles, 1) + np.tril(np.full((n, n), INF))
    upper = np.minimum(upper, upper.T)
    return rng.integers(-20, -levels, size=n).astype(float), upper


@pytest.mark.parametrize("seed", range(20))
def test_minimax_is_the_lowest_highest_saddle_of_all_ways(seed):
    _, saddles = drawn(seed, missing=0.6)
    ways = saddles.copy()
    for k in range(len(ways)):  # Floyd and Warshall with max for the sum
        ways = np.minimum(ways, np.maximum(ways[:, k : k + 1], ways[k : k + 1, :]))
    np.fill_diagonal(ways, -INF)
    found = tree.minimax(saddles)
    np.testing.assert_array_equal(found, ways)
    ultrametric = np.maximum(found[:, :, None], found[None, :, :])  # by (a, b, c)
    assert (found[:, None, :] <= ultrametric).all()


@pytest.mark.parametrize("seed", range(10))
def test_the_trees_own_saddles_are_enough_for_all_ways(seed):
    values, saddles = drawn(seed)
    pairs = tree.spanning_tree(saddles)
    only = np.full(saddles.shape, INF)
    for u, v in pairs:
        only[u, v] = only[v, u] = saddles[u, v]
    np.testing.assert_array_equal(tree.minimax(only), tree.minimax(saddles))
    heights = [merge.height for merge in tree.merges(values, saddles)]
    assert heights == sorted(heights)
    assert sorted(tree.leaves(values, saddles)) == list(range(len(values)))


def test_groups_are_drawn_side_by_side():
    values, saddles = drawn(3)
    order = tree.leaves(values, saddles)
    for merge in tree.merges(values, saddles):
        places = sorted(order.index(n) for n in (*merge.first, *merge.second))
        assert places == list(range(places[0], places[0] + len(places)))


def test_a_saddle_below_its_ends_is_found():
    assert tree.below(np.array([0.0, 1.0, 0.5]), matrix(3, s0_1=0.9, s1_2=2.0), 0.05) == [(0, 1)]
