"""What an optimiser says to the holder: linear assignments, and the few rules that are not linear."""

from dataclasses import dataclass, field, replace
from typing import Any

from pathsearch.numerics.basis import Array

Memory = dict[str, Any]
"""An optimiser's small state; plain numbers, strings and lists, so that JSON keeps it exactly."""


@dataclass(frozen=True)
class Adaptive:
    """The elementwise rule of Adam (Kingma & Ba 2015, algorithm 1), done where the vectors are.

    force [n, k] is the combination to follow; states `mean` and `square` hold the two moments.
    """

    force: Array
    rate: float
    beta1: float
    beta2: float
    eps: float
    count: int
    cap: float | None


@dataclass(frozen=True)
class Plan:
    """One move of all movable pivots.

    assign: register → combination [n, k] of the old vectors that replaces it; `weights` is added, not replaced.
    """

    assign: dict[str, Array] = field(default_factory=dict)
    adaptive: Adaptive | None = None

    def of(self, rows: list[int]) -> "Plan":
        """The plan of some of the movable pivots, counted from 0."""
        adaptive = self.adaptive and replace(self.adaptive, force=self.adaptive.force[rows])
        return Plan({name: weights[rows] for name, weights in self.assign.items()}, adaptive)
