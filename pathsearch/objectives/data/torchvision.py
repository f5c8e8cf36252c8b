"""Data sets that torchvision reads."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from pathsearch.errors import PathsearchError, one_line
from pathsearch.files import candidates, expanded, places, there
from pathsearch.settings import Settings, choice

if TYPE_CHECKING:
    from pathsearch.objectives.data.sets import Data

CLASSES = {"mnist": "MNIST", "fashion-mnist": "FashionMNIST", "cifar10": "CIFAR10", "cifar100": "CIFAR100"}
"""Names of classes in torchvision.datasets."""


class Torchvision(Settings):
    """A data set torchvision knows, read from `root`."""

    name: Annotated[str, choice(CLASSES)]
    root: str = Field("data", description="folder of the data set's files, here or beside the configuration")
    download: bool = Field(False, description="fetch the files where they are missing")
    augment: bool = Field(False, description="random crop after padding by 4, and random flip")

    def load(self, folder: Path = Path(), room: float = float("inf")) -> Data:
        import torch

        from pathsearch.objectives.data.sets import Data, Split

        raw = self._raw(folder)
        splits = []
        for part in raw:
            images = torch.as_tensor(part.data)
            images = images[:, None] if images.ndim == 3 else images.permute(0, 3, 1, 2).contiguous()
            splits.append(Split((images, torch.as_tensor(part.targets, dtype=torch.int64))))
        return Data(splits[0], splits[1], len(raw[0].classes))

    def _raw(self, folder: Path) -> list[Any]:
        """Training and test set as torchvision has them, from the first place that holds them."""
        from torchvision import datasets

        from pathsearch.objectives.users_code import errors_named

        known = getattr(datasets, CLASSES[self.name])

        def opened(root: Path, download: bool) -> list[Any]:
            with errors_named(f"reading {self.name} in {root}", passing=(RuntimeError, OSError)):
                return [known(root, train=train, download=download) for train in (True, False)]

        said = ""
        for root in candidates(self.root, folder):
            if there(root):
                try:
                    return opened(root, False)
                except RuntimeError as error:  # its files are not there
                    said = f" ({root}: {one_line(error).partition('. You can use')[0]})"
        if not self.download:
            raise PathsearchError(
                f"no {self.name} in {self.root} {places(self.root, folder)}{said}: set objective.data.root "
                "to its folder, or objective.data.download=true to fetch it"
            )
        try:
            return opened(expanded(self.root), True)
        except (RuntimeError, OSError) as error:
            raise PathsearchError(f"cannot fetch {self.name} into {self.root}: {one_line(error)}") from error
