"""Tangents of a chain of images, as unit combinations of d⁻ and d⁺."""

import numpy as np

from pathsearch.numerics.basis import AHEAD, BACK, Array


def improved(losses: Array, gram: Array) -> Array:
    """Improved tangent of each interior image (Henkelman & Jónsson 2000, eqs 8–11).

    losses [n + 2] with both ends; gram [n, ≥2, ≥2]. Returns [n, 2] coefficients on (d⁻, d⁺), of unit length; an image
    whose three losses are equal gets the bisector.
    """
    here, before, after = losses[1:-1], losses[:-2], losses[2:]
    rise_after, rise_before = np.abs(after - here), np.abs(before - here)
    larger, smaller = np.maximum(rise_after, rise_before), np.minimum(rise_after, rise_before)
    # eq. 8 on a slope: the segment towards the higher neighbour; eqs 10–11 at an extremum: both, weighted
    ahead = np.where((before < here) & (here < after), 1.0, np.where(after > before, larger, smaller))
    back = np.where((before > here) & (here > after), 1.0, np.where(after > before, smaller, larger))
    rising, falling = (before < here) & (here < after), (before > here) & (here > after)
    ahead, back = np.where(falling, 0.0, ahead), np.where(rising, 0.0, back)
    tangent = np.stack([back, ahead], axis=1)
    flat = (larger == 0.0)[:, None]
    return _normalised(np.where(flat, _bisector(gram), tangent), gram)


def _bisector(gram: Array) -> Array:
    lengths = np.sqrt(np.stack([gram[:, BACK, BACK], gram[:, AHEAD, AHEAD]], axis=1))
    return 1.0 / np.maximum(lengths, np.finfo(float).tiny)


def _normalised(tangent: Array, gram: Array) -> Array:
    square = np.einsum("nj,njk,nk->n", tangent, gram[:, :2, :2], tangent)
    # two images that coincide leave no direction: a zero tangent then projects nothing away
    return np.where(square > 0.0, 1.0 / np.sqrt(np.where(square > 0.0, square, 1.0)), 0.0)[:, None] * tangent
