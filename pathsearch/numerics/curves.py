"""Curve types: γ(t) = Σₖ Bₖ(t) Pₖ for pivots P; a type is one function t [T], pivots → B [T, pivots]."""

from collections.abc import Callable
from math import comb

import numpy as np

from pathsearch.numerics.basis import Array
from pathsearch.numerics.spacing import hats


def polygon(t: Array, pivots: int) -> Array:
    """Polygonal chain, equal shares of t to every segment (Garipov et al. 2018, eq. 3 for one bend)."""
    return hats(np.asarray(t, dtype=float) * (pivots - 1), pivots)


def bezier(t: Array, pivots: int) -> Array:
    """Bézier curve: Bernstein polynomials of degree pivots − 1 (Garipov et al. 2018, eq. 4 for one bend)."""
    t = np.asarray(t, dtype=float)[:, None]
    k = np.arange(pivots)
    binomials = np.array([comb(pivots - 1, int(j)) for j in k], dtype=float)
    return np.asarray(binomials * t**k * (1.0 - t) ** (pivots - 1 - k))


CURVES: dict[str, Callable[[Array, int], Array]] = {"polygon": polygon, "bezier": bezier}
