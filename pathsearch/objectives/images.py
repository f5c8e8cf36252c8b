"""Pictures of a batch, height × width × channels: scaled, cropped and flipped at random, where they are."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from pathsearch.numerics.seeds import Key, derive

CROP = 2  # what a seed is for
PAD = 4  # pixels on every side before a random crop (He et al. 2016, section 4.2)


@dataclass(frozen=True)
class Scaling:
    """Mean and standard deviation of each channel."""

    mean: Tensor
    std: Tensor

    def of(self, pixels: Tensor) -> Tensor:
        return (pixels.to(self.mean.dtype) - self.mean) / self.std


def moments(chunks: Iterable[Tensor], dtype: torch.dtype) -> Scaling:
    """The scaling that gives pictures [n, H, W, C] (uint8 or float) a mean of 0 and a deviation of 1."""
    total, square, count = torch.zeros(()), torch.zeros(()), 0
    for chunk in chunks:
        wide = chunk.double()
        total, square = total + wide.sum(dim=(0, 1, 2)), square + wide.square().sum(dim=(0, 1, 2))
        count += chunk.numel() // chunk.shape[-1]
    mean = total / count
    deviation = (square / count - mean**2).clamp_min(0).sqrt()
    return Scaling(mean.to(dtype), torch.where(deviation > 0, deviation, 1.0).to(dtype))


def cropped(pictures: Tensor, indices: Tensor, key: Key, first: int, size: int) -> Tensor:
    """Those of the pictures [n, H, W, C], each padded by PAD, cropped to its old size, and flipped or not.

    indices [b]: which ones. They are examples `first`, `first` + 1, … of the `size` examples of the key's mini-batch.
    """
    height, width = pictures.shape[1:3]
    some = slice(first, first + len(indices))
    generator = torch.Generator().manual_seed(derive(CROP, key.seed, key.step))
    draws = torch.randint(0, 2 * PAD + 1, (2, size, 1), generator=generator)[:, some]
    flips = torch.randint(0, 2, (size, 1), generator=generator, dtype=torch.bool)[some]
    rows = (draws[0] + torch.arange(height) - PAD).to(pictures.device)
    columns = torch.arange(width).expand(len(indices), width)
    columns = (draws[1] + torch.where(flips, width - 1 - columns, columns) - PAD).to(pictures.device)
    inside = ((rows >= 0) & (rows < height))[:, :, None] & ((columns >= 0) & (columns < width))[:, None, :]
    rows, columns = rows.clamp(0, height - 1), columns.clamp(0, width - 1)
    pixels = pictures[indices[:, None, None], rows[:, :, None], columns[:, None, :]]
    return pixels * inside[..., None]


def finished(pixels: Tensor, scaling: Scaling | None, dtype: torch.dtype, channels_last: bool) -> Tensor:
    """Pictures [b, H, W, C] as a network gets them, [b, C, H, W]: scaled, or cast where they are real numbers.

    channels_last: whether they may lie in memory as they are kept; else they are contiguous, as any network may expect.
    """
    scaled = scaling.of(pixels) if scaling else pixels.to(dtype if pixels.is_floating_point() else pixels.dtype)
    images = scaled.permute(0, 3, 1, 2)
    return images if channels_last else images.contiguous()
