"""Plain descent of a single network: how a minimum is trained."""

from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from pathsearch.methods.sampling import Forces, downhill
from pathsearch.methods.stages import Stage
from pathsearch.numerics.basis import Array
from pathsearch.numerics.messages import Sample
from pathsearch.numerics.seeds import Key
from pathsearch.optimizers import Memory, Optimizer
from pathsearch.settings import Settings


class Train(Settings):
    """No path but a minimum: one network trained by itself, as `pathsearch train` and runs do for their endpoints."""

    name: Literal["train"] = "train"
    seed: int = Field(0, description="of the untrained weights and of the mini-batches")

    curve: ClassVar[str] = "polygon"
    respaced: ClassVar[bool] = False

    def stages(self, optimizer: Optimizer, steps: int, tolerance: float | None) -> list[Stage]:
        return [Stage(f"train from seed {self.seed}", self, optimizer, steps, tolerance)]

    def sample(self, pivots: int, moving: list[int], seed: int, step: int, fixed: bool) -> Sample:
        """The only pivot; its mini-batches follow from its own seed, so that the run's does not matter."""
        return Sample(np.eye(1), np.eye(1), [Key(self.seed, step)], np.zeros(1), fixed=True)

    def forces(self, losses: Array, gram: Array, memory: Memory, stochastic: bool) -> Forces:
        return downhill(gram)
