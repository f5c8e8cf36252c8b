"""Which pair is joined next."""

import numpy as np
import pytest

from pathsearch.landscape import choice
from pathsearch.numerics import tree
from tests.numerics.test_tree import INF, matrix


def drawn(seed):
    """Values of eight minima, and saddles above them."""
    rng = np.random.default_rng(seed)
    values = rng.random(8)
    truth = np.maximum(values[:, None], values) + np.triu(rng.exponential(size=(8, 8)), 1)
    truth = np.minimum(np.triu(truth, 1) + np.tril(np.full((8, 8), INF)), INF)
    return values, np.minimum(truth, truth.T)


def explored(values, truth, how, tolerance=0.0):
    """Join pair after pair at their true saddles; which were tried."""
    saddles, tried = np.full(truth.shape, INF), []
    while (pair := how(values, saddles, tried, tolerance)) is not None:
        assert pair[0] < pair[1]
        assert pair not in tried
        tried.append(pair)
        saddles[pair] = saddles[pair[::-1]] = truth[pair]
    return tried, saddles


@pytest.mark.parametrize("seed", range(20))
def test_the_tree_that_is_explored_is_that_of_all_pairs(seed):
    values, truth = drawn(seed)
    tried, saddles = explored(values, truth, choice.tree)
    np.testing.assert_array_equal(tree.minimax(saddles), tree.minimax(truth))
    best = int(np.argmin(values))
    assert all(best in pair for pair in tried[:7])
    everything, _ = explored(values, truth, choice.every)
    assert len(everything) == 28
    assert len(explored(values, truth, choice.star)[0]) == 7


def test_pairs_that_cannot_help_are_left_out():
    values = np.array([0.0, 1.0, 2.0])
    truth = matrix(3, s0_1=1.0, s0_2=2.0, s1_2=5.0)  # each saddle is as low as its higher end
    assert explored(values, truth, choice.tree)[0] == [(0, 1), (0, 2)]
    higher = matrix(3, s0_1=1.0, s0_2=4.0, s1_2=5.0)
    assert explored(values, higher, choice.tree)[0] == [(0, 1), (0, 2), (1, 2)]
    assert explored(values, higher, choice.tree, tolerance=2.0)[0] == [(0, 1), (0, 2)]
    assert explored(values, higher, choice.of_a_list([(1, 2), (0, 1)]))[0] == [(1, 2), (0, 1)]


@pytest.mark.parametrize("seed", range(20))
def test_rounds_find_the_same_tree_and_try_no_pair_in_vain(seed):
    values, truth = drawn(seed)
    saddles, tried, rounds = np.full(truth.shape, INF), [], []
    while pairs := choice.together(choice.tree, values, saddles, tried, 0.0):
        rounds.append(pairs)
        tried += pairs
        for pair in pairs:
            saddles[pair] = saddles[pair[::-1]] = truth[pair]
    np.testing.assert_array_equal(tree.minimax(saddles), tree.minimax(truth))
    best = int(np.argmin(values))
    assert len(rounds[0]) == 7
    assert all(best in pair for pair in rounds[0])
    assert len(rounds) < len(tried) - 7 + 1  # one by one there would be as many
    assert set(tried) <= set(explored(values, truth, choice.tree)[0]) | set(tried[:7])


def test_a_round_of_minima_that_are_not_known_is_a_star_and_a_budget_cuts_it():
    unknown, none = np.full(5, INF), np.full((5, 5), INF)
    assert choice.together(choice.tree, unknown, none, [], 0.0) == [(0, 1), (0, 2), (0, 3), (0, 4)]
    assert choice.together(choice.tree, unknown, none, [], 0.0, 2) == [(0, 1), (0, 2)]
    assert choice.together(choice.tree, unknown, none, [], 0.0, 0) == []
    assert len(choice.together(choice.every, unknown, none, [], 0.0)) == 10
