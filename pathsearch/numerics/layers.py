"""How a path lies in the space of each parameter, from the inner products of its pivots there."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from pathsearch.numerics.basis import Array

BLOCK = 1 << 23  # elements of all pivots that are in hand at once


def grams(pivots: Any, sizes: Sequence[int]) -> Array:
    """Gram matrices [L, N, N] of L slices of the pivots: of the first one, and of the others' differences from it.

    pivots [N, M]: an array, or a file's, of which `pivots[:, a:b]` reads a part. sizes [L]: of the slices that a vector
    consists of, in their order. Sums are float64.
    """
    count, ends = len(pivots), np.cumsum([0, *sizes])
    found = np.zeros((len(sizes), count, count))
    step = max(1, BLOCK // count)
    for begin in range(0, int(ends[-1]), step):
        # no view: a difference is to be written over what was read
        block = np.array(pivots[:, begin : begin + step], dtype=np.float64)
        block[1:] -= block[0]
        for n, (low, high) in enumerate(zip(ends - begin, ends[1:] - begin)):
            if low < block.shape[1] and high > 0:
                part = block[:, max(low, 0) : high]
                found[n] += part @ part.T
    return found


def geometry(grams: Array, mixture: Array) -> dict[str, Array]:
    """Where points of a path are, slice by slice [T, L]: mixtures [T, N] of the pivots, whose rows add up to one.

    grams: see there. `norm`: the point's own. `distance`: from the straight line through both ends, to 1e-8 of
    the way from the start. `angle`, in
    degrees: between the point and the end, as the start sees them; NaN where one of them is where the start is.
    """
    ends = grams[:, -1, -1]
    away = np.concatenate([np.zeros((len(mixture), 1)), mixture[:, 1:]], axis=1)
    whole = away + np.eye(1, len(grams[0]))
    squares = [np.einsum("tj,ljk,tk->tl", each, grams, each) for each in (whole, away)]
    norms = [np.sqrt(np.maximum(each, 0.0)) for each in squares]
    apart = (norms[1] > 0.0) & (ends > 0.0)
    along = (away @ grams[:, :, -1].T) / np.sqrt(np.where(ends > 0.0, ends, 1.0))
    distance = np.sqrt(np.maximum(squares[1] - along**2, 0.0))
    angle = np.where(apart, np.degrees(np.arctan2(distance, along)), np.nan)
    return {"norm": norms[0], "distance": distance, "angle": angle}
