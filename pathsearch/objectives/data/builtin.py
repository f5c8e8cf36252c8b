"""Data sets that come with libraries, and noise."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from pathsearch.errors import PathsearchError, one_line
from pathsearch.files import candidates, expanded, places, there
from pathsearch.settings import Settings

if TYPE_CHECKING:
    from pathsearch.objectives.data.sets import Data


class Digits(Settings):
    """1,797 handwritten digits of 8 × 8 pixels (scikit-learn); every fifth one is for testing."""

    name: Literal["digits"] = "digits"
    augment: bool = Field(False, description="random crop after padding by 4, and random flip")

    def load(self, folder: Path = Path()) -> Data:
        import torch
        from sklearn.datasets import load_digits

        from pathsearch.objectives.data.sets import every_fifth

        digits = load_digits()
        inputs = torch.tensor(digits.images / 16.0, dtype=torch.float32)[:, None]
        return every_fifth(inputs, torch.tensor(digits.target, dtype=torch.int64), 10)


class Moons(Settings):
    """Two interleaving half moons in the plane (scikit-learn); every fifth point is for testing."""

    name: Literal["moons"] = "moons"
    points: int = Field(1000, ge=10, description="of both moons")
    noise: float = Field(0.1, ge=0, description="standard deviation added to every coordinate")
    seed: int = Field(0, description="of the noise")
    augment: bool = Field(False, description="for images only")

    def load(self, folder: Path = Path()) -> Data:
        import torch
        from sklearn.datasets import make_moons

        from pathsearch.objectives.data.sets import every_fifth

        inputs, targets = make_moons(self.points, noise=self.noise, random_state=self.seed)
        return every_fifth(torch.tensor(inputs, dtype=torch.float32), torch.tensor(targets, dtype=torch.int64), 2)


class RandomImages(Settings):
    """Noise with random classes, for benchmarks: the speed of a real data set without its files."""

    name: Literal["random"] = "random"
    shape: tuple[int, int, int] = Field((3, 32, 32), description="channels, height and width")
    classes: int = Field(10, ge=2, description="as many as there are outputs")
    examples: int = Field(2000, ge=2, description="of training and test set together")
    augment: bool = Field(False, description="random crop after padding by 4, and random flip")

    def load(self, folder: Path = Path()) -> Data:
        import torch

        from pathsearch.objectives.data.sets import every_fifth

        generator = torch.Generator().manual_seed(0)
        images = torch.randint(0, 256, (self.examples, *self.shape), generator=generator, dtype=torch.uint8)
        targets = torch.randint(0, self.classes, (self.examples,), generator=generator)
        return every_fifth(images, targets, self.classes)


class Torchvision(Settings):
    """A data set torchvision knows, read from `root`."""

    name: Literal["mnist", "fashion-mnist", "cifar10", "cifar100"]
    root: str = Field("data", description="folder of the data set's files, here or beside the configuration")
    download: bool = Field(False, description="fetch the files where they are missing")
    augment: bool = Field(False, description="random crop after padding by 4, and random flip")

    def load(self, folder: Path = Path()) -> Data:
        import torch

        from pathsearch.objectives.data.sets import Data, Split

        raw = self._raw(folder)
        splits = []
        for part in raw:
            images = torch.as_tensor(part.data)
            images = images[:, None] if images.ndim == 3 else images.permute(0, 3, 1, 2).contiguous()
            splits.append(Split(images, torch.as_tensor(part.targets, dtype=torch.int64)))
        return Data(splits[0], splits[1], len(raw[0].classes))

    def _raw(self, folder: Path) -> list[Any]:
        """Training and test set as torchvision has them, from the first place that holds them."""
        from torchvision import datasets

        from pathsearch.objectives.users_code import errors_named

        kinds = {
            "mnist": datasets.MNIST,
            "fashion-mnist": datasets.FashionMNIST,
            "cifar10": datasets.CIFAR10,
            "cifar100": datasets.CIFAR100,
        }

        def opened(root: Path, download: bool) -> list[Any]:
            with errors_named(f"reading {self.name} in {root}", passing=(RuntimeError, OSError)):
                return [kinds[self.name](root, train=train, download=download) for train in (True, False)]

        said = ""
        for root in candidates(self.root, folder):
            if there(root):
                try:
                    return opened(root, False)
                except RuntimeError as error:  # the files are not there
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
