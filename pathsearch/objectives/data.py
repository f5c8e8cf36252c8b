"""Data sets, read whole into tensors; a kind of data is one class and one entry of the union at the end."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union

import numpy as np
from pydantic import Field

from pathsearch.errors import PathsearchError
from pathsearch.settings import Settings

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Split:
    """Inputs [n, …], uint8 images or float features, and targets [n]: classes (int64) or values (float)."""

    inputs: Tensor
    targets: Tensor


@dataclass(frozen=True)
class Data:
    """A data set. `outputs` is the number of classes, or 1 for real-valued targets.

    `standardise`: whether images are scaled by the training set's mean and deviation; a user's own data set has done
    its scaling already.
    """

    train: Split
    test: Split
    outputs: int
    standardise: bool = True


def checked(data: Data, loss: str) -> Data:
    """The same data with classes as int64; raises PathsearchError where a network could not be trained on them."""
    targets = [split.targets for split in (data.train, data.test)]
    for name, split in (("training", data.train), ("test", data.test)):
        if not len(split.inputs) or not split.inputs[0].numel():
            raise PathsearchError(f"the {name} set is empty")
        if split.inputs.ndim < 2 or split.targets.ndim != 1 or split.inputs.is_complex():
            raise PathsearchError("every example must be a real tensor of one or more dimensions and one number")
    if data.train.inputs.shape[1:] != data.test.inputs.shape[1:]:
        shapes = tuple(data.train.inputs.shape[1:]), tuple(data.test.inputs.shape[1:])
        raise PathsearchError(f"training inputs have shape {shapes[0]}, test inputs {shapes[1]}")
    if any(part.is_floating_point() for part in targets):
        if loss == "cross_entropy":
            raise PathsearchError("the targets are real numbers: set objective.loss=mse, or give integer classes")
        return data
    lowest, highest = min(int(part.min()) for part in targets), max(int(part.max()) for part in targets)
    if lowest < 0 or highest >= 100_000:
        raise PathsearchError(f"classes run from {lowest} to {highest}: number them from 0 without gaps")
    train, test = (Split(split.inputs, split.targets.long()) for split in (data.train, data.test))
    return Data(train, test, max(data.outputs, highest + 1), data.standardise)


class Digits(Settings):
    """1,797 handwritten digits of 8 × 8 pixels (scikit-learn); every fifth one is for testing."""

    name: Literal["digits"] = "digits"
    augment: bool = Field(False, description="random crop after padding by 4, and random flip")

    def load(self) -> Data:
        import torch
        from sklearn.datasets import load_digits

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

    def load(self) -> Data:
        import torch
        from sklearn.datasets import make_moons

        inputs, targets = make_moons(self.points, noise=self.noise, random_state=self.seed)
        return every_fifth(torch.tensor(inputs, dtype=torch.float32), torch.tensor(targets, dtype=torch.int64), 2)


class Torchvision(Settings):
    """A data set torchvision knows, read from `root`."""

    name: Literal["mnist", "fashion-mnist", "cifar10", "cifar100"]
    root: str = Field("data", description="folder of the data set's files")
    download: bool = Field(False, description="fetch the files where they are missing")
    augment: bool = Field(False, description="random crop after padding by 4, and random flip")

    def load(self) -> Data:
        import torch
        from torchvision import datasets

        kinds = {
            "mnist": datasets.MNIST,
            "fashion-mnist": datasets.FashionMNIST,
            "cifar10": datasets.CIFAR10,
            "cifar100": datasets.CIFAR100,
        }
        splits: list[Split] = []
        for train in (True, False):
            try:
                raw = kinds[self.name](self.root, train=train, download=self.download)
            except RuntimeError as error:
                raise PathsearchError(
                    f"no {self.name} in {self.root!r}: set objective.data.root to its folder, "
                    f"or objective.data.download=true to fetch it ({error})"
                ) from error
            images = torch.as_tensor(raw.data)
            images = images[:, None] if images.ndim == 3 else images.permute(0, 3, 1, 2).contiguous()
            splits.append(Split(images, torch.as_tensor(raw.targets, dtype=torch.int64)))
        return Data(splits[0], splits[1], len(raw.classes))


class Folder(Settings):
    """Images in `train/<class>/*` and `test/<class>/*`, as torchvision's ImageFolder reads them."""

    name: Literal["folder"] = "folder"
    root: str = Field(description="folder that holds train/ and test/")
    size: int | None = Field(None, ge=1, description="side to resize and centre-crop to; needed where sizes differ")
    augment: bool = Field(False, description="random crop after padding by 4, and random flip")

    def load(self) -> Data:
        from torchvision.datasets import ImageFolder

        splits: list[Split] = []
        classes: list[list[str]] = []
        for part in ("train", "test"):
            folder = Path(self.root) / part
            if not folder.is_dir():
                raise PathsearchError(f"no folder {folder}: objective.data.root must hold train/ and test/")
            listing = ImageFolder(str(folder))
            classes.append(listing.classes)
            splits.append(_decoded(listing.samples, self.size))
        if classes[0] != classes[1]:
            raise PathsearchError(f"train/ and test/ in {self.root} have different classes")
        return Data(splits[0], splits[1], len(classes[0]))


class Custom(Settings):
    """Any torch Dataset by import string, built with `train_args` and `test_args`; its inputs are used as they are."""

    name: Literal["dataset"] = "dataset"
    target: str = Field(description="package.module:Class, or a function that returns a Dataset")
    train_args: dict[str, Any] = Field(default_factory=dict, description="its arguments for the training set")
    test_args: dict[str, Any] = Field(default_factory=dict, description="its arguments for the test set")
    augment: bool = Field(False, description="random crop after padding by 4, and random flip")

    def load(self) -> Data:
        from pathsearch.objectives.imports import imported

        make = imported(self.target)
        train, test = (read(make(**arguments), self.target) for arguments in (self.train_args, self.test_args))
        whole = not train.targets.is_floating_point()
        return Data(train, test, outputs=int(train.targets.max()) + 1 if whole else 1, standardise=False)


class RandomImages(Settings):
    """Noise with random classes, for benchmarks: the speed of a real data set without its files."""

    name: Literal["random"] = "random"
    shape: tuple[int, int, int] = Field((3, 32, 32), description="channels, height and width")
    classes: int = Field(10, ge=2, description="as many as there are outputs")
    examples: int = Field(2000, ge=2, description="of training and test set together")
    augment: bool = Field(False, description="random crop after padding by 4, and random flip")

    def load(self) -> Data:
        import torch

        generator = torch.Generator().manual_seed(0)
        images = torch.randint(0, 256, (self.examples, *self.shape), generator=generator, dtype=torch.uint8)
        targets = torch.randint(0, self.classes, (self.examples,), generator=generator)
        return every_fifth(images, targets, self.classes)


def read(dataset: Any, name: str) -> Split:
    """Every item of a data set; raises PathsearchError where one is no pair, or of another shape."""
    import torch

    from pathsearch.objectives.blame import blamed

    if len(dataset) == 0:
        raise PathsearchError(f"the data set {name} is empty")
    with blamed(f"reading {name}, whose items must be (tensor, number), all of one shape,"):
        inputs, targets = zip(*((x, y) for x, y in (dataset[i] for i in range(len(dataset)))))
        return Split(torch.stack([torch.as_tensor(x) for x in inputs]), torch.as_tensor(targets))


def every_fifth(inputs: Tensor, targets: Tensor, outputs: int) -> Data:
    """A data set whose every fifth example is for testing."""
    import torch

    test = torch.arange(len(inputs)) % 5 == 4
    return Data(Split(inputs[~test], targets[~test]), Split(inputs[test], targets[test]), outputs)


def _decoded(samples: list[tuple[str, int]], size: int | None) -> Split:
    """Images as uint8 [n, 3, H, W]; kept decoded in the user's cache, for decoding takes longer than reading."""
    stamp = "\n".join(f"{os.path.abspath(path)} {os.stat(path).st_mtime_ns}" for path, _ in samples)
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    cache = home / "pathsearch" / f"{hashlib.sha256(f'{size}{stamp}'.encode()).hexdigest()[:32]}.npy"
    if not cache.exists():
        images = _decode_all(samples, size)
        try:
            cache.parent.mkdir(parents=True, exist_ok=True)
            partial = cache.with_suffix(f".{os.getpid()}")
            with partial.open("wb") as file:
                np.save(file, images, allow_pickle=False)
            partial.replace(cache)
        except OSError:
            pass  # a cache that cannot be written costs time, not results
    else:
        images = np.load(cache, allow_pickle=False)
    import torch

    return Split(torch.from_numpy(images), torch.tensor([target for _, target in samples]))


def _decode_all(samples: list[tuple[str, int]], size: int | None) -> np.ndarray[Any, np.dtype[np.uint8]]:
    from PIL import Image, ImageOps

    images = []
    for path, _ in samples:
        with Image.open(path) as file:
            image = file.convert("RGB")
        images.append(np.asarray(ImageOps.fit(image, (size, size)) if size else image))
        if images[-1].shape != images[0].shape:
            raise PathsearchError(f"{path} is not of the first image's size: set objective.data.size")
    return np.ascontiguousarray(np.stack(images).transpose(0, 3, 1, 2))


DataSettings = Annotated[Union[Digits, Moons, Torchvision, Folder, Custom, RandomImages], Field(discriminator="name")]
