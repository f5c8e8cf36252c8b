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
    augment: bool = Field(False, description="random crop after padding by 4, and random flip")

    def load(self, folder: Path = Path()) -> Data:
        import torch
        from torchvision.datasets import ImageFolder

        from pathsearch.objectives.data.pictures import pictures
        from pathsearch.objectives.data.sets import Data, Split

        root = self._root(folder)
        listings = {part: ImageFolder(str(root / part)) for part in ("train", "test")}
        for part, other in (("train", "test"), ("test", "train")):
            alone = sorted(set(listings[part].classes) - set(listings[other].classes))
            if alone:
                raise PathsearchError(f"train/ and test/ in {root} have different classes: only {part}/ has {alone[0]}")
        splits = []
        for listing in listings.values():
            files = [file for file, _ in listing.samples]
            splits.append(Split(pictures(files, self.size), torch.tensor([target for _, target in listing.samples])))
        return Data(splits[0], splits[1], len(listings["train"].classes))

    def _root(self, folder: Path) -> Path:
        for root in candidates(self.root, folder):
            if (root / "train").is_dir() and (root / "test").is_dir():
                return root
        raise PathsearchError(
            f"no folders {self.root}/train and {self.root}/test {places(self.root, folder)}: "
            "objective.data.root must hold train/ and test/"
        )
