"""Where the minima of a tree are drawn: from its middle outwards, so that no lines cross."""

from collections.abc import Iterable, Sequence

import numpy as np

from pathsearch.numerics.tree import Array, Pair


def radial(count: int, edges: Sequence[Pair]) -> Array:
    """Places [n, 2] of a forest's nodes: edges have length 1, and every leaf takes an equal share of the full turn.

    A tree's middle lies in the middle; those of several trees lie round it.
    """
    beside = _beside(count, edges)
    roots = _middles(beside)
    alone = len(roots) == 1
    below: dict[int, list[int]] = {}
    depth = dict.fromkeys(roots, 0 if alone else 2)
    order = list(roots)
    for n in order:
        below[n] = [m for m in beside[n] if m not in depth]
        depth |= dict.fromkeys(below[n], depth[n] + 1)
        order += below[n]
    leaves: dict[int, int] = {}
    for n in reversed(order):
        leaves[n] = sum(leaves[m] for m in below[n]) or 1
    share = 2 * np.pi / sum(leaves[n] for n in roots)
    begin: dict[int, float] = {}
    _spread(roots, 0.0, leaves, begin)
    for n in order:
        _spread(below[n], begin[n], leaves, begin)
    places = np.zeros((count, 2))
    for n in order:
        turn = share * (begin[n] + 0.5 * (leaves[n] - 1))
        places[n] = depth[n] * np.cos(turn), depth[n] * np.sin(turn)
    return places


def _beside(count: int, edges: Iterable[Pair]) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {n: [] for n in range(count)}
    for u, v in edges:
        found[u].append(v)
        found[v].append(u)
    return found


def _spread(nodes: Sequence[int], at: float, leaves: dict[int, int], begin: dict[int, float]) -> None:
    """Where each of these nodes' leaves begin, one after another."""
    for n in nodes:
        begin[n], at = at, at + leaves[n]


def _middles(beside: dict[int, list[int]]) -> list[int]:
    """The middle of each tree: the node whose farthest one is nearest."""
    left, found = set(beside), []
    while left:
        members = _distances(min(left), beside)
        found.append(min(members, key=lambda n: (max(_distances(n, beside).values()), n)))
        left -= set(members)
    return found


def _distances(start: int, beside: dict[int, list[int]]) -> dict[int, int]:
    far = {start: 0}
    order = [start]
    for n in order:
        new = [m for m in beside[n] if m not in far]
        far |= dict.fromkeys(new, far[n] + 1)
        order += new
    return far
