"""Which pivots go to which actor: contiguous blocks, so that the slowest actor is as fast as it can be."""

import numpy as np

from pathsearch.numerics.basis import Array

LOSS = 1 / 3  # cost of a loss alone, where loss and gradient cost 1


def blocks(costs: Array, rates: Array) -> list[range]:
    """Cut pivots of given costs [N] into a block for each actor, of rates [A] in seconds per cost; some may be empty.

    The longest time over the actors is the shortest possible, and shorter ones are even as far as that goes.
    """
    walked = np.concatenate([[0.0], np.cumsum(costs)])
    pivots = len(costs)
    within = np.tri(pivots + 1, dtype=bool)
    # longest[i], squares[i]: of the first i pivots on the actors so far
    longest, squares = np.full((2, pivots + 1), np.inf)
    longest[0] = squares[0] = 0.0
    cuts = []
    for rate in rates:
        spent = np.where(within, rate * (walked[:, None] - walked[None, :]), np.inf)
        candidates = np.maximum(longest[None, :], spent)
        best = candidates.min(axis=1)
        sums = np.where(candidates <= best[:, None], squares[None, :] + spent**2, np.inf)
        cuts.append(sums.argmin(axis=1))
        longest, squares = best, sums.min(axis=1)
    stop, layout = pivots, []
    for cut in reversed(cuts):
        layout.append(range(int(cut[stop]), stop))
        stop = int(cut[stop])
    return layout[::-1]


def longest_time(layout: list[range], costs: Array, rates: Array) -> float:
    """Seconds of the slowest actor."""
    return max(float(rate * costs[block.start : block.stop].sum()) for block, rate in zip(layout, rates))
