"""Which pivots go to which actor: contiguous blocks, so that the slowest actor is as fast as it can be."""

import numpy as np

from pathsearch.numerics.basis import Array

LOSS = 1 / 3  # cost of a loss alone, where loss and gradient cost 1
EARLY = 2  # an actor's evaluations that do not count, when it begins or has work again
RECENT = 15  # of its evaluations whose median counts
ENOUGH = 3  # of those, before it is judged
LOOK = 10  # evaluations between two looks at the layout
UNEVEN = 1.15  # times the best longest time, at which blocks may be cut anew
SOON = 20  # steps within which that is to be worth it
MOVE = 1.0  # what moving a pivot takes, in gradients
SURE = 0.75  # of the last evaluations in which the new layout would have been faster
SHARE = 0.2  # of the time that tries of an idle actor take, at the most


def blocks(costs: Array, rates: Array) -> list[range]:
    """Cut pivots of given costs [N] into a block for each actor, of rates [A] in seconds per cost; some may be empty.

    The longest time over the actors is the shortest possible, and shorter ones are even as far as that goes.
    """
    walked = np.concatenate([[0.0], np.cumsum(costs)])
    pivots = len(costs)
    within = np.tri(pivots + 1, dtype=bool)
    # longest[i], squares[i]: of the first i pivots on the actors so far
    longest, squares = np.full((2, pivots + 1), np.inf)
    longest[0] = squares[0] = 0.0
    cuts = []
    for rate in rates:
        spent = np.where(within, rate * (walked[:, None] - walked[None, :]), np.inf)
        candidates = np.maximum(longest[None, :], spent)
        best = candidates.min(axis=1)
        sums = np.where(candidates <= best[:, None], squares[None, :] + spent**2, np.inf)
        cuts.append(sums.argmin(axis=1))
        longest, squares = best, sums.min(axis=1)
    stop, layout = pivots, []
    for cut in reversed(cuts):
        layout.append(range(int(cut[stop]), stop))
        stop = int(cut[stop])
    return layout[::-1]


def longest_time(layout: list[range], costs: Array, rates: Array) -> float:
    """Seconds of the slowest actor."""
    return float((rates * worked(layout, costs)).max())


def worked(layout: list[range], costs: Array) -> Array:
    """Costs [A] of each actor's block."""
    return np.array([costs[block.start : block.stop].sum() for block in layout])


def moved(layout: list[range], other: list[range]) -> int:
    """Pivots that another actor owns in the other layout."""
    return sum(len(set(theirs) - set(ours)) for ours, theirs in zip(layout, other))


class Balance:
    """Decides who should own what, from how long the actors' evaluations took.

    recent [A, RECENT]: the last evaluations in seconds per cost, NaN where an actor was idle or there are none yet.
    early [A]: how many evaluations an actor has yet to make that do not count, since its device starts and its kernels
    are compiled. idle [A]: for how many evaluations an actor has had no work; after more than `rest` [A] of them it
    counts as one of median speed, and so it is tried again. Every try that `failed` [A] makes its rest longer, so that
    the tries of a slow actor cost little in all.
    """

    def __init__(self, actors: int) -> None:
        self._recent = np.full((actors, RECENT), np.nan)
        self._early = np.full(actors, EARLY)
        self._idle, self._rest, self._failed = np.zeros((3, actors))
        self._look = EARLY + ENOUGH  # evaluations until the next one

    def learn(self, seconds: Array, costs: Array) -> None:
        """Note what an evaluation took [A], and the costs [A] it worked out, which are 0 for an idle actor."""
        busy = costs > 0
        back = busy & (self._idle > 0)
        self._recent[back], self._early[back] = np.nan, EARLY
        self._look = EARLY + ENOUGH if back.any() else self._look - 1
        counts = busy & (self._early == 0)
        self._recent[counts] = np.roll(self._recent[counts], -1, axis=1)
        self._recent[counts, -1] = seconds[counts] / costs[counts]
        self._early[busy & ~counts] -= 1
        self._idle = np.where(busy, 0, self._idle + 1)

    @property
    def rates(self) -> Array:
        """Seconds per cost [A]; 1 for all as long as nothing is known."""
        known = ~np.isnan(self._recent).all(axis=1)
        rates = np.ones(len(known))
        rates[known] = np.nanmedian(self._recent[known], axis=1)
        working = known & (self._idle == 0)
        if working.any():
            rates[~known | (self._idle > self._rest)] = np.median(rates[working])
        return rates

    def cut(self, layout: list[range], costs: Array) -> list[range]:
        """The layout to go on with: a new one only where it soon saves more time than moving the pivots takes."""
        busy = worked(layout, costs) > 0
        if self._look > 0 or (self._idle[busy] > 0).any():
            return layout
        self._look = LOOK
        rates = self.rates
        best = blocks(costs, rates)
        now, then = (longest_time(each, costs, rates) for each in (layout, best))
        kept = worked(best, costs) > 0
        self._failed[busy & kept] = 0
        if now <= UNEVEN * then or (now - then) * SOON <= MOVE * moved(layout, best) * np.median(rates[busy]):
            return layout
        # a layout may look better by chance: one that is better has been so in most of the last evaluations
        each = np.where(busy[:, None], self._recent, rates[:, None])
        each = each[:, ~np.isnan(each).any(axis=0)]
        before, after = ((each * worked(those, costs)[:, None]).max(axis=0) for those in (layout, best))
        if len(before) < ENOUGH or (after < before).mean() < SURE:
            return layout
        for a in np.flatnonzero(busy & ~kept):
            tried = (EARLY + ENOUGH) * rates[a] * costs.sum() / len(rates) / then  # what a try costs, in steps
            self._rest[a] = tried * 2 ** self._failed[a] / SHARE
            self._failed[a] += 1
        return best
