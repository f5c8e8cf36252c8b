import itertools

import numpy as np
import pytest

from pathsearch.numerics.balance import blocks, longest_time


@pytest.mark.parametrize("seed", range(20))
def test_no_cut_is_faster(seed):
    draw = np.random.default_rng(seed)
    pivots, actors = int(draw.integers(1, 8)), int(draw.integers(1, 5))
    costs, rates = draw.choice([1 / 3, 1.0], pivots), draw.uniform(0.5, 3.0, actors)
    layout = blocks(costs, rates)
    assert [row for block in layout for row in block] == list(range(pivots))
    every = (
        longest_time([range(a, b) for a, b in zip((0, *cuts), (*cuts, pivots))], costs, rates)
        for cuts in itertools.combinations_with_replacement(range(pivots + 1), actors - 1)
    )
    assert longest_time(layout, costs, rates) == pytest.approx(min(every), rel=1e-12)


def test_equal_actors_get_equal_blocks():
    assert [len(block) for block in blocks(np.ones(8), np.ones(4))] == [2, 2, 2, 2]
    assert [len(block) for block in blocks(np.ones(2), np.ones(4))].count(1) == 2


def test_a_slow_actor_gets_less():
    assert [len(block) for block in blocks(np.ones(9), np.array([1.0, 2.0, 1.0]))] == [4, 1, 4]
