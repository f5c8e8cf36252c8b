"""A run is a list of stages: insert pivots where asked, then relax for so many steps."""

from dataclasses import dataclass
from typing import Annotated, Any, Protocol

from pydantic import Field

from pathsearch.methods.sampling import Forces
from pathsearch.numerics.basis import Array
from pathsearch.numerics.insertion import RULES
from pathsearch.numerics.messages import Sample
from pathsearch.optimizers import Memory, Optimizer
from pathsearch.settings import Settings, choice


class Relaxation(Protocol):
    """What the loop needs of a method: where to sample, and how gradients become forces."""

    @property
    def respaced(self) -> bool:
        """Whether pivots are moved to equal distances after every step."""

    def sample(self, pivots: int, moving: list[int], seed: int, step: int, fixed: bool) -> Sample:
        """The points of one step; `fixed` asks for the same points every step."""

    def forces(self, losses: Array, gram: Array, memory: Memory, stochastic: bool) -> Forces:
        """losses [S] and Gram matrices [n, ≥3, ≥3] to forces on the moving pivots."""


class Insertion(Settings):
    """How a cycle adds pivots."""

    rule: Annotated[str, choice(RULES)] = Field(
        "highest", description="where: at equal distances, or where loss is high"
    )
    count: int = Field(2, ge=1, description="pivots to add; for `highest` at most so many")
    threshold: float = Field(0.1, description="`highest`: smallest excess over the chord, as a share of the loss range")
    batches: int = Field(8, ge=1, description="`highest`: mini-batches averaged at every point looked at")


@dataclass(frozen=True)
class Stage:
    """One relaxation.

    First `interior` pivots are put at equal distances along the chain there is, or pivots are added as `insertion`
    says. All pivots but the ends move, or the only one there is. The stage is over after `steps`, or when the largest
    force norm is at most `tolerance`.
    """

    name: str
    method: Relaxation
    optimizer: Optimizer
    steps: int
    tolerance: float | None = None
    interior: int | None = None
    insertion: Insertion | None = None


def pivot_counts(stages: list[Stage], pivots: int) -> list[int]:
    """How many pivots each stage relaxes, beginning with `pivots`; insertions are taken to insert all they may."""
    found = []
    for stage in stages:
        if stage.interior is not None:
            pivots = stage.interior + 2
        elif stage.insertion is not None:
            pivots += stage.insertion.count
        found.append(pivots)
    return found


def single(method: Any, optimizer: Optimizer, steps: int, tolerance: float | None) -> list[Stage]:
    """The stages of a method that relaxes once."""
    return [Stage(method.name, method, optimizer, steps, tolerance, interior=method.interior)]
