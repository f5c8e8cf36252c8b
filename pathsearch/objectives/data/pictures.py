"""Decodes picture files, each once: the pixels are kept in the user's cache."""

import hashlib
import os
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pathsearch.errors import PathsearchError
from pathsearch.objectives.data import cache
from pathsearch.objectives.users_code import errors_named

DECODING = 2  # to be raised whenever the same files give other pixels: then nothing older in the cache is used


def pictures(files: list[str], size: int | None) -> torch.Tensor:
    """Pictures as uint8 [n, 3, H, W], resized and centre-cropped to `size` × `size` where it is given.

    Raises PathsearchError that names the file which cannot be read, or is of another size than the first.
    """
    stamps = [os.stat(file) for file in files]
    told = [f"{os.path.abspath(f)} {stamp.st_mtime_ns} {stamp.st_size}" for f, stamp in zip(files, stamps)]
    key = hashlib.sha256("\n".join([f"{DECODING} {size}", *told]).encode(errors="surrogateescape")).hexdigest()[:32]
    pixels = cache.kept(key, len(files))
    if pixels is None:
        pixels = decoded(files, size)
        cache.keep(key, pixels)
    return torch.from_numpy(pixels)


def decoded(files: list[str], size: int | None) -> NDArray[np.uint8]:
    """As `pictures`, as NumPy arrays and without a cache."""
    pixels: NDArray[np.uint8] | None = None
    for n, file in enumerate(files):
        with errors_named(f"picture {file} of objective.data", passing=()):
            picture = _decoded(file, size)
        if pixels is None:
            pixels = np.empty((len(files), 3, *picture.shape[:2]), np.uint8)
        if picture.shape[:2] != pixels.shape[2:]:
            raise PathsearchError(f"{file} is not of the first image's size: set objective.data.size")
        pixels[n] = picture.transpose(2, 0, 1)
    assert pixels is not None
    return pixels


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
