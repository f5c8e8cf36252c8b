"""Which pivots go to which actor: contiguous blocks, so that the slowest actor is as fast as it can be."""

import numpy as np

from pathsearch.numerics.basis import Array


def blocks(costs: Array, rates: Array) -> list[range]:
    """Cut pivots of given costs [N] into a block for each actor, of rates [A] in seconds per cost; some may be empty.

    The longest time over the actors is the shortest possible; of equal cuts, the one whose squared times are least.
    """
    walked = np.concatenate([[0.0], np.cumsum(costs)])
    pivots, actors = len(costs), len(rates)
    # best[i]: (longest time, sum of squares, cuts) of the first i pivots on the actors so far
    best: list[tuple[float, float, tuple[int, ...]]] = [(0.0, 0.0, ()), *[(np.inf, np.inf, ())] * pivots]
    for rate in rates:
        spent = [[rate * (walked[i] - walked[j]) for j in range(i + 1)] for i in range(pivots + 1)]
        best = [
            min((max(best[j][0], spent[i][j]), best[j][1] + spent[i][j] ** 2, (*best[j][2], i)) for j in range(i + 1))
            for i in range(pivots + 1)
        ]
    cuts = (0, *best[pivots][2])
    return [range(cuts[a], cuts[a + 1]) for a in range(actors)]


def longest(layout: list[range], costs: Array, rates: Array) -> float:
    """Seconds of the slowest actor."""
    return max(float(rate * costs[block.start : block.stop].sum()) for block, rate in zip(layout, rates))
