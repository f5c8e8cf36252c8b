"""Files of token ids."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from pathsearch.settings import Settings

if TYPE_CHECKING:
    from pathsearch.objectives.data.sets import Data


class Tokens(Settings):
    """Windows of a file of token ids: examples are pairs (ids, next ids), [context] each, at multiples of context.

    A `.npy` file holds one row of integers, any other file nothing but ids of type `dtype`, as nanoGPT writes them.
    """

    name: Literal["tokens"] = "tokens"
    train: str = Field(description="file of the training set, here or beside the configuration")
    test: str = Field(description="file of the test set")
    context: int = Field(ge=1, description="ids of an example")
    dtype: Literal["uint8", "uint16", "uint32", "int32", "int64"] = Field(
        "uint16", description="of the ids in a file that is no .npy"
    )
    vocabulary: int | None = Field(None, ge=1, description="how many ids there are; default: the highest one + 1")
    workers: int | None = Field(
        None, ge=0, description="processes that read what does not fit in memory; default: none, for it is quick"
    )
    augment: ClassVar[bool] = False

    def load(self, folder: Path = Path(), room: float = float("inf")) -> Data:
        from pathsearch.errors import PathsearchError
        from pathsearch.files import found
        from pathsearch.objectives.data.indexed import Indexed
        from pathsearch.objectives.data.room import readers, told
        from pathsearch.objectives.data.sets import Data, Source, Split
        from pathsearch.objectives.data.windows import BYTES, Windows

        workers, splits, remarks = readers(self.workers or 0), [], []
        sets = {
            name: Windows.of(found(file, folder), file, self.dtype, self.context)
            for name, file in (("training", self.train), ("test", self.test))
        }
        vocabulary = self.vocabulary or 1 + max(windows.highest for windows in sets.values())
        for name, windows in sets.items():
            if windows.highest >= vocabulary:
                raise PathsearchError(windows.beyond(vocabulary))
            if windows.left_out:
                remarks.append(
                    f"the {name} set leaves out the last {windows.left_out} of the {windows.count:,} ids in "
                    f"{windows.name}: they fill no window of {self.context}"
                )
            size = BYTES * self.context * len(windows)
            split: Split | Source
            if size <= room:
                split = Split(windows(range(len(windows))))
                room -= size
            else:
                split = Indexed(len(windows), windows, cheap=not workers)
                remarks.append(told(name, size, room, workers))
            splits.append(split)
        return Data(splits[0], splits[1], vocabulary, False, workers, tuple(remarks))
