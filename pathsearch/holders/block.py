"""A contiguous block of a path's pivots on one device: the arithmetic that all holders share."""

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pathsearch.errors import PathsearchError
from pathsearch.holders import vectors
from pathsearch.holders.questions import Question
from pathsearch.machine import make_room
from pathsearch.numerics.basis import Array
from pathsearch.numerics.messages import Plan
from pathsearch.numerics.seeds import Key
from pathsearch.objectives.gradients import Evaluator, loop
from pathsearch.objectives.protocol import Objective

Own = dict[int, torch.Tensor]


class Block:
    """Pivots by their index in a path of `count`, and copies of `others`, which other blocks own.

    `moving` are the own pivots that move, each with its states; `gradients` are those of the last evaluation.
    """

    def __init__(self, objective: Objective) -> None:
        self.objective = objective
        self.count = 0
        self.own: Own = {}
        self.others: Own = {}
        self.moving: list[int] = []
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

    def begin(self, count: int, moving: Iterable[int], states: Iterable[str]) -> None:
        """Make the path `count` pivots long, of which these move; the own ones among them get states of zeros."""
        self.count = count
        self.moving = [row for row in moving if row in self.own]
        self.gradients, self.states, self._rooms = {}, {}, []
        make_room(self.objective.size * self.objective.dtype.itemsize)  # opening and endpoints took much for a moment
        self.states = {name: {row: self._zeros() for row in self.moving} for name in states}

    def evaluate(self, mix: Array, back: Array, keys: list[Key]) -> Array:
        """Losses [S] at mixtures [S, N]; keeps the gradients they add to any pivot, as in `Sample`."""
        self._empty()
        losses: list[torch.Tensor] = [torch.zeros(())] * len(mix)
        with_gradient = back.any(axis=1)
        alone, wanted = np.flatnonzero(~with_gradient).tolist(), np.flatnonzero(with_gradient).tolist()
        for s in alone:
            with _room_for(mix, s):
                losses[s] = self.objective.loss(self.point(mix[s]), keys[s])
        found = self.evaluator(self.objective, ((self.point(mix[s]), keys[s]) for s in wanted))
        for s in wanted:
            with _room_for(mix, s):
                losses[s], gradient = next(found)
                self._add(gradient, back[s])
            del gradient  # before the next one is worked out
        return vectors.array(torch.stack([loss.double() for loss in losses])) if losses else np.zeros(0)

    def gram(self) -> Array:
        """Gram matrices [n, k, k] of (d⁻, d⁺, g, *states) of the own moving pivots."""
        for row in self.moving:
            if row not in self.gradients:
                self.gradients[row] = self._room().zero_()
        return vectors.gram(self.known, self.count, self.moving, self.gradients, list(self.states.values()))

    def update(self, plan: Plan) -> None:
        """Carry out the plan of the own moving pivots."""
        vectors.update(self.known, self.count, self.moving, self.gradients, self.states, plan)

    def mix(
        self,
        mixture: dict[int, Array],
        count: int,
        moving: list[int],
        states: dict[str, Own],
        still: Collection[int] = (),
    ) -> None:
        """Replace the path by one of `count` pivots, each a mixture [N] of the old ones; own those in `mixture`.

        The states are mixed as their pivots are, where `moving` and the number of pivots stay; `states` are copies of
        other blocks' ones, which are used up. `still`: pivots that stay as they are, whose copies are kept.
        """
        only = np.zeros(self.count)
        only[moving] = 1.0
        self.moving = [row for row in moving if row in mixture]
        moved = {row: mixture[row] * only for row in self.moving}
        for name, own in self.states.items():
            self.states[name] = vectors.remixed(moved, {**states.get(name, {}), **own}, self._zeros)
        known, self.count = self.known, count
        self.others = {row: known[row] for row in still if row in known and row not in mixture}
        self.own = vectors.remixed(mixture, known, self._zeros, self.others)
        self._empty()
        del self._rooms[len(self.moving) :]

    def lengths(self) -> dict[int, float]:
        """Lengths of the segments that begin at own pivots."""
        known, rows = self.known, [row for row in self.own if row + 1 < self.count]
        return {row: vectors.distance(known[row], known[row + 1]) for row in rows}

    def ask(self, question: Question, weights: Array, *arguments: Any) -> Any:
        """The answer to a question at a mixture [N] of pivots."""
        return question(self.objective, self.point(weights), *arguments)

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

    def _add(self, gradient: torch.Tensor, shares: Array) -> None:
        """Add shares [N] of a point's gradient to the pivots' ones."""
        for row in map(int, np.flatnonzero(shares)):
            if row in self.gradients:
                self.gradients[row].add_(gradient, alpha=shares[row])
            else:
                self.gradients[row] = torch.mul(gradient, shares[row], out=self._room())

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
        raise PathsearchError(
            f"out of memory at {where}: set objective.micro_batch, or objective.batch lower"
        ) from error


def copied(vector: torch.Tensor) -> NDArray[Any]:
    """A vector as an array of its own."""
    return np.array(vector.cpu().numpy())
