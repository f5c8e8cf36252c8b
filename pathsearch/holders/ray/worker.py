"""One actor: a block of pivots on a device of its own, and what it takes to share them with other actors."""

import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import ray
import torch
from numpy.typing import NDArray

from pathsearch.holders import vectors
from pathsearch.holders.block import Block, numpy
from pathsearch.numerics.basis import Array
from pathsearch.numerics.seeds import Key
from pathsearch.objectives.protocol import Objective
from pathsearch.optimizers.rules import Plan

References = list[Any]
"""Names of vectors in Ray's object store: an actor publishes, others fetch, the coordinator passes them on."""

Wanted = list[tuple[int, int, int]]
"""Others' vectors that a call needs: (pivot, which of the lists of references that come last, place in that list)."""


@dataclass(frozen=True)
class Facts:
    """Who an actor is."""

    host: str
    pid: int
    device: str


@dataclass(frozen=True)
class Evaluation:
    """An actor's part of an evaluation: losses [s] of its points, Gram matrices [n, k, k] of its movable pivots.

    `gram` is None where gradients have parts on several actors; `parts` are those that other actors want; `fetched`
    counts the bytes that came from other actors since the last evaluation.
    """

    losses: Array
    gram: Array | None
    parts: References
    seconds: float
    fetched: int


class Worker:
    """What an actor answers to; the verbs are those of `Holder`, for its own block."""

    def __init__(self, threads: int, gpu: bool, timeout: float) -> None:
        if not gpu:  # an actor without a share of a GPU inherits the sight of all of them
            os.environ["CUDA_VISIBLE_DEVICES"] = ""
        self._threads, self._timeout = threads, timeout
        self._fetched = 0
        self._moving: set[int] = set()

    def open(self, make: Callable[[], Objective]) -> Facts:
        """Make the objective here; raises PathsearchError where that cannot be."""
        self._block = Block(make())
        torch.set_num_threads(self._threads)  # after a user's modules had their say: bits depend on it
        return Facts(platform.node(), os.getpid(), str(self._block.objective.device))

    def forget(self) -> None:
        """Own nothing."""
        self._block.own, self._block.others = {}, {}

    def take(self, row: int, vector: NDArray[Any], register: str | None = None) -> None:
        """Own a pivot, or one of its registers."""
        if register is None:
            self._block.take(row, vector)
        else:
            self._block.registers[register][row] = self._block.tensor(vector)

    def begin(self, count: int, movable: list[int], registers: tuple[str, ...]) -> None:
        self._moving = set(movable)
        self._block.begin(count, movable, registers)

    def evaluate(
        self,
        columns: list[int],
        mix: Array,
        back: Array,
        keys: list[Key],
        parts: list[int] | None,
        wanted: Wanted,
        *lists: References,
    ) -> Evaluation:
        """Losses and gradients at mixtures [s, columns] of the pivots, columns being those that are not all zero.

        parts: pivots whose gradients other actors want; None where all gradients are whole. Others' pivots travel
        while the gradients are worked out, unless these need them first.
        """
        full_mix, full_back = np.zeros((2, len(keys), self._block.count))
        full_mix[:, columns], full_back[:, columns] = mix, back
        if any(row not in self._block.own for row in np.flatnonzero(full_mix.any(axis=0))):
            self._fetch(wanted, lists)
        else:
            self._prefetch(wanted, lists)
        begun = time.perf_counter()
        losses = self._block.evaluate(full_mix, full_back, keys)
        seconds = time.perf_counter() - begun
        self._fetch(wanted, lists)
        whole = parts is None
        gram = self._block.gram() if whole else None
        published = [] if whole else _put(self._block.gradients[row] for row in parts or [])
        fetched, self._fetched = self._fetched, 0
        return Evaluation(losses, gram, published, seconds, fetched)

    def reduce(self, sources: list[list[tuple[int, int] | None]], wanted: Wanted, *lists: References) -> Array:
        """Gram matrices [n, k, k] after adding up the parts of each own movable pivot's gradient, in the order given.

        sources: for each pivot (which of the lists, place in it), None for the part that is here.
        """
        self._fetch(wanted, lists)
        for row, places in zip(self._block.movable, sources):
            total = None
            for place in places:
                part = self._block.gradients[row] if place is None else self._got(lists[place[0]][place[1]])
                total = part.clone() if total is None else total.add_(part)
            if total is not None:
                self._block.gradients[row] = total
        return self._block.gram()

    def update(self, plan: Plan, publish: list[int]) -> References:
        """Carry out the own rows of a plan; returns the pivots to be published, as they are then."""
        self._block.update(plan)
        self._block.others = {row: v for row, v in self._block.others.items() if row not in self._moving}
        return self.publish(publish)

    def mix(
        self,
        mixture: dict[int, Array],
        count: int,
        publish: list[int],
        wanted: Wanted,
        side: Wanted,
        *lists: References,
    ) -> References:
        """Own these mixtures [N] of the pivots; `side` are others' registers where these go along."""
        self._fetch(wanted, lists)
        names = list(self._block.registers)
        registers: dict[str, dict[int, torch.Tensor]] = {name: {} for name in names}
        for row, which, place in side:
            for n, name in enumerate(names):
                registers[name][row] = self._got(lists[which][place], n)
        self._block.mix(mixture, sorted(self._moving), registers)
        self._block.count = count
        return self.publish(publish)

    def lengths(self, wanted: Wanted, *lists: References) -> dict[int, float]:
        """Lengths of the segments that begin at own pivots."""
        self._fetch(wanted, lists)
        return self._block.lengths()

    def chords(self, wanted: Wanted, *lists: References) -> dict[int, list[float]]:
        """For each own pivot i its products with all pivots j ≤ i, taken from the first; others pass one by one."""
        where = {row: (which, place) for row, which, place in wanted}

        def at(row: int) -> torch.Tensor:
            return self._block.own[row] if row in self._block.own else self._got(lists[where[row][0]][where[row][1]])

        products: dict[int, list[float]] = {row: [] for row in self._block.own}
        origin = at(0)
        for j in range(max(products, default=-1) + 1):
            other = at(j)
            for i in (row for row in products if row >= j):
                products[i].append(vectors.product(self._block.own[i], other, origin))
        return products

    def loss(self, weights: Array, keys: list[Key], wanted: Wanted, *lists: References) -> float:
        self._fetch(wanted, lists)
        return self._block.loss(weights, keys)

    def measure(self, weights: Array, wanted: Wanted, *lists: References) -> dict[str, float]:
        self._fetch(wanted, lists)
        return self._block.objective.measure(self._block.point(weights))

    def predictions(self, weights: Array, wanted: Wanted, *lists: References) -> NDArray[np.int64] | None:
        self._fetch(wanted, lists)
        return self._block.objective.predictions(self._block.point(weights))

    def publish(self, rows: list[int], registers: bool = False) -> References:
        """References to own pivots, or to all registers [r, M] of own movable ones."""
        if registers:
            return _put(torch.stack([own[row] for own in self._block.registers.values()]) for row in rows)
        return _put(self._block.own[row] for row in rows)

    def pivot(self, row: int) -> NDArray[Any]:
        return numpy(self._block.own[row])

    def register(self, name: str, row: int) -> NDArray[Any]:
        return numpy(self._block.registers[name][row])

    def _prefetch(self, wanted: Wanted, lists: tuple[References, ...]) -> None:
        """Make vectors set off for this node, without waiting for them."""
        if wanted:
            ray.wait([lists[which][place] for _, which, place in wanted], num_returns=len(wanted), timeout=0)

    def _fetch(self, wanted: Wanted, lists: tuple[References, ...]) -> None:
        for row, which, place in wanted:
            if row not in self._block.others:
                self._block.others[row] = self._got(lists[which][place])

    def _got(self, reference: Any, index: int | None = None) -> torch.Tensor:
        array = ray.get(reference, timeout=self._timeout)
        array = array if index is None else array[index]
        self._fetched += array.nbytes
        return self._block.tensor(array)


def _put(rows: Any) -> References:
    # put by hand: what a method returns, Ray would send by way of the coordinator if it is small
    return [ray.put(numpy(vector)) for vector in rows]
