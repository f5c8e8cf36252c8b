"""Mini-batches as a function of (seed, step): drawn, scaled and augmented on the device, all examples at once."""

from collections.abc import Iterator
from functools import lru_cache

import torch
from torch import Tensor

from pathsearch.numerics.seeds import Key, derive
from pathsearch.objectives.data import Split

ORDER, CROP = 1, 2  # what a seed is for
PAD = 4  # pixels on every side before a random crop (He et al. 2016, section 4.2)


class Batches:
    """A whole split on a device; images are kept channels-last, so that a crop gathers whole pixels.

    channels_last: whether a network gets images as they are kept; else they are contiguous, as any network may expect.
    """

    def __init__(
        self,
        split: Split,
        size: int | None,
        augment: bool,
        dtype: torch.dtype,
        device: torch.device,
        standardise: bool = True,
        channels_last: bool = True,
    ) -> None:
        inputs = split.inputs.to(device)
        self.images = inputs.ndim == 4
        self.inputs = inputs.permute(0, 2, 3, 1).contiguous() if self.images else inputs
        self.targets = split.targets.to(device)
        self.size = min(size or len(inputs), len(inputs))
        self.augment, self.dtype, self.device = augment and self.images, dtype, device
        self.channels_last = channels_last
        self._order = lru_cache(maxsize=4)(
            self._shuffled
        )  # several endpoints, each with its own order, may be trained at once
        self.mean: Tensor | None = None
        self.std: Tensor | None = None
        if self.images and standardise:
            self.mean, self.std = _moments(self.inputs, dtype)

    def __len__(self) -> int:
        return len(self.inputs)

    def first(self, count: int) -> tuple[Tensor, Tensor]:
        """The first `count` examples, un-augmented."""
        return self._finished(self.inputs[:count]), self.targets[:count]

    def whole(self, chunk: int) -> Iterator[tuple[Tensor, Tensor]]:
        """All examples in order, in chunks of nearly equal size, un-augmented."""
        pieces = -(-len(self) // chunk)
        for inputs, targets in zip(self.inputs.tensor_split(pieces), self.targets.tensor_split(pieces)):
            yield self._finished(inputs), targets

    def draw(self, key: Key) -> tuple[Tensor, Tensor]:
        """The mini-batch of a step: a slice of its epoch's permutation, whose incomplete last batch is left out."""
        seed, step = key.seed, key.step
        size = min(key.batch or self.size, len(self))
        if size == len(self) and not self.augment:
            return self._finished(self.inputs), self.targets
        epoch, within = divmod(step, len(self) // size)
        indices = self._order(seed, epoch)[within * size : (within + 1) * size]
        inputs = self._cropped(indices, key) if self.augment else self.inputs[indices]
        return self._finished(inputs), self.targets[indices]

    def _shuffled(self, seed: int, epoch: int) -> Tensor:
        generator = torch.Generator().manual_seed(derive(ORDER, seed, epoch))
        return torch.randperm(len(self), generator=generator).to(self.device)

    def _cropped(self, indices: Tensor, key: Key) -> Tensor:
        height, width = self.inputs.shape[1:3]
        generator = torch.Generator().manual_seed(derive(CROP, key.seed, key.step))
        draws = torch.randint(0, 2 * PAD + 1, (2, len(indices), 1), generator=generator)
        flips = torch.randint(0, 2, (len(indices), 1), generator=generator, dtype=torch.bool)
        rows = (draws[0] + torch.arange(height) - PAD).to(self.device)
        columns = torch.arange(width).expand(len(indices), width)
        columns = (draws[1] + torch.where(flips, width - 1 - columns, columns) - PAD).to(self.device)
        inside = ((rows >= 0) & (rows < height))[:, :, None] & ((columns >= 0) & (columns < width))[:, None, :]
        rows, columns = rows.clamp(0, height - 1), columns.clamp(0, width - 1)
        pixels = self.inputs[indices[:, None, None], rows[:, :, None], columns[:, None, :]]
        return pixels * inside[..., None]

    def _finished(self, inputs: Tensor) -> Tensor:
        """Inputs as the network gets them, copied because it may write to them."""
        if self.mean is not None and self.std is not None:
            scaled = (inputs.to(self.dtype) - self.mean) / self.std
        else:
            scaled = inputs.to(self.dtype if inputs.is_floating_point() else inputs.dtype, copy=True)
        if not self.images:
            return scaled
        images = scaled.permute(0, 3, 1, 2)
        return images if self.channels_last else images.contiguous()

    def normalised_like(self, other: "Batches") -> "Batches":
        """The same data, scaled by another split's mean and deviation."""
        self.mean, self.std = other.mean, other.std
        return self


def _moments(inputs: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each channel of images (uint8 or float)."""
    total, square = 0.0, 0.0
    for chunk in inputs.split(1000):
        wide = chunk.double()
        total, square = total + wide.sum(dim=(0, 1, 2)), square + wide.square().sum(dim=(0, 1, 2))
    count = inputs.numel() // inputs.shape[-1]
    mean = torch.as_tensor(total) / count
    deviation = (torch.as_tensor(square) / count - mean**2).clamp_min(0).sqrt()
    return mean.to(dtype), torch.where(deviation > 0, deviation, 1.0).to(dtype)
