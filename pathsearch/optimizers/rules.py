"""What an optimiser says to the holder: linear assignments, and the few rules that are not linear."""

from dataclasses import dataclass, field
from typing import Any

from pathsearch.numerics.basis import Array

Memory = dict[str, Any]
"""An optimiser's small state; plain numbers, strings and lists, so that JSON keeps it exactly."""


@dataclass(frozen=True)
class Adaptive:
    """The elementwise rule of Adam (Kingma & Ba 2015, algorithm 1), done where the vectors are.

    force [n, k] is the combination to follow; registers `mean` and `square` hold the two moments.
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
