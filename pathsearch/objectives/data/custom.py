"""A user's own data set, any torch Dataset."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from pathsearch.numerics.seeds import derive
from pathsearch.settings import Settings

if TYPE_CHECKING:
    from pathsearch.objectives.data.sets import Data

TRAIN, TEST = 0, 1


class Custom(Settings):
    """Any torch Dataset by import string, built with `train_args` and `test_args`; its items are used as they are.

    An item is a tensor, array or number, or a tuple, list, dictionary or dataclass of such. Real numbers are cast to
    objective.dtype; integers and booleans reach the network as such. An item is read under a seed of its own, whatever
    the run's: a random transform is drawn once, and in every process alike.
    """

    name: Literal["dataset"] = "dataset"
    target: str = Field(description="package.module:Class, or a function that returns a Dataset")
    train_args: dict[str, Any] = Field(default_factory=dict, description="its arguments for the training set")
    test_args: dict[str, Any] = Field(default_factory=dict, description="its arguments for the test set")
    collate: str | None = Field(
        None, description="package.module:function that makes a batch of a list of items; default: items are stacked"
    )
    redraw: bool = Field(
        False,
        description="read items anew for each mini-batch, so that random transforms are drawn anew; what is measured "
        "has the first draw",
    )
    outputs: int | None = Field(
        None,
        ge=1,
        description="of a built-in network; default: the set's classes, or the highest class + 1 if it fits in memory",
    )
    workers: int | None = Field(
        None, ge=0, description="processes that read what does not fit in memory; default: one for every core but one"
    )
    augment: bool = Field(False, description="random crop after padding by 4, and random flip")

    def load(self, folder: Path = Path(), room: float = float("inf")) -> Data:
        import torch

        from pathsearch.objectives.arguments import refuse_unknown
        from pathsearch.objectives.data.reading import READING, Items, held_or_read, outputs_of
        from pathsearch.objectives.data.room import readers, told
        from pathsearch.objectives.data.sets import Data, Split
        from pathsearch.objectives.imports import imported
        from pathsearch.objectives.seeding import seeded
        from pathsearch.objectives.users_code import errors_named

        what = f"objective.data.target {self.target}"
        make = imported(self.target, "objective.data.target", folder)
        collate = imported(self.collate, "objective.data.collate", folder) if self.collate else None
        workers, splits, remarks = readers(self.workers), [], []

        def made(part: int) -> Any:
            name, arguments = (("train_args", self.train_args), ("test_args", self.test_args))[part]
            refuse_unknown(make, arguments, f"objective.data.{name} of {self.target}")
            called = f"{what}, made with {name} {arguments},"
            with seeded(derive(READING, part), torch.device("cpu")), errors_named(called, passing=()):
                return make(**arguments)

        for part, name in ((TRAIN, "training"), (TEST, "test")):
            called = f"objective.data.collate {self.collate}"
            items = Items(made(part), what, part, None, collate, called, partial(made, part))
            redraw = self.redraw and part == TRAIN
            split = held_or_read(items, room, self.augment, redraw)
            splits.append(split)
            if isinstance(split, Split) or split.cheap:  # items that are kept for a collate lie in memory, too
                room -= items.bytes
            else:
                remarks.append(told(name, None if redraw else items.bytes, room, workers, anew=True))
        outputs = self.outputs or outputs_of(splits[0], splits[1], items.dataset)
        called = f"objective.data.collate {self.collate}" if self.collate else ""
        return Data(splits[0], splits[1], outputs, False, workers, tuple(remarks), called)
