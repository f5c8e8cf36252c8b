"""Plain descent of every movable pivot by itself: how endpoints are trained."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pathsearch.methods.sampling import Forces, Sample, at_pivots
from pathsearch.numerics.basis import GRADIENT, Array, norms, unit
from pathsearch.numerics.seeds import Key
from pathsearch.optimizers.rules import Memory


@dataclass(frozen=True)
class Minimise:
    """Pivot i is trained from its own seed: seeds [N]."""

    seeds: tuple[int, ...]
    batch: int | None = None

    name: ClassVar[str] = "minimise"
    curve: ClassVar[str] = "polygon"
    respaced: ClassVar[bool] = False

    def sample(self, pivots: int, rows: list[int], seed: int, step: int, fixed: bool) -> Sample:
        return at_pivots(rows, [Key(own, step, self.batch) for own in self.seeds])

    def forces(self, losses: Array, gram: Array, memory: Memory, stochastic: bool) -> Forces:
        force = -unit(len(gram), 3, GRADIENT)
        return Forces(np.asarray(force), norms(force, gram))
