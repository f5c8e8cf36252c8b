"""The straight line between the endpoints: nothing to find, only to measure."""

from typing import ClassVar, Literal

from pathsearch.methods.stages import Stage
from pathsearch.optimizers import Optimizer
from pathsearch.settings import Settings


class Linear(Settings):
    """The straight line."""

    name: Literal["linear"] = "linear"
    curve: ClassVar[str] = "polygon"

    def stages(self, optimizer: Optimizer, steps: int, tolerance: float | None) -> list[Stage]:
        return []
