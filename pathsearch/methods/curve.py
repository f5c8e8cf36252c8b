"""Curves trained by their average loss (Garipov et al. 2018)."""

from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field

from pathsearch.methods.sampling import Forces, downhill
from pathsearch.methods.stages import Stage, single
from pathsearch.numerics.basis import Array
from pathsearch.numerics.curves import CURVES
from pathsearch.numerics.messages import Sample
from pathsearch.numerics.seeds import Key, derive
from pathsearch.optimizers import Memory, Optimizer
from pathsearch.settings import Settings, choice

DRAW = 11  # what a seed is for: t of a step


class Curve(Settings):
    """A curve through bend points, or with them as control points, trained by its average loss (Garipov et al. 2018).

    Minimises E over t ~ U(0,1) of L(γ(t)) (eq. 2). The kinds are those of `numerics.curves`.
    """

    name: Annotated[str, choice(CURVES)]
    bends: int = Field(1, ge=1, description="bend points between the endpoints")
    samples: int | None = Field(
        None,
        ge=1,
        description="values of t a step, one in each equal share of [0, 1]; default: 1, or 8 a segment "
        "with an optimiser that needs the same ones every step",
    )

    respaced: ClassVar[bool] = False

    @property
    def curve(self) -> str:
        return self.name

    @property
    def interior(self) -> int:
        return self.bends

    def stages(self, optimizer: Optimizer, steps: int, tolerance: float | None) -> list[Stage]:
        return single(self, optimizer, steps, tolerance)

    def sample(self, pivots: int, moving: list[int], seed: int, step: int, fixed: bool) -> Sample:
        samples = self.samples or (8 * (self.bends + 1) if fixed else 1)
        # an optimiser that compares steps needs one function throughout: the shares' middles
        draws = 0.5 if fixed else np.random.default_rng(derive(DRAW, seed, step)).random(samples)
        t = (np.arange(samples) + draws) / samples
        mix = CURVES[self.curve](t, pivots)
        back = np.zeros_like(mix)
        back[:, moving] = mix[:, moving] / samples
        return Sample(mix, back, [Key(seed, step)] * samples, t, fixed)

    def forces(self, losses: Array, gram: Array, memory: Memory, stochastic: bool) -> Forces:
        return downhill(gram)
