"""The vectors each moving pivot's move is made of, and algebra on coefficients over them.

Pivot i has d⁻ = wᵢ − wᵢ₋₁, d⁺ = wᵢ₊₁ − wᵢ, its loss gradient g, and the optimiser's states. A *combination* is an
array [n, k] of coefficients, a row a pivot; the Gram matrices [n, k, k] give every inner product without the vectors.
"""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

BACK, AHEAD, GRADIENT = 0, 1, 2
GEOMETRY = 3


def unit(n: int, k: int, index: int) -> Array:
    """The combination [n, k] that picks one basis vector for every pivot."""
    combination = np.zeros((n, k))
    combination[:, index] = 1.0
    return combination


def widen(combination: Array, k: int) -> Array:
    """A combination over the first few basis vectors, written over all k of them."""
    return np.pad(combination, ((0, 0), (0, k - combination.shape[1])))


def dots(a: Array, b: Array, gram: Array) -> Array:
    """Inner products [n] of two combinations, pivot by pivot."""
    return np.asarray(np.einsum("nj,njk,nk->n", a, gram[:, : a.shape[1], : b.shape[1]], b))


def norms(a: Array, gram: Array) -> Array:
    """Euclidean lengths [n] of a combination; rounding below zero counts as zero."""
    return np.sqrt(np.maximum(dots(a, a, gram), 0.0))


def whole_norm(a: Array, gram: Array) -> float:
    """Euclidean length of a combination over all pivots together; rounding below zero counts as zero."""
    return float(np.sqrt(max(dots(a, a, gram).sum(), 0.0)))


def capped(move: Array, gram: Array, cap: float | None) -> Array:
    """A move [n, k] with each pivot's length at most `cap`."""
    if cap is None:
        return move
    lengths = norms(move, gram)
    return move * np.minimum(1.0, cap / np.maximum(lengths, np.finfo(float).tiny))[:, None]
