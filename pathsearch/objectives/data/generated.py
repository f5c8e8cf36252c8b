"""Batches that a function of the user's makes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from pathsearch.settings import Settings

if TYPE_CHECKING:
    from pathsearch.objectives.data.sets import Data


class Generated(Settings):
    """Batches that a function makes of (split, seed, step, size); split is "train" or "test".

    The same arguments must give the same batch, so whatever it draws has to follow from them; torch, random and
    numpy.random are seeded for it. What is measured are the batches of seed 0 from step 0 on.
    """

    name: Literal["batches"] = "batches"
    target: str = Field(description="package.module:function")
    train_batches: int = Field(ge=1, description="mini-batches of the training set that are measured")
    test_batches: int = Field(ge=1, description="mini-batches of the test set that are measured")
    outputs: int | None = Field(
        None, ge=1, description="of a built-in network; default: 1 for real-valued targets, needed for classes"
    )
    workers: int | None = Field(
        None, ge=0, description="processes that make batches ahead; default: one for every core but one"
    )
    augment: ClassVar[bool] = False

    def load(self, folder: Path = Path(), room: float = float("inf")) -> Data:
        from pathsearch.objectives.data.made import Made
        from pathsearch.objectives.data.room import readers
        from pathsearch.objectives.data.sets import Data
        from pathsearch.objectives.imports import imported

        function, called = (
            imported(self.target, "objective.data.target", folder),
            f"objective.data.target {self.target}",
        )
        train = Made(function, called, "train", self.train_batches)
        test = Made(function, called, "test", self.test_batches)
        return Data(train, test, self.outputs or 0, False, readers(self.workers), called=called)
