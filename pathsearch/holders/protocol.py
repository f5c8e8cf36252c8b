"""The verbs of whoever owns the vectors. Small arrays go in and come out; pivots stay where they are."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pathsearch.methods.sampling import Sample
from pathsearch.numerics.basis import Array
from pathsearch.numerics.seeds import Key
from pathsearch.optimizers.rules import Plan

Tick = Callable[[int, dict[str, float]], None]
"""Told which of the points asked for is measured, and what was found."""


def unheard(point: int, found: dict[str, float]) -> None:
    """A tick for those who wait for the whole."""


class Vectors(Protocol):
    """Vectors to take over one after another: an array, or a file's rows that are read when they are asked for."""

    def __len__(self) -> int:
        """How many there are."""

    def __getitem__(self, index: int, /) -> Any:
        """One of them, as an array [M]."""


@dataclass(frozen=True)
class Traffic:
    """Bytes: `coordinator` in and out of it; `actor` those the busiest actor fetched from others."""

    coordinator: int = 0
    actor: int = 0


class Holder(Protocol):
    """N pivots of M weights and, for the movable ones, states of the same length."""

    def load(self, pivots: Vectors, rows: list[int], states: Mapping[str, Vectors]) -> None:
        """Take over the pivots, and the states of the movable `rows`, in their order."""

    def begin(self, rows: list[int], states: tuple[str, ...]) -> None:
        """Make `rows` the movable pivots, with these states and zeros in them."""

    def prepare_gradients(self, how: str, batches: Collection[int | None]) -> str:
        """Settle how the gradients of several images on one device are evaluated (see `objectives.gradients`).

        What the evaluator compiles for mini-batches of these sizes is compiled now. Returns its name, which `auto`
        leaves to a rule; raises PathsearchError where it does not work for this objective.
        """

    def evaluate(self, sample: Sample) -> tuple[Array, Array]:
        """Losses [S], and for each movable pivot the Gram matrix [n, k, k] of (d⁻, d⁺, g, *states)."""

    def update(self, plan: Plan) -> None:
        """Carry out a plan on the movable pivots and their states."""

    def mix(self, mixture: Array) -> None:
        """Replace the pivots by `mixture @ pivots`; movable pivots' states go along if their number stays."""

    def losses(self, mixture: Array, keys: list[Key]) -> Array:
        """Losses [T] at mixtures [T, N] of the pivots, each averaged over the mini-batches `keys`."""

    def lengths(self) -> Array:
        """Lengths [N − 1] of the segments between neighbouring pivots."""

    def inner_products(self) -> Array:
        """Inner products [N, N] of all pivots, taken from the first: every length and plane follows from them."""

    def measure(self, mixture: Array, tick: Tick = unheard) -> dict[str, Array]:
        """Every metric [T] on the whole data set, at mixtures [T, N] of the pivots."""

    def measure_with(self, row: int, buffers: dict[str, NDArray[Any]]) -> dict[str, float]:
        """Every metric of a network at a pivot, with given buffers in place of re-estimated ones."""

    def predictions(self, mixture: Array) -> NDArray[np.int64] | None:
        """Predicted classes [T, n_test], or None where the objective predicts nothing."""

    def pivot(self, row: int) -> NDArray[Any]:
        """A copy of one pivot [M]."""

    def optimizer_state(self, name: str, row: int) -> NDArray[Any]:
        """A copy of a movable pivot's state of that name [M]."""

    def place(self, sample: int) -> str:
        """Where a point of the last evaluation was worked out, for messages; empty where there is but one place."""

    def traffic(self) -> Traffic:
        """What was sent since this was last asked."""

    def describe(self) -> str:
        """Where the vectors are, for a line of the log."""

    def devices(self) -> str:
        """The kinds of device that gradients are worked out on: cpu, cuda, or both with a + between."""

    def revive(self) -> None:
        """Be ready to load again after vectors were lost; raises PathsearchError where that cannot be."""

    def close(self) -> None:
        """Let go of whatever is held."""


def pivots(holder: Holder, count: int) -> NDArray[Any]:
    """All pivots [N, M] of a holder, copied."""
    return np.stack([holder.pivot(row) for row in range(count)])
