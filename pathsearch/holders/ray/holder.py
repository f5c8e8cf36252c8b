"""The coordinator's side: who owns which pivots, who needs whose, and the verbs of `Holder` made of actors' calls."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import ray
from numpy.typing import NDArray

from pathsearch.holders.protocol import Tick, Traffic, Vectors
from pathsearch.holders.ray import cluster
from pathsearch.holders.ray.pool import Call, Pool
from pathsearch.holders.ray.worker import Evaluation, Wanted
from pathsearch.holders.settings import HolderSettings
from pathsearch.methods.sampling import Sample
from pathsearch.numerics.balance import blocks, longest
from pathsearch.numerics.basis import Array
from pathsearch.numerics.seeds import Key
from pathsearch.objectives.protocol import Objective
from pathsearch.optimizers.rules import Plan

LOSS = 1 / 3  # cost of a loss alone, where loss and gradient cost 1
UNEVEN = 1.15  # times the best longest time, at which blocks are cut anew
SETTLE = 10  # evaluations between two cuts, so that measured times settle

Published = dict[int, tuple[Any, int]]
"""Where pivots are to be found: a list of references, or what will be one, and a place in it."""


class RayHolder:
    """Blocks of pivots on actors. Verbs as in `Holder`; moves are sent off and not waited for.

    A vector has a name from the moment an actor is told to publish it, so that others can be told to fetch it before
    it is there.
    """

    def __init__(
        self,
        make: Callable[[], Objective],
        metrics: tuple[str, ...],
        options: HolderSettings,
        log: Callable[[str], None] = lambda line: None,
    ) -> None:
        self._make, self._metrics, self._options, self._log = make, metrics, options, log
        self._started = cluster.join(options)
        try:
            self._open(fewer=False)
        except BaseException:
            self._leave()
            raise

    def _open(self, fewer: bool) -> None:
        self._pool = Pool(self._options, self._make, fewer)
        self._layout = [range(0)] * len(self._pool)
        self._rates = np.ones(len(self._pool))
        self._known = np.zeros(len(self._pool), dtype=bool)
        self._since = 0
        self._count = 0
        self._movable: list[int] = []
        self._names: tuple[str, ...] = ()
        self._pending: list[Call] = []
        self._published: Published = {}
        self._shared: set[int] = set()
        self._who: list[int] = []
        self._fetched = 0

    def load(self, pivots: Vectors, rows: list[int], registers: Mapping[str, Vectors]) -> None:
        self._count = len(pivots)
        self._layout = blocks(_costs(self._count), self._rates)
        self._published, self._shared = {}, set()
        self._pending += [self._pool.send(a, "forget") for a in self._actors()]
        for row in range(self._count):  # one after another: they need not all fit in this process
            self._pool.wait([self._pool.send(self._owner(row), "take", row, np.asarray(pivots[row]))])
        self.begin(rows, tuple(registers))
        for name, values in registers.items():
            for n, row in enumerate(rows):
                self._pool.wait([self._pool.send(self._owner(row), "take", row, np.asarray(values[n]), name)])

    def begin(self, rows: list[int], registers: tuple[str, ...]) -> None:
        self._movable, self._names = rows, registers
        self._pending += [self._pool.call(a, "begin", self._count, rows, registers) for a in self._actors()]

    def evaluate(self, sample: Sample) -> tuple[Array, Array]:
        at_pivots = bool(((sample.mix == 0) | (sample.mix == 1)).all() and (sample.mix.sum(axis=1) == 1).all())
        if at_pivots:
            self._balance(sample)
            owners = [self._owner(int(row)) for row in sample.mix.argmax(axis=1)]
        else:  # in equal shares: who adds up what is then the same every time
            owners = [a for a, part in enumerate(np.array_split(sample.t, len(self._pool))) for _ in part]
        self._who = owners
        shares = [[s for s, owner in enumerate(owners) if owner == a] for a in self._actors()]
        parts = [self._foreign(a, sample.back[shares[a]]) for a in self._actors()]
        split = any(parts)
        busy = [a for a in self._actors() if shares[a] or self._moved_by(a)]
        calls = []
        for a in busy:
            mix, back = sample.mix[shares[a]], sample.back[shares[a]]
            columns = [int(k) for k in np.flatnonzero(mix.any(axis=0) | back.any(axis=0))]
            wanted, lists = self._wanted(a, {*np.flatnonzero(mix.any(axis=0)), *self._neighbours(a)})
            keys = [sample.keys[s] for s in shares[a]]
            small = (columns, mix[:, columns], back[:, columns], keys, parts[a] if split else None, wanted)
            calls.append(self._pool.call(a, "evaluate", *small, lists=lists))
        found: list[Evaluation] = self._results(calls)
        losses = np.zeros(len(owners))
        for a, evaluation in zip(busy, found):
            losses[shares[a]] = evaluation.losses
            self._learn(a, evaluation.seconds, sample.back[shares[a]])
            self._fetched = max(self._fetched, evaluation.fetched)
        if split:
            grams = self._reduced(busy, shares, parts, found, sample.back)
        else:
            grams = {a: own.gram for a, own in zip(busy, found) if own.gram is not None}
        k = 3 + len(self._names)
        gram = np.zeros((len(self._movable), k, k))
        for a, own in grams.items():
            gram[[self._movable.index(row) for row in self._moved_by(a)]] = own
        return losses, gram

    def _reduced(
        self, busy: list[int], shares: list[list[int]], parts: list[list[int]], found: list[Evaluation], back: Array
    ) -> dict[int, Array]:
        """Gram matrices of every actor with movable pivots, once the parts of its gradients are added up."""
        owners = [a for a in self._actors() if self._moved_by(a)]
        calls = []
        for a in owners:
            others = [b for b in busy if b != a and set(parts[b]) & set(self._moved_by(a))]
            wanted, lists = self._wanted(a, self._neighbours(a))
            published = [found[busy.index(b)].parts for b in others]
            sources: list[list[tuple[int, int] | None]] = []
            for row in self._moved_by(a):
                adding = [b for b in busy if back[shares[b], row].any()]
                sources.append(
                    [None if b == a else (len(lists) + others.index(b), parts[b].index(row)) for b in adding]
                )
            calls.append(self._pool.call(a, "reduce", sources, wanted, lists=(*lists, *published)))
        return dict(zip(owners, self._results(calls)))

    def update(self, plan: Plan) -> None:
        published: Published = {}
        for a in self._actors():
            own = [self._movable.index(row) for row in self._moved_by(a)]
            publish = [row for row in self._moved_by(a) if row in self._shared]
            call = self._pool.call(a, "update", plan.of(own), publish)
            self._pending.append(call)
            published |= {row: (call.reference, place) for place, row in enumerate(publish)}
        still = {row: name for row, name in self._published.items() if row not in self._movable}
        self._published = still | published

    def mix(self, mixture: Array) -> None:
        if len(mixture) == self._count:
            self._mix(mixture, self._layout)
        else:
            self.begin([], ())
            self._mix(mixture, blocks(_costs(len(mixture)), self._rates))

    def _mix(self, mixture: Array, layout: list[range]) -> None:
        """Replace pivots by mixtures of them, and own them by a new layout."""
        mixtures = [{row: mixture[row] for row in layout[a]} for a in self._actors()]
        used = [{int(k) for weights in own.values() for k in np.flatnonzero(weights)} for own in mixtures]
        names = [self._wanted(a, used[a]) for a in self._actors()]
        moving = set(self._movable) if self._names else set()
        side = {row for a in self._actors() for row in used[a] & moving if self._owner(row) != a}
        registers = self._publish(side, True)
        published: Published = {}
        for a in self._actors():
            wanted, lists = names[a]
            beside, more = _lists(sorted(row for row in used[a] & side if self._owner(row) != a), registers)
            beside = [(row, which + len(lists), place) for row, which, place in beside]
            publish = [row for row in layout[a] if row in self._shared and len(mixture) == self._count]
            call = self._pool.call(a, "mix", mixtures[a], len(mixture), publish, wanted, beside, lists=(*lists, *more))
            self._pending.append(call)
            published |= {row: (call.reference, place) for place, row in enumerate(publish)}
        self._shared = self._shared if len(mixture) == self._count else set()
        self._count, self._layout, self._published = len(mixture), layout, published

    def losses(self, mixture: Array, keys: list[Key]) -> Array:
        return np.array(self._each("loss", mixture, lambda n: None, keys))

    def lengths(self) -> Array:
        calls = []
        for a in self._actors():
            after = {row + 1 for row in self._layout[a] if row + 1 < self._count}
            wanted, lists = self._wanted(a, after)
            calls.append(self._pool.call(a, "lengths", wanted, lists=lists))
        found: dict[int, float] = {}
        for lengths in self._results(calls):
            found |= lengths
        return np.array([found[row] for row in range(self._count - 1)])

    def chords(self) -> Array:
        calls = []
        for a in self._actors():
            wanted, lists = self._wanted(a, set(range(self._layout[a].stop)) if self._layout[a] else set())
            calls.append(self._pool.call(a, "chords", wanted, lists=lists))
        lower = np.zeros((self._count, self._count))
        for own in self._results(calls):
            for i, products in own.items():
                lower[i, : i + 1] = products
        return lower + np.tril(lower, -1).T

    def measure(self, mixture: Array, tick: Tick) -> dict[str, Array]:
        measured = self._each("measure", mixture, tick)
        return {name: np.array([point[name] for point in measured]) for name in self._metrics}

    def predictions(self, mixture: Array) -> NDArray[np.int64] | None:
        predicted = self._each("predictions", mixture, lambda n: None)
        return None if any(p is None for p in predicted) else np.stack(predicted)

    def pivot(self, row: int) -> NDArray[Any]:
        return np.asarray(self._vector("pivot", self._owner(row), row))

    def register(self, name: str, row: int) -> NDArray[Any]:
        return np.asarray(self._vector("register", self._owner(row), name, row))

    def place(self, sample: int) -> str:
        return f" on {self._pool.name(self._who[sample])}"

    def traffic(self) -> Traffic:
        traffic = Traffic(self._pool.bytes, self._fetched)
        self._pool.bytes = self._fetched = 0
        return traffic

    def describe(self) -> str:
        return self._pool.describe()

    def revive(self) -> None:
        before = len(self._pool)
        self._pool.close()
        self._open(fewer=True)
        if len(self._pool) != before:
            self._log(f"{len(self._pool)} actors where there were {before}")

    def close(self) -> None:
        self._pool.close()
        self._leave()

    def _leave(self) -> None:
        if self._started:
            ray.shutdown()

    def _actors(self) -> range:
        return range(len(self._pool))

    def _owner(self, row: int) -> int:
        return next(a for a, block in enumerate(self._layout) if row in block)

    def _moved_by(self, a: int) -> list[int]:
        return [row for row in self._movable if row in self._layout[a]]

    def _neighbours(self, a: int) -> set[int]:
        around = {row + step for row in self._moved_by(a) for step in (-1, 1)}
        return {row for row in around if 0 <= row < self._count}

    def _foreign(self, a: int, back: Array) -> list[int]:
        """Pivots of other actors that gradients of this actor's points go to."""
        return [int(row) for row in np.flatnonzero(back.any(axis=0)) if row not in self._layout[a]]

    def _wanted(self, a: int, rows: Iterable[Any]) -> tuple[Wanted, tuple[Any, ...]]:
        """What an actor has to be told to find others' pivots, each published by its owner if it is not yet."""
        others = sorted({int(row) for row in rows} - set(self._layout[a]))
        self._shared |= set(others)
        self._published |= self._publish({row for row in others if row not in self._published}, False)
        return _lists(others, self._published)

    def _publish(self, rows: set[int], registers: bool) -> Published:
        """Have owners publish pivots, or their registers: where each is to be found."""
        found: Published = {}
        for a in self._actors():
            own = sorted(rows & set(self._layout[a]))
            if own:
                call = self._pool.call(a, "publish", own, registers)
                self._pending.append(call)
                found |= {row: (call.reference, place) for place, row in enumerate(own)}
        return found

    def _each(self, method: str, mixture: Array, tick: Tick, *arguments: Any) -> list[Any]:
        """Ask for something at every mixture [T, N]: contiguous shares, so that an actor needs few others' pivots."""
        calls = []
        for a, share in enumerate(np.array_split(mixture, len(self._pool))):
            for weights in share:
                wanted, lists = self._wanted(a, np.flatnonzero(weights))
                calls.append(self._pool.call(a, method, weights, *arguments, wanted, lists=lists))
        self._results([])
        return self._pool.each(calls, tick)

    def _vector(self, method: str, a: int, *arguments: Any) -> Any:
        """A whole vector, for a checkpoint."""
        self._results([])
        return self._pool.wait([self._pool.send(a, method, *arguments)])[0]

    def _results(self, calls: list[Call]) -> list[Any]:
        """Wait for calls, and for those before them that nobody waited for yet."""
        pending, self._pending = self._pending, []
        return self._pool.results(calls, pending)

    def _learn(self, a: int, seconds: float, back: Array) -> None:
        """Seconds a gradient takes on an actor, averaged over the last evaluations."""
        uphill = np.count_nonzero(back.any(axis=1))
        cost = uphill + LOSS * (len(back) - uphill)
        if cost:
            rate = seconds / cost
            self._rates[a] = 0.7 * self._rates[a] + 0.3 * rate if self._known[a] else rate
            self._known[a] = True
            self._rates[~self._known] = np.median(self._rates[self._known])

    def _balance(self, sample: Sample) -> None:
        """Cut the path into other blocks where the slowest actor would be faster for it."""
        self._since += 1
        costs = np.zeros(self._count)
        costs[sample.mix.argmax(axis=1)] = np.where(sample.back.any(axis=1), 1.0, LOSS)
        best = blocks(costs, self._rates)
        if self._since <= SETTLE:
            return
        if longest(self._layout, costs, self._rates) > UNEVEN * longest(best, costs, self._rates):
            self._since = 0
            self._mix(np.eye(self._count), best)


def _costs(count: int) -> Array:
    """What pivots cost as long as nothing else is known: the ends of a path stay, their losses alone are wanted."""
    costs = np.ones(count)
    costs[[0, -1]] = LOSS if count > 2 else 1.0
    return costs


def _lists(rows: list[int], where: Published) -> tuple[Wanted, tuple[Any, ...]]:
    """Where rows are to be found, each list of references named once."""
    lists: list[Any] = []
    wanted: Wanted = []
    for row in rows:
        reference, place = where[row]
        if reference not in lists:
            lists.append(reference)
        wanted.append((row, lists.index(reference), place))
    return wanted, tuple(lists)


def opened(
    options: HolderSettings, objective: Objective, make: Callable[[], Objective], log: Callable[[str], None]
) -> RayHolder:
    """The holder around objectives that actors make for themselves."""
    return RayHolder(make, objective.metrics, options, log)
