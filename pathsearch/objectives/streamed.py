"""Mini-batches of a source, read when they are wanted or some steps ahead: the same bits as of examples held whole."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice, repeat
from itertools import count as counted
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pathsearch.numerics.seeds import Key
from pathsearch.objectives import nests
from pathsearch.objectives.batches import Given, fewer
from pathsearch.objectives.data import cache
from pathsearch.objectives.data.ahead import Ahead
from pathsearch.objectives.data.sets import Source, Split
from pathsearch.objectives.images import Scaling, cropped, finished, moments
from pathsearch.objectives.nests import Batch

KEPT = 256 << 20  # bytes of a mini-batch that is kept for the other images of its step
MOMENTS = 500  # pictures at once of those whose mean and deviation are worked out


class Streamed:
    """A source's examples as a network gets them, on its device; the `Batches` of what is not held in memory.

    standardise: whether pictures are scaled, by their own mean and deviation, or as another split's (`scaling`).
    workers: processes that read ahead. remark: is given lines for the user.
    """

    def __init__(
        self,
        source: Source,
        given: Given,
        standardise: bool = True,
        scaling: Scaling | None = None,
        workers: int = 0,
        remark: Callable[[str], None] = lambda line: None,
    ) -> None:
        self.source, self._given = source.sized(given.size), given
        self.ahead = Ahead(self.source, workers, given.device.type == "cuda", remark)
        self._count = len(self.source)
        self.size = min(given.size or self._count, self._count)
        self.measured = fewer(given.measured, self._count)
        self.images = Split(self.source.read(self.source.first(1))).pictures
        self._crops = given.augment and self.images
        self.augment = self._crops or self.source.anew
        self._standardise = standardise
        self.scaling = scaling
        if self.images and standardise and scaling is None:
            self.scaling = self._moments()
        self._kept: tuple[Key, list[Batch]] | None = None
        self._read: Key | None = None
        self._times, self._usual = 0, 1
        """how often the mini-batch of that key was read, and that of the step before: once an image if not kept"""

    def __len__(self) -> int:
        return self._count

    def first(self, count: int) -> Batch:
        return self._finished(self.source.read(self.source.first(count)))

    def whole(self, chunk: int, examples: int | None = None) -> Iterator[Batch]:
        for batch in self._read_whole(chunk, fewer(examples, self.measured)):
            yield self._finished(batch)

    def draw(self, key: Key) -> Iterator[Batch]:
        size = self._size(key)
        first = 0
        for batch in self._drawn(key, size):
            if self._crops:
                yield self._finished(batch, key, first, size)
                first += len(batch[0])
            else:
                yield self._finished(batch)

    def _size(self, key: Key) -> int:
        return key.batch or self.size if self.source.anew else min(key.batch or self.size, self._count)

    def _most(self, size: int) -> int:
        return min(self._given.micro or size, size)

    def _drawn(self, key: Key, size: int) -> Iterable[Batch]:
        """The pieces of a mini-batch as they are read; they are kept where they are small."""
        if self._kept is None or self._kept[0] != key:
            self._kept = None
            pieces = self._read_mini_batch(key, size)
            if size == self._count and self._most(size) < size:  # all there is may be more than memory has room for
                return pieces
            batches = list(pieces)
            if sum(each.nbytes for batch in batches for each in nests.leaves(batch)) > KEPT:
                return batches
            self._kept = key, batches
        return self._kept[1]

    def _read_mini_batch(self, key: Key, size: int) -> Iterator[Batch]:
        most = self._most(size)
        if self._read == key:
            self._times += 1
        else:
            self._usual, self._read, self._times = max(self._times, 1), key, 1
        again = max(self._usual - self._times, 0), self._usual
        requests = list(self.source.mini_batch(key, size, most))
        for n, request in enumerate(requests):
            rest = islice(requests, n + 1, None)
            batch = self.ahead.read(request, chain(rest, _later(self.source, key, size, most, *again)))
            yield from self.source.parts(request, batch, most)

    def _read_whole(self, chunk: int, count: int | None) -> Iterator[Batch]:
        requests = list(self.source.whole(chunk, count))
        for n, request in enumerate(requests):
            batch = self.ahead.read(request, islice(requests, n + 1, None))
            yield from self.source.parts(request, batch, chunk)

    def _finished(self, batch: Batch, key: Key | None = None, first: int = 0, size: int = 0) -> Batch:
        """A batch as the network gets it, a copy; key, first, size: of a mini-batch whose pictures are cropped."""
        given = self._given
        if given.classes and not batch[1].is_floating_point():
            batch = batch[0], batch[1].long()
        if given.real and not self._standardise:
            batch = (batch[0].to(given.dtype), *batch[1:])
        if not self.images:
            own = nests.copied(batch) if given.device.type == "cpu" else batch  # elsewhere it is moved, and pinned here
            return nests.moved(own, given.device, given.dtype)
        pixels, targets = nests.mapped(batch, lambda each: each.to(given.device, non_blocking=True))
        pixels = _channels_last(pixels)
        if key is not None:
            pixels = cropped(pixels, torch.arange(len(pixels), device=given.device), key, first, size)
        return finished(pixels, self.scaling, given.dtype, given.channels_last), targets

    def _moments(self) -> Scaling:
        """The pictures' mean and deviation, worked out in one pass and kept in the user's cache."""
        dtype = self._given.dtype
        name = f"moments-{self.source.key}-{str(dtype).removeprefix('torch.')}"
        channels = self.source.read(self.source.first(1))[0].shape[1]
        known = cache.numbers(name, (2, channels)) if self.source.key else None
        if known is None:
            found = moments((_channels_last(batch[0]) for batch in self._read_whole(MOMENTS, None)), dtype)
            known = torch.stack([found.mean, found.std]).double().numpy()
            if self.source.key:
                cache.keep(name, np.ascontiguousarray(known))
        mean, std = (torch.from_numpy(each).to(self._given.device, dtype) for each in known)
        return Scaling(mean, std)


def _later(source: Source, key: Key, size: int, most: int, again: int, usual: int) -> Iterator[Any]:
    """Requests for a key's mini-batch `again` times, then for those of the steps after it, each `usual` times.

    It refers to no `Streamed`, with which what reads ahead is to end.
    """
    times = chain([again], repeat(usual))
    for step, several in zip(counted(key.step), times):
        for _ in range(several):
            yield from source.mini_batch(key._replace(step=step), size, most)


def _channels_last(pixels: Tensor) -> Tensor:
    return pixels.permute(0, 2, 3, 1).contiguous()
