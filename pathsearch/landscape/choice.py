"""Which two minima to join next."""

from collections.abc import Callable, Collection
from itertools import combinations
from sys import float_info

import numpy as np

from pathsearch.numerics.tree import Array, Pair, minimax, paired

Choice = Callable[[Array, Array, Collection[Pair], float], Pair | None]
"""From values [n], saddles [n, n], the pairs (u < v) that were tried, and a tolerance: the next pair, or None."""


def star(values: Array, saddles: Array, tried: Collection[Pair], tolerance: float) -> Pair | None:
    """The best minimum with each other, the lower ones first (Draxler et al. 2018, section 3.3)."""
    best = int(np.argmin(values))
    others = sorted((n for n in range(len(values)) if n != best), key=lambda n: (values[n], n))
    return next((pair for n in others if (pair := paired(best, n)) not in tried), None)


def tree(values: Array, saddles: Array, tried: Collection[Pair], tolerance: float) -> Pair | None:
    """A star first; then the pair across the highest saddle of the tree that could lower it most.

    No path between two minima is lower than the higher of them. So a pair whose way through the tree is no higher than
    that, but for a tolerance, cannot help, and where none can all is found. (AutoNEB's own rule tries every pair.)
    """
    if (first := star(values, saddles, tried, tolerance)) is not None:
        return first
    ways = minimax(saddles)
    left = [pair for pair in combinations(range(len(values)), 2) if pair not in tried]
    gains = {(u, v): np.inf if np.isinf(ways[u, v]) else ways[u, v] - max(values[u], values[v]) for u, v in left}
    helping = [pair for pair in left if gains[pair] > tolerance]
    return max(helping, key=lambda pair: (ways[pair], gains[pair], -pair[0], -pair[1]), default=None)


def every(values: Array, saddles: Array, tried: Collection[Pair], tolerance: float) -> Pair | None:
    """All pairs, those of low minima first."""
    left = [pair for pair in combinations(range(len(values)), 2) if pair not in tried]
    return min(left, key=lambda pair: (max(values[pair[0]], values[pair[1]]), *pair), default=None)


def of_a_list(pairs: list[Pair]) -> Choice:
    """The pairs of a list, in its order."""
    return lambda values, saddles, tried, tolerance: next((pair for pair in pairs if pair not in tried), None)


def together(
    choose: Choice, values: Array, saddles: Array, tried: Collection[Pair], tolerance: float, most: int | None = None
) -> list[Pair]:
    """The pairs of a round, no more than `most`: each would be tried even if all before it came out as low as they can.

    So they can be tried at the same time, and what is tried does not depend on how many are.
    """
    found: list[Pair] = []
    hoped = saddles.copy()
    while (most is None or len(found) < most) and (
        pair := choose(values, hoped, {*tried, *found}, tolerance)
    ) is not None:
        found.append(pair)
        higher = max(values[pair[0]], values[pair[1]])
        hoped[pair] = hoped[pair[::-1]] = higher if np.isfinite(higher) else -float_info.max  # not known yet
    return found


CHOICES: dict[str, Choice] = {"tree": tree, "star": star, "all": every}
