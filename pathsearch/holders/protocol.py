"""The verbs of a holder, which owns the vectors. Small arrays go in and come out; vectors stay where they are."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pathsearch.numerics.basis import Array
from pathsearch.numerics.messages import Plan, Sample, Traffic

Tick = Callable[[int, Any], None]
"""Told of each answer as it comes: which of the points it is about, and the answer."""


def unheard(point: int, answer: Any) -> None:
    """A tick for those who wait for the whole."""


class Vectors(Protocol):
    """Vectors to take over one after another: an array, or a file's rows that are read when they are asked for."""

    def __len__(self) -> int:
        """How many there are."""

    def __getitem__(self, index: int, /) -> Any:
        """One of them, as an array [M]."""


class Holder(Protocol):
    """N pivots of M weights and, for the n moving ones, the optimiser's states, vectors [M] too."""

    def load(self, pivots: Vectors, moving: list[int], states: Mapping[str, Vectors]) -> None:
        """Take over the pivots, and the states of the `moving` ones, in their order."""

    def begin(self, moving: list[int], states: tuple[str, ...]) -> None:
        """Have these pivots move, with states of these names and zeros in them."""

    def prepare_gradients(self, how: str) -> str:
        """Settle how the gradients of several images on one device are evaluated (see `objectives.gradients`).

        What the evaluator compiles is compiled now. Returns its name, which `auto` leaves to a rule; raises
        PathsearchError where it does not work for this objective.
        """

    def evaluate(self, sample: Sample) -> tuple[Array, Array]:
        """Losses [S], and for each moving pivot the Gram matrix [n, k, k] of (d⁻, d⁺, g, *states)."""

    def update(self, plan: Plan) -> None:
        """Carry out a plan on the moving pivots and their states."""

    def mix(self, mixture: Array) -> None:
        """Replace the pivots by `mixture @ pivots`; moving pivots' states go along if the number of pivots stays."""

    def ask(self, name: str, mixture: Array, *arguments: Any, tick: Tick = unheard) -> list[Any]:
        """Answers [T] to a question of `holders.questions` at mixtures [T, N] of the pivots."""

    def lengths(self) -> Array:
        """Lengths [N − 1] of the segments between neighbouring pivots."""

    def inner_products(self) -> Array:
        """Inner products [N, N] of all pivots, taken from the first: every length and plane follows from them."""

    def pivot(self, row: int) -> NDArray[Any]:
        """A copy of one pivot [M]."""

    def optimizer_state(self, name: str, row: int) -> NDArray[Any]:
        """A copy of a moving pivot's state of that name [M]."""

    def place(self, sample: int) -> str:
        """Where a point of the last evaluation was worked out, for messages; empty where there is only one place."""

    def traffic(self) -> Traffic:
        """What was sent since this was last asked."""

    def describe(self) -> str:
        """Where the vectors are, for a line of the log."""

    def devices(self) -> str:
        """The kinds of device that gradients are worked out on: cpu, cuda, or both with a + between."""

    def count(self) -> float:
        """How many devices that is, at the same time; an actor on a part of a GPU is that part."""

    def revive(self) -> None:
        """Be ready to load again after vectors were lost; raises PathsearchError where that cannot be."""

    def close(self) -> None:
        """Let go of whatever is held."""


def pivots(holder: Holder, count: int) -> NDArray[Any]:
    """All pivots [N, M] of a holder, copied."""
    return np.stack([holder.pivot(row) for row in range(count)])
