"""How good predicted probabilities of classes are: error, negative log-likelihood, calibration error, disagreement.

All is worked out from logarithms in float64: a probability of e⁻¹⁰⁰⁰ is a number, and so is the mean of several. Where
outputs are not finite, or a class is given no probability at all, figures are infinite or NaN, never left out.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pathsearch.numerics.basis import Array

BINS = 15
"""Of confidence, of equal width: (m − 1)/15 < confidence ≤ m/15 (Guo et al. 2017)."""


class Figures(NamedTuple):
    """error: share of examples that are predicted wrongly. nll: mean of −log p of the true class. ece: expected
    calibration error, the mean over examples of how far their bin's accuracy is from its mean confidence.
    """

    error: float
    nll: float
    ece: float


def log_probabilities(outputs: NDArray[np.floating]) -> Array:
    """The logarithms of the softmax of outputs [n, classes]."""
    outputs = outputs.astype(np.float64)
    with np.errstate(invalid="ignore"):  # of what is not finite the sums are NaN
        shifted = outputs - outputs.max(axis=1, keepdims=True)
        return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))


def log_added(one: Array, other: Array) -> Array:
    """The logarithms of sums of probabilities that are given by their logarithms."""
    with np.errstate(invalid="ignore"):
        return np.asarray(np.logaddexp(one, other))


def tally(log_p: Array, classes: NDArray[np.integer]) -> Array:
    """What `figures` needs of log_p [n, classes] and the true classes [n]; tallies [BINS, 4] of parts are added up.

    Of each bin: how many examples, how many of them right, and sums of their confidences and of −log p of the truth.
    """
    examples, best = np.arange(len(classes)), log_p.argmax(axis=1)
    confidence = np.exp(log_p[examples, best])
    known = np.isfinite(confidence)
    bins = np.ceil(np.where(known, confidence, 0.0) * BINS).astype(np.int64) - 1
    columns = (np.ones(len(classes)), known & (best == classes), confidence, -log_p[examples, classes])
    bins = bins.clip(0, BINS - 1)
    return np.stack([np.bincount(bins, weights=each, minlength=BINS) for each in columns], axis=1)


def figures(tallied: Array) -> Figures:
    """Error, negative log-likelihood and calibration error of all that was tallied."""
    count, right, confidence, surprise = tallied.T
    sums = (count - right).sum(), surprise.sum(), np.abs(right - confidence).sum()
    return Figures(*(float(each / count.sum()) for each in sums))


def disagreements(guesses: NDArray[np.integer]) -> NDArray[np.int64]:
    """On how many examples two members differ [k, k]; guesses [k, n] are their predicted classes."""
    return np.stack([(guesses != each).sum(axis=1) for each in guesses])
