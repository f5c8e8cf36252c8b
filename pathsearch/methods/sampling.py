"""What a method makes of a holder's answer, and the samples and forces that several methods share."""

from dataclasses import dataclass, field

import numpy as np

from pathsearch.numerics.basis import GEOMETRY, GRADIENT, Array, norms, unit
from pathsearch.numerics.messages import Sample
from pathsearch.numerics.seeds import Key
from pathsearch.optimizers.memory import Memory


@dataclass(frozen=True)
class Forces:
    """force [n, 3] over (d⁻, d⁺, g) for the moving pivots, its norms [n], and the climbing pivot if there is one."""

    force: Array
    norms: Array
    memory: Memory = field(default_factory=dict)
    climber: int | None = None


def downhill(gram: Array) -> Forces:
    """Every moving pivot follows its own gradient, −g."""
    force = -unit(len(gram), GEOMETRY, GRADIENT)
    return Forces(force, norms(force, gram))


def at_pivots(moving: list[int], keys: list[Key]) -> Sample:
    """Every pivot is a point of its own, with gradients at the `moving` ones only; keys [N]."""
    pivots = len(keys)
    back = np.zeros((pivots, pivots))
    back[moving, moving] = 1.0
    return Sample(np.eye(pivots), back, keys, np.linspace(0.0, 1.0, pivots), fixed=True)
