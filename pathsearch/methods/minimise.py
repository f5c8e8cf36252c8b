"""Plain descent of every movable pivot by itself: how endpoints are trained."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pathsearch.methods.sampling import Forces, Sample, downhill
from pathsearch.methods.stages import Stage
from pathsearch.numerics.basis import Array
from pathsearch.numerics.seeds import Key
from pathsearch.optimizers import Memory


@dataclass(frozen=True)
class Minimise:
    """seeds: pivot index → the seed of its mini-batches; batch: their size, None for the objective's own."""

    seeds: dict[int, int]
    batch: int | None = None

    respaced: ClassVar[bool] = False

    def sample(self, pivots: int, rows: list[int], seed: int, step: int, fixed: bool) -> Sample:
        picked = np.eye(pivots)[rows]
        keys = [Key(self.seeds[row], step, self.batch) for row in rows]
        return Sample(picked, picked, keys, np.array(rows) / max(pivots - 1, 1), fixed=True)

    def forces(self, losses: Array, gram: Array, memory: Memory, stochastic: bool) -> Forces:
        return downhill(gram)


def batches(stages: list[Stage]) -> set[int | None]:
    """The sizes of mini-batches that stages draw, None for the objective's own."""
    return {stage.method.batch if isinstance(stage.method, Minimise) else None for stage in stages}
