"""The nudged elastic band (Henkelman & Jónsson 2000; Draxler et al. 2018)."""

from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import BeforeValidator, Field

from pathsearch.methods.sampling import Forces, at_pivots
from pathsearch.methods.stages import Stage, single
from pathsearch.numerics import forces, tangents
from pathsearch.numerics.basis import Array, norms
from pathsearch.numerics.messages import Sample
from pathsearch.numerics.seeds import Key
from pathsearch.optimizers import Memory, Optimizer
from pathsearch.settings import Settings

SMOOTHING = 0.9  # of the losses that order images, so that mini-batch noise does not flip tangents


def _infinite(value: Any) -> Any:
    return "inf" if value == float("inf") else value  # YAML's own infinity


Spring = Annotated[Literal["inf"] | Annotated[float, Field(gt=0)], BeforeValidator(_infinite)]


class Band(Settings):
    """Images between the endpoints, each moved by the force across the band and, with finite springs, along it."""

    name: str
    images: int = Field(7, ge=1, description="interior images")
    spring: Spring
    climb: bool

    curve: ClassVar[str] = "polygon"

    @property
    def interior(self) -> int:
        return self.images

    def stages(self, optimizer: Optimizer, steps: int, tolerance: float | None) -> list[Stage]:
        return single(self, optimizer, steps, tolerance)

    def sample(self, pivots: int, moving: list[int], seed: int, step: int, fixed: bool) -> Sample:
        # every image the same mini-batch: differences between images are then free of its noise
        return at_pivots(moving, [Key(seed, step)] * pivots)

    @property
    def respaced(self) -> bool:
        return self.spring == "inf"

    def forces(self, losses: Array, gram: Array, memory: Memory, stochastic: bool) -> Forces:
        losses, memory = smoothed(losses, memory) if stochastic else (losses, memory)
        tangent = tangents.improved(losses, gram)
        force = forces.perpendicular(tangent, gram)
        if self.spring != "inf":
            force = force + forces.spring(tangent, gram, float(self.spring))
        climber = forces.climber(losses) if self.climb else None
        if climber is not None:
            force[climber] = forces.climbing(tangent, gram)[climber]
        return Forces(force, norms(force, gram), memory, climber)


class Neb(Band):
    """Nudged elastic band with improved tangents."""

    name: Literal["neb"] = "neb"
    spring: Spring = Field("inf", description="spring constant, per unit length; `inf` re-spaces instead")
    climb: bool = Field(
        False, description="the highest image that is higher than both its neighbours climbs to the saddle"
    )


class String(Band):
    """String method (E, Ren & Vanden-Eijnden 2002): what a band without springs that is re-spaced is called."""

    name: Literal["string"] = "string"
    spring: ClassVar[Literal["inf"]] = "inf"  # type: ignore[misc]
    climb: ClassVar[bool] = False  # type: ignore[misc]


def smoothed(losses: Array, memory: Memory) -> tuple[Array, Memory]:
    """Exponential average [N] of the images' losses over the steps of a stage."""
    past = memory.get("losses")
    if past is not None:
        losses = SMOOTHING * np.asarray(past) + (1.0 - SMOOTHING) * losses
    return losses, {"losses": losses.tolist()}
