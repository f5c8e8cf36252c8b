"""The coordinator's side: who owns which pivots, who needs whose, and the verbs of `Holder` made of operations."""

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pathsearch.holders.protocol import Tick, Traffic, Vectors, unheard
from pathsearch.holders.ray import cluster
from pathsearch.holders.ray.pool import Pool
from pathsearch.holders.ray.worker import Evaluation
from pathsearch.holders.settings import HolderSettings
from pathsearch.methods.sampling import Sample
from pathsearch.numerics.balance import LOSS, Balance, blocks
from pathsearch.numerics.basis import GEOMETRY, Array
from pathsearch.numerics.seeds import Key
from pathsearch.objectives.protocol import Objective
from pathsearch.objectives.stacks import chosen
from pathsearch.optimizers.rules import Plan


class RayHolder:
    """Blocks of pivots on actors. Verbs as in `Holder`; moves are queued and set off with the next question.

    `_copies` are the pivots that each actor has an up-to-date copy of; what else it needs, owners are told to send,
    before anybody is told to wait: so nobody waits for ever. `_version` counts the moves.
    """

    def __init__(
        self,
        make: Callable[[], Objective],
        metrics: tuple[str, ...],
        options: HolderSettings,
        log: Callable[[str], None] = lambda line: None,
    ) -> None:
        self._make, self._metrics, self._options, self._log = make, metrics, options, log
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
        self._movable: list[int] = []
        self._names: tuple[str, ...] = ()
        self._who: list[int] = []

    def load(self, pivots: Vectors, rows: list[int], states: Mapping[str, Vectors]) -> None:
        self._count = len(pivots)
        self._layout = blocks(_costs(self._count), self._balance.rates)
        self._copies = [set() for _ in self._actors]
        for a in self._actors:
            self._pool.queue(a, "forget")
        for row in range(self._count):  # one after another: they need not all fit in this process
            self._pool.vector(self._owner(row), "take", row, np.asarray(pivots[row]))
        self.begin(rows, tuple(states))
        for name, values in states.items():
            for n, row in enumerate(rows):
                self._pool.vector(self._owner(row), "take", row, np.asarray(values[n]), name)

    def begin(self, rows: list[int], states: tuple[str, ...]) -> None:
        self._movable, self._names = rows, states
        for a in self._actors:
            self._pool.queue(a, "begin", self._count, rows, states)

    def stack(self, way: str, batches: Collection[int | None]) -> str:
        for a in self._actors:
            self._pool.queue(a, "stack", chosen(way), batches)
        with self._pool.patient():  # compiling is part of the start
            self._pool.flush()
        self._balance = Balance(len(self._actors))
        return chosen(way)

    def evaluate(self, sample: Sample) -> tuple[Array, Array]:
        picked = (sample.mix == 1.0).any(axis=1)
        if picked.all():
            self._cut(sample)
            self._who = [self._owner(int(row)) for row in sample.mix.argmax(axis=1)]
        else:  # in equal shares, whatever the times: who adds up what is then the same every time
            self._who = [a for a, part in enumerate(np.array_split(sample.t, len(self._actors))) for _ in part]
        shares = [[s for s, a in enumerate(self._who) if a == actor] for actor in self._actors]
        moved = [[row for row in self._movable if row in block] for block in self._layout]
        busy = [a for a in self._actors if shares[a] or moved[a]]
        others = self._sent(
            {a: {*np.flatnonzero(sample.mix[shares[a]].any(axis=0)), *self._around(moved[a])} for a in busy}
        )
        touched = {a: set(np.flatnonzero(sample.back[shares[a]].any(axis=0)).tolist()) for a in busy}
        adding = {row: [a for a in busy if row in touched[a]] for row in self._movable}
        for a in busy:
            mix, back = sample.mix[shares[a]], sample.back[shares[a]]
            columns = [int(k) for k in np.flatnonzero(mix.any(axis=0) | back.any(axis=0))]
            keys = [sample.keys[s] for s in shares[a]]
            self._pool.queue(a, "evaluate", columns, mix[:, columns], back[:, columns], keys, self._version, others[a])
            letters = [("gradient", row, [self._owner(row)]) for row in adding if a in adding[row]]
            letters = [letter for letter in letters if letter[2] != [a]]
            if letters:
                self._pool.queue(a, "send", self._version, letters)
        for a in busy:
            senders = {row: adding[row] for row in moved[a] if adding[row] not in ([], [a])}
            self._pool.queue(a, "gram", self._version, senders)
        k = GEOMETRY + len(self._names)
        losses, gram = np.zeros(len(self._who)), np.zeros((len(self._movable), k, k))
        found = self._pool.flush()
        seconds, costs = np.zeros((2, len(self._actors)))
        for a in busy:
            evaluation: Evaluation = found[a]["evaluate"]
            losses[shares[a]] = evaluation.losses
            gram[[self._movable.index(row) for row in moved[a]]] = found[a]["gram"]
            seconds[a], costs[a] = evaluation.seconds, _worked_out(sample.back[shares[a]]).sum()
        self._balance.learn(seconds, costs)
        return losses, gram

    def update(self, plan: Plan) -> None:
        for a in self._actors:
            own = [n for n, row in enumerate(self._movable) if row in self._layout[a]]
            self._pool.queue(a, "update", plan.of(own))
            self._copies[a] -= set(self._movable)
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
        used = {a: {int(k) for w in own.values() for k in np.flatnonzero(w)} for a, own in mixtures.items()}
        others = self._sent(used)
        moving = set(self._movable) if self._names else set()
        states = self._sent({a: used[a] & moving for a in self._actors}, "states")
        same = len(mixture) == self._count
        still = {row for row in range(self._count) if same and np.array_equal(np.flatnonzero(mixture[row]), [row])}
        for a in self._actors:
            self._pool.queue(a, "mix", mixtures[a], len(mixture), still, self._version, others[a], states[a])
            self._copies[a] = ((self._copies[a] | set(self._layout[a])) & still) - set(layout[a])
        self._count, self._layout = len(mixture), layout
        self._version += 1

    def losses(self, mixture: Array, keys: list[Key]) -> Array:
        return np.array(self._each("loss", mixture, lambda i, found: None, keys))

    def lengths(self) -> Array:
        others = self._sent({a: {row + 1 for row in self._layout[a] if row + 1 < self._count} for a in self._actors})
        for a in self._actors:
            self._pool.queue(a, "lengths", self._version, others[a])
        found = {row: length for own in self._pool.flush().values() for row, length in own["lengths"].items()}
        return np.array([found[row] for row in range(self._count - 1)])

    def inner_products(self) -> Array:
        lower = np.zeros((self._count, self._count))
        for j in range(self._count):  # one pivot after another travels: they need not all fit beside an actor's own
            later = [a for a in self._actors if self._layout[a] and self._layout[a].stop > j]
            others = self._sent({a: {0, j} for a in later})
            for a in later:
                self._pool.queue(a, "products", j, self._version, others[a])
                self._copies[a] -= {j} - {0}
            found = self._pool.flush()
            for a in later:
                for i, product in found[a]["products"].items():
                    lower[i, j] = product
        return lower + np.tril(lower, -1).T

    def measure(self, mixture: Array, tick: Tick = unheard) -> dict[str, Array]:
        measured = self._each("measure", mixture, tick)
        return {name: np.array([point[name] for point in measured]) for name in self._metrics}

    def measure_with(self, row: int, buffers: dict[str, NDArray[Any]]) -> dict[str, float]:
        owner = self._owner(row)
        self._pool.queue(owner, "measure_with", row, buffers)
        found: dict[str, float] = self._pool.flush()[owner]["measure_with"]
        return found

    def predictions(self, mixture: Array) -> NDArray[np.int64] | None:
        predicted = self._each("predictions", mixture, lambda i, found: None)
        return None if any(p is None for p in predicted) else np.stack(predicted)

    def pivot(self, row: int) -> NDArray[Any]:
        return np.asarray(self._pool.vector(self._owner(row), "pivot", row))

    def optimizer_state(self, name: str, row: int) -> NDArray[Any]:
        return np.asarray(self._pool.vector(self._owner(row), "optimizer_state", name, row))

    def place(self, sample: int) -> str:
        return f" on {self._pool.name(self._who[sample])}"

    def traffic(self) -> Traffic:
        return Traffic(*self._pool.traffic())

    def describe(self) -> str:
        return self._pool.describe()

    def devices(self) -> str:
        return self._pool.devices()

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

    def _sent(self, wanted: Mapping[int, Iterable[Any]], kind: str = "pivot") -> dict[int, dict[int, int]]:
        """Have owners send what actors want of others and have no copy of: what comes to each, and from whom."""
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
            letters = [(kind, row, targets[row]) for row in self._layout[owner] if row in targets]
            if letters:
                self._pool.queue(owner, "send", self._version, letters)
        return coming

    def _each(self, name: str, mixture: Array, tick: Callable[[int, Any], None], *arguments: Any) -> list[Any]:
        """Ask something at every mixture [T, N]: in contiguous shares, so that an actor needs few others' pivots."""
        shares = dict(enumerate(np.array_split(mixture, len(self._actors))))
        others = self._sent({a: np.flatnonzero(share.any(axis=0)) for a, share in shares.items()})
        questions = [
            (a, (name, (weights, self._version, others[a], *arguments)))
            for a, share in shares.items()
            for weights in share
        ]
        return self._pool.each(questions, tick)

    def _cut(self, sample: Sample) -> None:
        """Cut the path into other blocks where that makes the slowest actor faster."""
        costs = np.zeros(self._count)
        costs[sample.mix.argmax(axis=1)] = _worked_out(sample.back)
        layout = self._balance.cut(self._layout, costs)
        if layout is not self._layout:
            self._mix(np.eye(self._count), layout)


def _worked_out(back: Array) -> Array:
    """What points [s] cost, whose gradients go to `back` [s, N]."""
    return np.where(back.any(axis=1), 1.0, LOSS)


def _costs(count: int) -> Array:
    """What pivots cost as long as nothing else is known: the ends of a path stay, their losses alone are wanted."""
    costs = np.ones(count)
    costs[[0, -1]] = LOSS if count > 2 else 1.0
    return costs


def opened(
    options: HolderSettings, objective: Objective, make: Callable[[], Objective], log: Callable[[str], None]
) -> RayHolder:
    """The holder around objectives that actors make for themselves."""
    return RayHolder(make, objective.metrics, options, log)
