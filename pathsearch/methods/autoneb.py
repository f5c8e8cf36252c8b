"""AutoNEB: cycles of inserting pivots and relaxing the band (Draxler et al. 2018, section 3.2)."""

from typing import Any, ClassVar, Literal

from pydantic import Field

from pathsearch.methods.band import Neb, Spring
from pathsearch.methods.stages import Insertion, Stage
from pathsearch.optimizers import Optimizer
from pathsearch.settings import Settings


class Cycle(Settings):
    """What a cycle changes against the one before; what it does not name stays."""

    insert: Insertion | None = Field(None, description="how pivots are added first; null: as in the cycle before")
    steps: int | None = Field(None, ge=0, description="of this cycle")
    optimizer: dict[str, Any] = Field(default_factory=dict, description="optimiser options that change")
    spring: Spring | None = Field(None, description="as of neb")
    climb: bool | None = Field(None, description="as of neb")
    repeat: int = Field(1, ge=1, description="so many cycles like this one")


class AutoNeb(Settings):
    """A band that grows: the first cycle inserts into the straight line."""

    name: Literal["autoneb"] = "autoneb"
    spring: Spring = Field("inf", description="as of neb, in cycles that do not say their own")
    climb: bool = Field(False, description="as of neb, in cycles that do not say their own")
    cycles: list[Cycle] = Field(
        default_factory=lambda: [
            Cycle(insert=Insertion(rule="equal", count=3)),
            Cycle(insert=Insertion(rule="highest", count=2), repeat=3),
        ],
        min_length=1,
        description="one after another, each with what it changes",
    )

    curve: ClassVar[str] = "polygon"

    def stages(self, optimizer: Optimizer, steps: int, tolerance: float | None) -> list[Stage]:
        """One stage a cycle; `steps` is the first cycle's number unless it says its own."""
        stages: list[Stage] = []
        band = {"spring": self.spring, "climb": self.climb}
        insertion = Insertion(rule="equal", count=3)
        for cycle in self.cycles:
            insertion = cycle.insert or insertion
            steps = steps if cycle.steps is None else cycle.steps
            optimizer = optimizer.revised(cycle.optimizer)  # type: ignore[assignment]
            band |= {key: value for key in band if (value := getattr(cycle, key)) is not None}
            for _ in range(cycle.repeat):
                name = f"cycle {len(stages) + 1}"
                neb = Neb.model_validate(band)
                stages.append(Stage(name, neb, optimizer, steps, tolerance, insertion=insertion))
        return stages
