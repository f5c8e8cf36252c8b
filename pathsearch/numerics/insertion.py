"""Where AutoNEB puts new pivots (Draxler et al. 2018, section 3.2). A rule is one function and a line of the table.

A position counts segments: 1.5 is the middle between pivots 1 and 2.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pathsearch.numerics.basis import Array

PROBES = 9  # points looked at inside each segment, as in the paper's code


@dataclass(frozen=True)
class Chain:
    """What a rule may ask about a chain of N `pivots`: lengths [N − 1] of segments, losses [T] at positions [T]."""

    pivots: int
    lengths: Callable[[], Array]
    losses: Callable[[Array], Array]


@dataclass(frozen=True)
class Rule:
    """positions: chain, pivots to add, threshold → positions of the pivots of the longer chain.

    stays: whether re-spacing keeps the shares of the length that the new segments have, else it makes all equal.
    """

    positions: Callable[[Chain, int, float], Array]
    stays: bool


def at_equal_distances(chain: Chain, count: int, threshold: float) -> Array:
    """All pivots, the old ones too, at equal distances."""
    return equal(chain.lengths(), chain.pivots + count)


def where_loss_is_high(chain: Chain, count: int, threshold: float) -> Array:
    """At most `count` where the loss stands out by more than `threshold`, see `highest`."""
    here = np.arange(chain.pivots, dtype=float)
    losses = chain.losses(np.concatenate([here, probe_positions(chain.pivots)]))
    return highest(losses[: chain.pivots], losses[chain.pivots :], count, threshold)


RULES = {"equal": Rule(at_equal_distances, stays=False), "highest": Rule(where_loss_is_high, stays=True)}


def probe_positions(pivots: int) -> Array:
    """Positions [segments × PROBES] along the chain at which losses are wanted."""
    inside = np.arange(1, PROBES + 1) / (PROBES + 1)
    return np.asarray((np.arange(pivots - 1)[:, None] + inside).ravel())


def equal(lengths: Array, pivots: int) -> Array:
    """Positions of `pivots` points at equal distances along a chain whose segments have these lengths."""
    walked = np.concatenate([[0.0], np.cumsum(lengths)])
    return np.interp(np.linspace(0.0, walked[-1], pivots), walked, np.arange(len(walked), dtype=float))


def highest(losses: Array, probes: Array, count: int, threshold: float) -> Array:
    """Positions [N + inserted] of the chain with pivots added where the loss rises most over its segment's chord.

    losses [N] at the pivots, probes [(N − 1) × PROBES] inside the segments. A segment scores the largest loss above
    the linear interpolation of its two ends, over the range of pivot losses; the best `count` segments whose score
    exceeds `threshold` get one pivot each, at their best probe.
    """
    probes = probes.reshape(-1, PROBES)
    inside = np.arange(1, PROBES + 1) / (PROBES + 1)
    chord = losses[:-1, None] * (1.0 - inside) + losses[1:, None] * inside
    spread = float(losses.max() - losses.min())
    scores = (probes - chord) / (spread if spread > 0.0 else 1.0)
    best = scores.max(axis=1)
    chosen = [s for s in np.argsort(-best, kind="stable")[:count] if best[s] > threshold]
    added = [s + inside[scores[s].argmax()] for s in chosen]
    return np.sort(np.concatenate([np.arange(len(losses), dtype=float), added]))
