"""The verbs of whoever owns the vectors. Small arrays go in and come out; pivots stay where they are."""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pathsearch.methods.sampling import Sample
from pathsearch.numerics.basis import Array
from pathsearch.numerics.seeds import Key
from pathsearch.optimizers.rules import Plan


class Holder(Protocol):
    """N pivots of M weights and, for the movable ones, registers of the same length."""

    def load(self, pivots: NDArray[Any], rows: list[int], registers: dict[str, NDArray[Any]]) -> None:
        """Take over pivots [N, M] and the registers [n, M] of the movable `rows`."""

    def begin(self, rows: list[int], registers: tuple[str, ...]) -> None:
        """Make `rows` the movable pivots, with these registers and zeros in them."""

    def evaluate(self, sample: Sample) -> tuple[Array, Array]:
        """Losses [S], and for each movable pivot the Gram matrix [n, k, k] of (d⁻, d⁺, g, *registers)."""

    def update(self, plan: Plan) -> None:
        """Carry out a plan on the movable pivots and their registers."""

    def mix(self, mixture: Array) -> None:
        """Replace the pivots by `mixture @ pivots`; movable pivots' registers go along if their number stays."""

    def losses(self, mixture: Array, keys: list[Key]) -> Array:
        """Losses [T] at mixtures [T, N] of the pivots, each averaged over the mini-batches `keys`."""

    def lengths(self) -> Array:
        """Lengths [N − 1] of the segments between neighbouring pivots."""

    def chords(self) -> Array:
        """Inner products [N, N] of all pivots, taken from the first: every length and plane follows from them."""

    def measure(self, mixture: Array) -> dict[str, Array]:
        """Every metric [T] on the whole data set, at mixtures [T, N] of the pivots."""

    def predictions(self, mixture: Array) -> NDArray[np.int64] | None:
        """Predicted classes [T, n_test], or None where the objective predicts nothing."""

    def pivots(self) -> NDArray[Any]:
        """A copy of the pivots [N, M]."""

    def registers(self) -> dict[str, NDArray[Any]]:
        """Copies of the registers [n, M]."""
