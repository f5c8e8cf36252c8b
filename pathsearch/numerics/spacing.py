"""Where pivots sit along a chain: new pivots as mixtures `W @ old` of the old ones."""

import numpy as np

from pathsearch.numerics.basis import Array


def hats(position: Array, pivots: int) -> Array:
    """Mixture [T, pivots] for points at real-valued positions 0 … pivots − 1 along a chain of pivots."""
    segment = np.clip(np.floor(position).astype(int), 0, max(pivots - 2, 0))
    fraction = position - segment
    mixture = np.zeros((len(position), pivots))
    rows = np.arange(len(position))
    mixture[rows, segment] = 1.0 - fraction
    mixture[rows, np.minimum(segment + 1, pivots - 1)] += fraction
    return mixture


def respaced(lengths: Array, shares: list[float] | None = None, anchor: int | None = None) -> Array:
    """Mixture [N, N] that moves a chain's pivots along it, so that its segments have given shares of its length.

    lengths [N − 1] of the segments now, shares [N − 1] wanted (None: equal ones). The ends stay, and so does pivot
    `anchor` (a climbing image), with the shares kept on either side of it. Segments that have their shares already
    give the identity exactly, so a chain at rest stays at rest.
    """
    pivots = len(lengths) + 1
    walked = np.concatenate([[0.0], np.cumsum(lengths)])
    fixed = [0, pivots - 1] if anchor is None else [0, anchor, pivots - 1]
    target = np.concatenate([[0.0], np.cumsum(np.ones(pivots - 1) if shares is None else shares)])
    wanted = np.interp(target, target[fixed], walked[fixed])
    if np.all(lengths > 0.0):
        position = np.interp(wanted, walked, np.arange(pivots, dtype=float))
    else:  # segments of no length leave the inverse undefined: nothing is moved until the forces part them
        position = np.arange(pivots, dtype=float)
    # rounding of the sums is not a reason to move: it would blur a converged chain step by step
    still = np.abs(wanted - walked) <= 1e-12 * walked[-1]
    return hats(np.where(still, np.arange(pivots), position), pivots)
