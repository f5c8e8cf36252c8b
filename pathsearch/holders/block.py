"""A contiguous block of a path's pivots on one device: the arithmetic that all holders share."""

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pathsearch.errors import PathsearchError
from pathsearch.holders import vectors
from pathsearch.numerics.basis import Array
from pathsearch.numerics.seeds import Key
from pathsearch.objectives.gradients import Evaluator, loop
from pathsearch.objectives.protocol import Objective
from pathsearch.optimizers.rules import Plan

Own = dict[int, torch.Tensor]


class Block:
    """Pivots by their index in a path of `count`, and copies of `others`, which other blocks own.

    `movable` are the own pivots that move, each with its states; `gradients` are those of the last evaluation.
    """

    def __init__(self, objective: Objective) -> None:
        self.objective = objective
        self.count = 0
        self.own: Own = {}
        self.others: Own = {}
        self.movable: list[int] = []
        self.gradients: Own = {}
        self.states: dict[str, Own] = {}
        self.evaluator: Evaluator = loop
        self._rooms: list[torch.Tensor] = []  # of gradients that are out of date: asking for memory anew is slow

    def forget(self) -> None:
        """Own nothing."""
        self.own, self.others = {}, {}
        self.begin(0, (), ())

    def take(self, row: int, vector: Any) -> None:
        """Own a pivot with these weights [M]."""
        self.own[row] = self.tensor(vector)

    def begin(self, count: int, movable: Iterable[int], states: Iterable[str]) -> None:
        """Make the path `count` pivots long, of which the own among `movable` move, with states of zeros."""
        self.count = count
        self.movable = [row for row in movable if row in self.own]
        self.gradients, self.states, self._rooms = {}, {}, []
        self.states = {name: {row: self._zeros() for row in self.movable} for name in states}

    def evaluate(self, mix: Array, back: Array, keys: list[Key]) -> Array:
        """Losses [S] at mixtures [S, N]; keeps the gradients they add to any pivot, as in `Sample`."""
        self._empty()
        losses: list[torch.Tensor] = [torch.zeros(())] * len(mix)
        uphill = [s for s in range(len(mix)) if back[s].any()]
        for s in np.setdiff1d(np.arange(len(mix)), uphill):
            with _room_for(mix, s):
                losses[s] = self.objective.loss(self.point(mix[s]), keys[s])
        points = ((self.point(mix[s]), keys[s]) for s in uphill)
        found = self.evaluator(self.objective, points)
        for s in uphill:
            with _room_for(mix, s):
                losses[s], gradient = next(found)
                for row in map(int, np.flatnonzero(back[s])):
                    if row in self.gradients:
                        self.gradients[row].add_(gradient, alpha=back[s, row])
                    else:
                        self.gradients[row] = torch.mul(gradient, back[s, row], out=self._room())
            del gradient  # before the next one is worked out
        return vectors.array(torch.stack([loss.double() for loss in losses])) if losses else np.zeros(0)

    def gram(self) -> Array:
        """Gram matrices [n, k, k] of (d⁻, d⁺, g, *states) of the own movable pivots."""
        for row in self.movable:
            if row not in self.gradients:
                self.gradients[row] = self._room().zero_()
        return vectors.gram(self.known, self.count, self.movable, self.gradients, list(self.states.values()))

    def update(self, plan: Plan) -> None:
        """Carry out the own rows of a plan."""
        vectors.update(self.known, self.count, self.movable, self.gradients, self.states, plan)

    def mix(
        self,
        mixture: dict[int, Array],
        count: int,
        movable: list[int],
        states: dict[str, Own],
        still: Collection[int] = (),
    ) -> None:
        """Own the rows of `mixture` instead, each such a mixture [N] of the old pivots, of a path of `count`.

        Registers go along where `movable` and the number of pivots stay; `states` are copies of others' ones, which
        are used up. `still`: pivots that stay as they are, so that a copy of them is kept.
        """
        only = np.zeros(self.count)
        only[movable] = 1.0
        self.movable = [row for row in movable if row in mixture]
        moved = {row: mixture[row] * only for row in self.movable}
        for name, own in self.states.items():
            self.states[name] = vectors.remixed(moved, {**states.get(name, {}), **own}, self._zeros)
        known, self.count = self.known, count
        self.others = {row: known[row] for row in still if row in known and row not in mixture}
        self.own = vectors.remixed(mixture, known, self._zeros, self.others)
        self._empty()
        del self._rooms[len(self.movable) :]

    def lengths(self) -> dict[int, float]:
        """Lengths of the segments that begin at own pivots."""
        known, rows = self.known, [row for row in self.own if row + 1 < self.count]
        return {row: vectors.distance(known[row], known[row + 1]) for row in rows}

    def loss(self, weights: Array, keys: list[Key]) -> float:
        """The loss at a mixture [N] of pivots, averaged over mini-batches."""
        point = self.point(weights)
        return float(torch.stack([self.objective.loss(point, key) for key in keys]).double().mean())

    def measure_with(self, row: int, buffers: dict[str, NDArray[Any]]) -> dict[str, float]:
        """Every metric of a network at an own pivot, with given buffers."""
        network: Any = self.objective
        found: dict[str, float] = network.measure_with(self.own[row], buffers)
        return found

    def point(self, weights: Array) -> torch.Tensor:
        """A mixture [N] of pivots."""
        known, picked = self.known, vectors.picks(weights)
        return vectors.mixed(weights, known) if picked is None else known[picked]

    @property
    def known(self) -> Own:
        """Every pivot there is a copy of."""
        return {**self.others, **self.own}

    def tensor(self, vector: Any) -> torch.Tensor:
        """A copy of a vector [M], in the objective's precision and on its device."""
        vector = np.asarray(vector)
        # torch warns of memory that it may not write to, as Ray's is
        return self._zeros().copy_(torch.from_numpy(vector if vector.flags.writeable else vector.copy()))

    def _empty(self) -> None:
        """Hold no gradients; their rooms are for the next ones."""
        self._rooms += self.gradients.values()
        self.gradients = {}

    def _room(self) -> torch.Tensor:
        return self._rooms.pop() if self._rooms else self._zeros()

    def _zeros(self) -> torch.Tensor:
        return vectors.zeros(self.objective.size, self.objective.dtype, self.objective.device)


@contextmanager
def _room_for(mix: Array, s: int) -> Iterator[None]:
    """Name the point at which memory is used up."""
    try:
        yield
    except (MemoryError, torch.OutOfMemoryError) as error:
        where = f"image {mix[s].argmax()}" if mix[s].max() == 1.0 else f"sample {s}"
        raise PathsearchError(f"out of memory at {where}: set objective.batch lower") from error


def copied(vector: torch.Tensor) -> NDArray[Any]:
    """A vector as an array of its own."""
    return np.array(vector.cpu().numpy())
