"""What travels between the coordinator and the holders: small arrays and plain values, never a vector of weights.

N is the number of pivots, n of those that move; S of the points evaluated in a step. k counts the vectors that a
moving pivot's move is made of, (d⁻, d⁺, g, *states): see `numerics.basis`.
"""

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from pathsearch.numerics.basis import Array
from pathsearch.numerics.seeds import Key


@dataclass(frozen=True)
class Sample:
    """A method's question in a step: points where losses are wanted, and where their gradients go.

    mix [S, N]: point s is `mix[s] @ pivots`. back [S, N]: pivot k's gradient is the sum of back[s, k] times point s's
    gradient; a row of zeros asks for the loss alone. keys [S] of the mini-batches; t [S], where the points lie.
    """

    mix: Array
    back: Array
    keys: list[Key]
    t: Array
    fixed: bool
    """whether every step of a stage has the same points"""

    @property
    def with_gradient(self) -> NDArray[np.bool_]:
        """Which points [S] a gradient is wanted of."""
        return np.asarray(self.back.any(axis=1))


@dataclass(frozen=True)
class Adaptive:
    """The elementwise rule of Adam (Kingma & Ba 2015, algorithm 1), done where the vectors are.

    force [n, k] is the combination to follow; the states `mean` and `square` hold the two moments. `count` is the
    step's number, from 1; `cap` the longest move of one pivot.
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
    """An optimiser's answer to forces: one move of all moving pivots.

    assign: the name of a state → the combination [n, k] of the old vectors that replaces it; the combination of
    `weights` is added to the pivots.
    """

    assign: dict[str, Array] = field(default_factory=dict)
    adaptive: Adaptive | None = None

    def of(self, some: list[int]) -> "Plan":
        """The plan of some of the moving pivots, counted from 0."""
        adaptive = self.adaptive and replace(self.adaptive, force=self.adaptive.force[some])
        return Plan({name: weights[some] for name, weights in self.assign.items()}, adaptive)


@dataclass(frozen=True)
class Traffic:
    """Bytes: `coordinator` in and out of it; `actor` those that the busiest actor fetched from others."""

    coordinator: int = 0
    actor: int = 0
