"""A user's own data set, any torch Dataset."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from pathsearch.numerics.seeds import derive
from pathsearch.settings import Settings

if TYPE_CHECKING:
    from pathsearch.objectives.data.sets import Data

READING = 13  # what a seed is for
TRAIN, TEST = 0, 1


class Custom(Settings):
    """Any torch Dataset by import string, built with `train_args` and `test_args`; its inputs are used as they are.

    Floating-point inputs are cast to objective.dtype; integers and booleans reach the network as such. Every item is
    read once, under one seed whatever the run's: a random transform is drawn once, and in every process alike.
    """

    name: Literal["dataset"] = "dataset"
    target: str = Field(description="package.module:Class, or a function that returns a Dataset")
    train_args: dict[str, Any] = Field(default_factory=dict, description="its arguments for the training set")
    test_args: dict[str, Any] = Field(default_factory=dict, description="its arguments for the test set")
    augment: bool = Field(False, description="random crop after padding by 4, and random flip")

    def load(self, folder: Path = Path()) -> Data:
        import torch

        from pathsearch.objectives.data.reading import joined, read
        from pathsearch.objectives.imports import imported
        from pathsearch.objectives.seeding import seeded
        from pathsearch.objectives.users_code import errors_named

        what = f"objective.data.target {self.target}"
        make = imported(self.target, "objective.data.target", folder)
        splits = []
        for part, name, arguments in ((TRAIN, "train_args", self.train_args), (TEST, "test_args", self.test_args)):
            with seeded(derive(READING, part), torch.device("cpu")):
                with errors_named(f"{what}, made with {name} {arguments},", passing=()):
                    dataset = make(**arguments)
                splits.append(read(dataset, what))
        return joined(*splits)
