"""Folders of pictures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from pathsearch.errors import PathsearchError
from pathsearch.files import candidates, places
from pathsearch.settings import Settings

if TYPE_CHECKING:
    from pathsearch.objectives.data.sets import Data


class Folder(Settings):
    """Images in `train/<class>/*` and `test/<class>/*`, as torchvision's ImageFolder finds them.

    Pictures of more than 8 bits a channel are scaled to 8.
    """

    name: Literal["folder"] = "folder"
    root: str = Field(description="folder that holds train/ and test/, here or beside the configuration")
    size: int | None = Field(None, ge=1, description="side to resize and centre-crop to; needed where sizes differ")
    workers: int | None = Field(
        None, ge=0, description="processes that decode what does not fit in memory; default: one for every core but one"
    )
    augment: bool = Field(False, description="random crop after padding by 4, and random flip")

    def load(self, folder: Path = Path(), room: float = float("inf")) -> Data:
        from torchvision.datasets import ImageFolder

        from pathsearch.objectives.data.indexed import Indexed
        from pathsearch.objectives.data.pictures import Pictures
        from pathsearch.objectives.data.room import readers, told
        from pathsearch.objectives.data.sets import Data, Source, Split

        root = self._root(folder)
        listings = {part: ImageFolder(str(root / part)) for part in ("train", "test")}
        for part, other in (("train", "test"), ("test", "train")):
            alone = sorted(set(listings[part].classes) - set(listings[other].classes))
            if alone:
                raise PathsearchError(f"train/ and test/ in {root} have different classes: only {part}/ has {alone[0]}")
        workers, splits, remarks = readers(self.workers), [], []
        for part, listing in listings.items():
            files, classes = [file for file, _ in listing.samples], [target for _, target in listing.samples]
            pictures = Pictures(files, classes, self.size)
            split: Split | Source
            if pictures.bytes() <= room:
                split = Split(pictures.held())
                room -= pictures.bytes()
            else:
                split = Indexed(len(files), pictures, shuffled=self.augment, key=pictures.key())
                name = "training" if part == "train" else part
                remarks.append(told(name, pictures.bytes(), room, workers))
            splits.append(split)
        return Data(splits[0], splits[1], len(listings["train"].classes), True, workers, tuple(remarks))

    def _root(self, folder: Path) -> Path:
        for root in candidates(self.root, folder):
            if (root / "train").is_dir() and (root / "test").is_dir():
                return root
        raise PathsearchError(
            f"no folders {self.root}/train and {self.root}/test {places(self.root, folder)}: "
            "objective.data.root must hold train/ and test/"
        )
