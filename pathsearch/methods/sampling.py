"""What a method asks of the holder in a step, and what it makes of the answer."""

from dataclasses import dataclass, field

import numpy as np

from pathsearch.numerics.basis import GEOMETRY, GRADIENT, Array, norms, unit
from pathsearch.numerics.seeds import Key
from pathsearch.optimizers.rules import Memory


@dataclass(frozen=True)
class Sample:
    """Points where losses are wanted: mixtures of the pivots, and where their gradients go.

    mix [S, N]: point s is `mix[s] @ pivots`. back [S, N]: pivot k's gradient is the sum of back[s, k] times point s's
    gradient; a row of zeros asks for the loss alone. keys [S] of the mini-batches; t [S], where the points lie.
    """

    mix: Array
    back: Array
    keys: list[Key]
    t: Array
    fixed: bool
    """whether every step of a stage has the same points"""


@dataclass(frozen=True)
class Forces:
    """force [n, 3] over (d⁻, d⁺, g) for the movable pivots, its norms [n], and the climbing pivot if there is one."""

    force: Array
    norms: Array
    memory: Memory = field(default_factory=dict)
    climber: int | None = None


def downhill(gram: Array) -> Forces:
    """Every movable pivot follows its own gradient, −g."""
    force = -unit(len(gram), GEOMETRY, GRADIENT)
    return Forces(force, norms(force, gram))


def at_pivots(rows: list[int], keys: list[Key]) -> Sample:
    """Every pivot its own point, with gradients at the movable `rows` only; keys [N]."""
    pivots = len(keys)
    back = np.zeros((pivots, pivots))
    back[rows, rows] = 1.0
    return Sample(np.eye(pivots), back, keys, np.linspace(0.0, 1.0, pivots), fixed=True)
