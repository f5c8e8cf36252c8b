"""The tree of the lowest ways between minima: small arrays in, small arrays out.

Saddles are a symmetric matrix [n, n], infinite where no path was found or tried. All are upper bounds: of paths that
were found, not of those that there are.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import cophenet, linkage
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components, minimum_spanning_tree
from scipy.spatial.distance import squareform

Array = NDArray[np.float64]
Pair = tuple[int, int]


def paired(u: int, v: int) -> Pair:
    """Two minima as a pair, the lower number first."""
    return (min(u, v), max(u, v))


class Merge(NamedTuple):
    """Two groups of minima, each in the order in which it is drawn, that come together at a height."""

    first: tuple[int, ...]
    second: tuple[int, ...]
    height: float


def spanning_tree(saddles: Array) -> list[Pair]:
    """The pairs (u < v) of a minimum spanning tree, of each connected part, the lowest saddle first."""
    ranks, _ = _ranks(saddles)
    tree = minimum_spanning_tree(csr_array(ranks)).tocoo()  # 0 stands for no pair there: ranks begin at 1
    pairs = [paired(u, v) for u, v in zip(tree.row.tolist(), tree.col.tolist())]
    return sorted(pairs, key=lambda each: (saddles[each], each))


def minimax(saddles: Array) -> Array:
    """By pair the highest saddle on the lowest way from one minimum to the other, [n, n]; infinite where there is none.

    The heights at which single linkage joins them (cophenetic distances); −∞ of a minimum with itself.
    """
    ranks, levels = _ranks(saddles)
    count, part = connected_components(csr_array(ranks), directed=False)
    found = np.full(saddles.shape, np.inf)
    for number in range(count):
        members = np.flatnonzero(part == number)
        if len(members) > 1:
            inside = ranks[np.ix_(members, members)]
            # a pair without a path is farther than all: within a part linkage never comes so far
            distances = squareform(np.where(inside > 0, inside, len(levels) + 1.0) * ~np.eye(len(members), dtype=bool))
            joined = squareform(cophenet(linkage(distances, "single"))).astype(int)
            heights = np.concatenate([[-np.inf], levels])[joined]
            found[np.ix_(members, members)] = heights
    np.fill_diagonal(found, -np.inf)
    return found


def route(saddles: Array, start: int, end: int) -> list[int]:
    """The minima on the lowest way from one to another, both among them; none where no path joins them."""
    beside: dict[int, list[int]] = {n: [] for n in range(len(saddles))}
    for u, v in spanning_tree(saddles):
        beside[u].append(v)
        beside[v].append(u)
    towards = {end: end}
    reached = [end]
    for n in reached:
        new = [m for m in beside[n] if m not in towards]
        towards |= dict.fromkeys(new, n)
        reached += new
    if start not in towards:
        return []
    way = [start]
    while way[-1] != end:
        way.append(towards[way[-1]])
    return way


def merges(values: Array, saddles: Array) -> list[Merge]:
    """How groups of minima come together as the height rises; of two the one with the lowest minimum is drawn first."""
    group: dict[int, tuple[int, ...]] = {n: (n,) for n in range(len(values))}
    found = []
    for u, v in spanning_tree(saddles):
        first, second = sorted((group[u], group[v]), key=lambda each: min((values[n], n) for n in each))
        found.append(Merge(first, second, float(saddles[u, v])))
        group |= dict.fromkeys((*first, *second), (*first, *second))
    return found


def leaves(values: Array, saddles: Array) -> list[int]:
    """All minima in an order in which no lines of the tree cross, the part with the lowest minimum first."""
    group: dict[int, tuple[int, ...]] = {n: (n,) for n in range(len(values))}
    for merge in merges(values, saddles):
        group |= dict.fromkeys((*merge.first, *merge.second), (*merge.first, *merge.second))
    parts = sorted(set(group.values()), key=lambda each: min((values[n], n) for n in each))
    return [n for part in parts for n in part]


def below(values: Array, saddles: Array, tolerance: float) -> list[Pair]:
    """Pairs whose saddle is lower than the higher of its ends by more than a tolerance: no path's is."""
    higher = np.maximum(values[:, None], values[None, :])
    return [(u, v) for u, v in np.argwhere(saddles < higher - tolerance).tolist() if u < v]


def _ranks(saddles: Array) -> tuple[Array, Array]:
    """The places of finite saddles among all different ones, from 1 on, 0 for none; and those, rising.

    Heights may be negative, or equal; their order is all that trees depend on, and they come back exactly.
    """
    finite = np.isfinite(saddles) & ~np.eye(len(saddles), dtype=bool)
    levels = np.unique(saddles[finite])
    ranks = np.zeros(saddles.shape)
    ranks[finite] = np.searchsorted(levels, saddles[finite]) + 1.0
    return ranks, levels
