"""Mini-batches as a function of (seed, step), and whole splits in chunks.

Examples lie whole on the device here (`Held`); those of a source are read when they are wanted (`objectives.streamed`).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Protocol

import torch
from torch import Tensor

from pathsearch.numerics.seeds import Key, derive
from pathsearch.objectives import LossSettings, Measured, nests
from pathsearch.objectives.data.sets import Data, Source, Split
from pathsearch.objectives.glimpse import Glimpse
from pathsearch.objectives.images import Scaling, cropped, finished, moments
from pathsearch.objectives.nests import Batch

ORDER, MEASURED = 1, 14  # what a seed is for
KEPT = 4  # orders that are remembered: of epochs, for several minima may be trained at once, and of what is measured


class Batches(Protocol):
    """A split as a network gets it, on its device."""

    size: int
    """examples of a mini-batch"""
    augment: bool
    scaling: Scaling | None
    """of the pictures, where they are scaled"""
    measured: int
    """examples that are measured"""

    def __len__(self) -> int:
        """How many examples there are."""

    def first(self, count: int) -> Batch:
        """The first `count` examples, un-augmented."""

    def whole(self, chunk: int, examples: int | None = None) -> Iterator[Batch]:
        """What is measured, in order, un-augmented, in pieces of nearly equal size, of at most `chunk` examples.

        examples: a fixed choice of so many of it, in place of all.
        """

    def draw(self, key: Key) -> Iterator[Batch]:
        """The mini-batch of a step, in pieces of as many examples as one pass may have."""


@dataclass(frozen=True)
class Given:
    """How a network wants its batches."""

    dtype: torch.dtype
    device: torch.device
    size: int | None = None
    """examples of a mini-batch, None for all there are"""
    micro: int | None = None
    """most examples in one pass"""
    augment: bool = False
    channels_last: bool = True
    """whether pictures may lie in memory so"""
    real: bool = False
    """whether it wants inputs as real numbers, whatever they are; else integers stay integers"""
    measured: int | None = None
    """so many examples are measured, a fixed choice"""
    classes: bool = False
    """whether the whole numbers that are targets of pairs are to be int64"""


class Held:
    """A whole split on a device; of pictures it is channels-last, so that a crop gathers whole pixels.

    standardise: whether pictures are scaled, by their own mean and deviation, or as another split's (`scaling`).
    """

    def __init__(self, split: Split, given: Given, standardise: bool = True, scaling: Scaling | None = None) -> None:
        self._given = given
        examples = nests.mapped(split.examples, lambda each: each.to(given.device))
        if given.real and not standardise:
            examples = (examples[0].to(given.dtype), examples[1])
        self.images = split.pictures
        if self.images:
            examples = (examples[0].permute(0, 2, 3, 1).contiguous(), examples[1])
        self.examples = examples
        self._count = nests.length(examples, "the data set")
        self.size = min(given.size or self._count, self._count)
        self.augment = given.augment and self.images
        self.scaling = scaling
        if self.images and standardise and scaling is None:
            self.scaling = moments(examples[0].split(1000), given.dtype)
        self.measured = fewer(given.measured, self._count)

    def __len__(self) -> int:
        return self._count

    def first(self, count: int) -> Batch:
        return self._finished(nests.part(self.examples, slice(count)))

    def whole(self, chunk: int, examples: int | None = None) -> Iterator[Batch]:
        count = fewer(examples, self.measured)
        some = chosen(self._count, count)
        for first, last in pieces(count, chunk):
            which = slice(first, last) if some is None else some[first:last].to(self._given.device)
            yield self._finished(nests.part(self.examples, which))

    def draw(self, key: Key) -> Iterator[Batch]:
        size = min(key.batch or self.size, len(self))
        most = min(self._given.micro or size, size)
        everything = size == len(self) and not self.augment
        indices = None if everything else mini_batch(len(self), key, size).to(self._given.device)
        for first, last in pieces(size, most):
            if indices is None:
                yield self._finished(nests.part(self.examples, slice(first, last)))
            elif self.augment:
                some = indices[first:last]
                pixels = cropped(self.examples[0], some, key, first, size)
                yield self._finished((pixels, self.examples[1][some]))
            else:
                yield self._finished(nests.part(self.examples, indices[first:last]))

    def _finished(self, batch: Batch) -> Batch:
        """A batch as the network gets it."""
        given = self._given
        if self.images:
            pixels, targets = batch
            return finished(pixels, self.scaling, given.dtype, given.channels_last), targets
        return nests.moved(batch, given.device, given.dtype)


def wanted(
    options: LossSettings, device: torch.device, augment: bool, built_in: bool, measured: Measured | None
) -> Given:
    """How a network wants its batches by its options; built_in: whether it is one of this program's own."""
    return Given(
        getattr(torch, options.dtype),
        device,
        options.batch,
        options.micro_batch,
        augment,
        channels_last=built_in,
        real=built_in,
        measured=measured.examples if measured else None,
    )


def both(data: Data, given: Given, remark: Callable[[str], None]) -> tuple[Batches, Batches]:
    """Training and test set as a network gets them; remark: is given lines for the user."""
    given = replace(given, classes=data.classes)
    train = batches(data.train, given, data.standardise, data.scaling, data.workers, remark)
    whole = replace(given, augment=False)
    return train, batches(data.test, whole, data.standardise, train.scaling, data.workers, remark)


def batches(
    data: Split | Source | Glimpse,
    given: Given,
    standardise: bool,
    scaling: Scaling | None,
    workers: int,
    remark: Callable[[str], None],
) -> Batches:
    """A split as a network gets it; scaling: another split's, if there is one. remark: is given lines for the user."""
    if isinstance(data, Glimpse):
        return data
    if isinstance(data, Split):
        return Held(data, given, standardise, scaling)
    from pathsearch.objectives.streamed import Streamed  # which has this module's indices

    return Streamed(data, given, standardise, scaling, workers, remark)


def pieces(count: int, most: int) -> Iterator[tuple[int, int]]:
    """First and last of `count` examples in pieces of nearly equal size, of at most `most`."""
    several = -(-count // most)
    size, more = divmod(count, several)
    first = 0
    for n in range(several):
        last = first + size + (n < more)
        yield first, last
        first = last


def mini_batch(count: int, key: Key, size: int) -> Tensor:
    """Which of `count` examples a step has: a slice of its epoch's permutation; what fills no batch is left out."""
    epoch, within = divmod(key.step, count // size)
    return _shuffled(count, key.seed, epoch)[within * size : (within + 1) * size]


@lru_cache(maxsize=KEPT)
def _shuffled(count: int, seed: int, epoch: int) -> Tensor:
    generator = torch.Generator().manual_seed(derive(ORDER, seed, epoch))
    return torch.randperm(count, generator=generator)


def fewer(wanted: int | None, there: int) -> int:
    """How many of the examples that are there are taken where so many are wanted; None for all."""
    return there if wanted is None else min(wanted, there)


@lru_cache(maxsize=KEPT)
def chosen(count: int, wanted: int | None) -> Tensor | None:
    """Which of `count` examples are measured where only `wanted` are, in their order; None for all.

    Where fewer are wanted they are among those of more.
    """
    if wanted is None or wanted >= count:
        return None
    generator = torch.Generator().manual_seed(derive(MEASURED))
    return torch.randperm(count, generator=generator)[:wanted].sort().values
