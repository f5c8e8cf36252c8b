"""Decodes picture files: all of them once, kept in the user's cache, or some whenever they are wanted."""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pathsearch.errors import PathsearchError
from pathsearch.objectives.data import cache
from pathsearch.objectives.data.indexed import Draw
from pathsearch.objectives.data.reading import at_work
from pathsearch.objectives.users_code import errors_named

DECODING = 2  # to be raised whenever the same files give other pixels: then nothing older in the cache is used


@dataclass(frozen=True)
class Pictures:
    """Picture files with their classes, resized and centre-cropped to `size` × `size` where it is given."""

    files: list[str]
    classes: list[int]
    size: int | None

    def __len__(self) -> int:
        return len(self.files)

    @cached_property
    def shape(self) -> tuple[int, int]:
        """Height and width of the first one, and so of all."""
        height, width, _ = self._decoded(0).shape
        return height, width

    def bytes(self) -> int:
        """What all of them take, decoded."""
        height, width = self.shape
        return len(self) * height * width * 3

    def key(self) -> str:
        """Stands for the pixels: the files' names, sizes and times of change, and how they are decoded."""
        stamps = [os.stat(file) for file in self.files]
        told = [f"{os.path.abspath(f)} {stamp.st_mtime_ns} {stamp.st_size}" for f, stamp in zip(self.files, stamps)]
        said = "\n".join([f"{DECODING} {self.size}", *told])
        return hashlib.sha256(said.encode(errors="surrogateescape")).hexdigest()[:32]

    def __call__(self, numbers: Sequence[int], draw: Draw | None = None) -> tuple[torch.Tensor, torch.Tensor]:
        """Some of them, uint8 [n, 3, H, W], and their classes [n]."""
        return torch.from_numpy(self.decoded(numbers)), torch.tensor([self.classes[number] for number in numbers])

    def named(self, number: int) -> str:
        return f"picture {self.files[number]} of objective.data"

    def held(self) -> tuple[torch.Tensor, torch.Tensor]:
        """All of them, from the cache where they are there."""
        key = self.key()
        pixels = cache.kept(key, len(self))
        if pixels is None:
            pixels = self.decoded(range(len(self)))
            cache.keep(key, pixels)
        return torch.from_numpy(pixels), torch.tensor(self.classes)

    def decoded(self, numbers: Sequence[int]) -> NDArray[np.uint8]:
        """Some of them [n, 3, H, W], without a cache.

        Raises PathsearchError that names the file which cannot be read, or is of another size than the first one.
        """
        pixels = np.empty((len(numbers), 3, *self.shape), np.uint8)
        for place, number in enumerate(numbers):
            at_work(number)
            picture = self._decoded(number)
            if picture.shape[:2] != self.shape:
                file = self.files[number]
                raise PathsearchError(f"{file} is not of the first image's size: set objective.data.size")
            pixels[place] = picture.transpose(2, 0, 1)
        return pixels

    def _decoded(self, number: int) -> NDArray[np.uint8]:
        with errors_named(self.named(number), passing=()):
            return _decoded(self.files[number], self.size)


def _decoded(file: str, size: int | None) -> NDArray[np.uint8]:
    from PIL import Image, ImageOps

    with Image.open(file) as opened:
        image = opened if opened.mode not in ("I", "F") and not opened.mode.startswith("I;") else _of_8_bits(opened)
        image = image.convert("RGB")
    return np.asarray(ImageOps.fit(image, (size, size)) if size else image)


def _of_8_bits(image: Any) -> Any:
    """A grey picture of 16 bits rounded to 8: PIL would turn all above 255 into white.

    Raises PathsearchError where nothing says which pixel value is white.
    """
    from PIL import Image

    # PIL reads 16 bits of a PGM file as mode I; older versions do so for PNG, too
    if not image.mode.startswith("I;16") and image.format not in ("PNG", "PPM"):
        kind = "real numbers" if image.mode == "F" else "signed or 32-bit integers"
        raise PathsearchError(
            f"the pixels of {image.filename} are {kind}, for which no value means white: "
            "save it with 8 or 16 bits a channel, or read it by a data set of your own (objective.data.name=dataset)"
        )
    return Image.fromarray(((np.asarray(image).astype(np.int64) + 128) // 257).astype(np.uint8))
