"""Forces on the images of a band, as combinations of d⁻, d⁺ and the gradient."""

import numpy as np

from pathsearch.numerics.basis import AHEAD, BACK, GEOMETRY, GRADIENT, Array


def perpendicular(tangent: Array, gram: Array) -> Array:
    """F⊥ = −g + (g·τ)τ of each image (Henkelman & Jónsson 2000, eq. 4); [n, 3]."""
    return _along(tangent, _slope(tangent, gram)) - _gradient(len(tangent))


def climbing(tangent: Array, gram: Array) -> Array:
    """F = −g + 2(g·τ)τ, uphill along the band (Henkelman, Uberuaga & Jónsson 2000, eq. 5); [n, 3]."""
    return _along(tangent, 2.0 * _slope(tangent, gram)) - _gradient(len(tangent))


def climber(losses: Array) -> int | None:
    """Which interior image climbs: the highest of those that are higher than both their neighbours, the ends included.

    losses [n + 2] with both ends. Neighbours of equal loss count as one, their first stands for them. None where no
    image is such a maximum: uphill from there lies an end, and nothing to find.
    """
    firsts = np.flatnonzero(np.diff(losses, prepend=np.nan))  # of each stretch of equal losses
    heights = losses[firsts]
    peaks = 1 + np.flatnonzero((heights[1:-1] > heights[:-2]) & (heights[1:-1] > heights[2:]))
    return int(firsts[peaks[heights[peaks].argmax()]]) - 1 if len(peaks) else None


def spring(tangent: Array, gram: Array, constant: float) -> Array:
    """F∥ = k(|d⁺| − |d⁻|)τ of each image (Henkelman & Jónsson 2000, eq. 12); [n, 3]."""
    stretch = np.sqrt(gram[:, AHEAD, AHEAD]) - np.sqrt(gram[:, BACK, BACK])
    return _along(tangent, constant * stretch)


def _slope(tangent: Array, gram: Array) -> Array:
    return np.asarray(np.einsum("nj,nj->n", tangent, gram[:, GRADIENT, :2]))


def _along(tangent: Array, size: Array) -> Array:
    return np.pad(size[:, None] * tangent, ((0, 0), (0, 1)))


def _gradient(n: int) -> Array:
    unit = np.zeros((n, GEOMETRY))
    unit[:, GRADIENT] = 1.0
    return unit
