"""The coordinator's side: which actor owns which pivots and needs which others; `Holder`'s verbs as operations."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pathsearch.holders.protocol import Tick, Vectors, unheard
from pathsearch.holders.questions import QUESTIONS
from pathsearch.holders.ray import cluster
from pathsearch.holders.ray.pool import Pool
from pathsearch.holders.ray.worker import Evaluation, Transfer
from pathsearch.holders.settings import HolderSettings
from pathsearch.numerics.balance import LOSS, Balance, blocks
from pathsearch.numerics.basis import GEOMETRY, Array
from pathsearch.numerics.messages import Plan, Sample, Traffic
from pathsearch.objectives.gradients import chosen
from pathsearch.objectives.protocol import Objective


@dataclass(frozen=True)
class Share:
    """An actor's part of a step: which points of the sample it evaluates, and which moving pivots it owns."""

    points: list[int]
    moving: list[int]


class RayHolder:
    """Blocks of pivots on actors. Verbs as in `Holder`; moves are queued, and sent with the next question.

    `_copies` are the pivots that each actor has an up-to-date copy of. Owners are told to send what else an actor
    needs before it is told to wait for that, so that nobody waits for ever. `_version` counts the moves.
    """

    def __init__(
        self,
        make: Callable[[], Objective],
        options: HolderSettings,
        log: Callable[[str], None] = lambda line: None,
    ) -> None:
        self._make, self._options, self._log = make, options, log
        self._leave = cluster.join(options)
        try:
            self._open(fewer=False)
        except BaseException:
            self._leave()
            raise

    def _open(self, fewer: bool) -> None:
        self._pool = Pool(self._options, self._make, fewer, self._log)
        self._options = self._pool.options  # what was settled once holds when actors are lost
        self._actors = range(len(self._pool))
        self._balance = Balance(len(self._actors))
        self._layout = [range(0)] * len(self._actors)
        self._copies: list[set[int]] = [set() for _ in self._actors]
        self._version = self._count = 0
        self._moving: list[int] = []
        self._names: tuple[str, ...] = ()
        self._assignment: list[int] = []

    def load(self, pivots: Vectors, moving: list[int], states: Mapping[str, Vectors]) -> None:
        self._count = len(pivots)
        self._layout = blocks(_costs(self._count), self._balance.rates)
        self._copies = [set() for _ in self._actors]
        for a in self._actors:
            self._pool.queue(a, "forget")
        for row in range(self._count):  # one after another: they need not all fit in this process
            self._pool.vector(self._owner(row), "take", row, np.asarray(pivots[row]))
        self.begin(moving, tuple(states))
        for name, values in states.items():
            for n, row in enumerate(moving):
                self._pool.vector(self._owner(row), "take", row, np.asarray(values[n]), name)

    def begin(self, moving: list[int], states: tuple[str, ...]) -> None:
        self._moving, self._names = moving, states
        for a in self._actors:
            self._pool.queue(a, "begin", self._count, moving, states)

    def prepare_gradients(self, how: str) -> str:
        for a in self._actors:
            self._pool.queue(a, "prepare_gradients", chosen(how))
        with self._pool.patient():  # compiling is part of the start
            self._pool.flush()
        self._balance = Balance(len(self._actors))
        return chosen(how)

    def evaluate(self, sample: Sample) -> tuple[Array, Array]:
        self._assignment = self._assigned(sample)
        shares = self._shares()
        others = self._fetch(
            {a: _used(sample.mix[share.points]) | self._around(share.moving) for a, share in shares.items()}
        )
        adds = {a: _used(sample.back[share.points]) for a, share in shares.items()}
        # the actors that have a part of a pivot's gradient, in the order in which its owner adds these up
        parts = {row: [a for a in shares if row in adds[a]] for row in self._moving}
        for a, share in shares.items():
            self._queue_gradients(a, share, sample, others[a], parts)
        return self._collected(sample, shares, self._pool.flush())

    def _assigned(self, sample: Sample) -> list[int]:
        """The actor [S] that works out each point."""
        picked = (sample.mix == 1.0).any(axis=1)
        if picked.all():
            self._cut(sample)
            return [self._owner(int(row)) for row in sample.mix.argmax(axis=1)]
        # in equal shares, whatever the times: who adds up what is then the same every time
        return [a for a, part in enumerate(np.array_split(sample.t, len(self._actors))) for _ in part]

    def _shares(self) -> dict[int, Share]:
        """What each actor does in a step, of those that have something to do."""
        shares = {
            actor: Share(
                [s for s, a in enumerate(self._assignment) if a == actor],
                [row for row in self._moving if row in self._layout[actor]],
            )
            for actor in self._actors
        }
        return {a: share for a, share in shares.items() if share.points or share.moving}

    def _queue_gradients(
        self, a: int, share: Share, sample: Sample, others: dict[int, int], parts: dict[int, list[int]]
    ) -> None:
        """Have an actor evaluate its points, send gradients to the owners of their pivots, and take inner products."""
        mix, back = sample.mix[share.points], sample.back[share.points]
        columns = sorted(_used(mix) | _used(back))
        keys = [sample.keys[s] for s in share.points]
        self._pool.queue(a, "evaluate", columns, mix[:, columns], back[:, columns], keys, self._version, others)
        leaving = [row for row in parts if a in parts[row] and row not in self._layout[a]]
        if leaving:
            transfers: list[Transfer] = [("gradient", row, [self._owner(row)]) for row in leaving]
            self._pool.queue(a, "send", self._version, transfers)
        senders = {row: parts[row] for row in share.moving if parts[row] not in ([], [a])}
        self._pool.queue(a, "gram", self._version, senders)

    def _collected(
        self, sample: Sample, shares: dict[int, Share], found: dict[int, dict[str, Any]]
    ) -> tuple[Array, Array]:
        """Losses [S] and Gram matrices [n, k, k] from those of all actors, whose times the balance learns."""
        k = GEOMETRY + len(self._names)
        losses, gram = np.zeros(len(self._assignment)), np.zeros((len(self._moving), k, k))
        seconds, costs = np.zeros((2, len(self._actors)))
        for a, share in shares.items():
            evaluation: Evaluation = found[a]["evaluate"]
            losses[share.points] = evaluation.losses
            gram[[self._moving.index(row) for row in share.moving]] = found[a]["gram"]
            seconds[a], costs[a] = evaluation.seconds, _worked_out(sample)[share.points].sum()
        self._balance.learn(seconds, costs)
        return losses, gram

    def update(self, plan: Plan) -> None:
        for a in self._actors:
            own = [n for n, row in enumerate(self._moving) if row in self._layout[a]]
            self._pool.queue(a, "update", plan.of(own))
            self._copies[a] -= set(self._moving)
        self._version += 1

    def mix(self, mixture: Array) -> None:
        if len(mixture) == self._count:
            self._mix(mixture, self._layout)
        else:
            self.begin([], ())
            self._mix(mixture, blocks(_costs(len(mixture)), self._balance.rates))

    def _mix(self, mixture: Array, layout: list[range]) -> None:
        """Replace pivots by mixtures of them, and own them by a new layout."""
        mixtures = {a: {row: mixture[row] for row in layout[a]} for a in self._actors}
        used = {a: _used(mixture[layout[a].start : layout[a].stop]) for a in self._actors}
        others = self._fetch(used)
        with_states = set(self._moving) if self._names else set()
        states = self._fetch({a: used[a] & with_states for a in self._actors}, "states")
        same = len(mixture) == self._count
        still = {row for row in range(self._count) if same and np.array_equal(np.flatnonzero(mixture[row]), [row])}
        for a in self._actors:
            self._pool.queue(a, "mix", mixtures[a], len(mixture), still, self._version, others[a], states[a])
            self._copies[a] = ((self._copies[a] | set(self._layout[a])) & still) - set(layout[a])
        self._count, self._layout = len(mixture), layout
        self._version += 1

    def ask(self, name: str, mixture: Array, *arguments: Any, tick: Tick = unheard) -> list[Any]:
        # in contiguous shares, so that an actor needs few others' pivots
        shares = dict(enumerate(np.array_split(mixture, len(self._actors))))
        others = self._fetch({a: _used(share) for a, share in shares.items()})
        question, version = QUESTIONS[name], self._version
        operations = [
            (a, ("ask", (question, weights, version, others[a], arguments)))
            for a, share in shares.items()
            for weights in share
        ]
        return self._pool.each(operations, tick)

    def lengths(self) -> Array:
        others = self._fetch({a: {row + 1 for row in self._layout[a] if row + 1 < self._count} for a in self._actors})
        for a in self._actors:
            self._pool.queue(a, "lengths", self._version, others[a])
        found = {row: length for own in self._pool.flush().values() for row, length in own["lengths"].items()}
        return np.array([found[row] for row in range(self._count - 1)])

    def inner_products(self) -> Array:
        lower = np.zeros((self._count, self._count))
        for j in range(self._count):  # one pivot after another travels: they need not all fit beside an actor's own
            later = [a for a in self._actors if self._layout[a] and self._layout[a].stop > j]
            others = self._fetch({a: {0, j} for a in later})
            for a in later:
                self._pool.queue(a, "products", j, self._version, others[a])
                self._copies[a] -= {j} - {0}
            found = self._pool.flush()
            for a in later:
                for i, product in found[a]["products"].items():
                    lower[i, j] = product
        return lower + np.tril(lower, -1).T

    def pivot(self, row: int) -> NDArray[Any]:
        return np.asarray(self._pool.vector(self._owner(row), "pivot", row))

    def optimizer_state(self, name: str, row: int) -> NDArray[Any]:
        return np.asarray(self._pool.vector(self._owner(row), "optimizer_state", name, row))

    def place(self, sample: int) -> str:
        return f" on {self._pool.name(self._assignment[sample])}"

    def traffic(self) -> Traffic:
        return Traffic(*self._pool.traffic())

    def describe(self) -> str:
        return self._pool.describe()

    def devices(self) -> str:
        return self._pool.devices()

    def count(self) -> float:
        return self._pool.count()

    def revive(self) -> None:
        before = len(self._actors)
        self._pool.close()
        self._open(fewer=True)
        if len(self._actors) != before:
            self._log(f"{len(self._actors)} actors where there were {before}")

    def close(self) -> None:
        self._pool.close()
        self._leave()

    def _owner(self, row: int) -> int:
        return next(a for a, block in enumerate(self._layout) if row in block)

    def _around(self, rows: list[int]) -> set[int]:
        return {row + step for row in rows for step in (-1, 1) if 0 <= row + step < self._count}

    def _fetch(self, wanted: Mapping[int, Iterable[Any]], kind: str = "pivot") -> dict[int, dict[int, int]]:
        """Have owners send what actors want and have no copy of; returns what comes to each actor, and from whom."""
        coming: dict[int, dict[int, int]] = {}
        targets: dict[int, list[int]] = {}
        for a, rows in wanted.items():
            missing = {int(row) for row in rows} - set(self._layout[a])
            if kind == "pivot":
                missing -= self._copies[a]
                self._copies[a] |= missing
            coming[a] = {row: self._owner(row) for row in sorted(missing)}
            for row in missing:
                targets.setdefault(row, []).append(a)
        for owner in self._actors:
            transfers = [(kind, row, targets[row]) for row in self._layout[owner] if row in targets]
            if transfers:
                self._pool.queue(owner, "send", self._version, transfers)
        return coming

    def _cut(self, sample: Sample) -> None:
        """Cut the path into other blocks where that makes the slowest actor faster."""
        costs = np.zeros(self._count)
        costs[sample.mix.argmax(axis=1)] = _worked_out(sample)
        layout = self._balance.cut(self._layout, costs)
        if layout is not self._layout:
            self._mix(np.eye(self._count), layout)


def _used(weights: Array) -> set[int]:
    """The pivots that have a part in any of these mixtures [T, N]."""
    return set(np.flatnonzero(weights.any(axis=0)).tolist())


def _worked_out(sample: Sample) -> Array:
    """What the points [S] of a sample cost."""
    return np.where(sample.with_gradient, 1.0, LOSS)


def _costs(count: int) -> Array:
    """What pivots cost as long as nothing else is known: a path's ends do not move, and only need losses."""
    costs = np.ones(count)
    costs[[0, -1]] = LOSS if count > 2 else 1.0
    return costs


def opened(
    options: HolderSettings, objective: Objective, make: Callable[[], Objective], log: Callable[[str], None]
) -> RayHolder:
    """The holder around objectives that actors make for themselves."""
    return RayHolder(make, options, log)
