"""A source whose batches a function makes, by the step."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch

from pathsearch.errors import PathsearchError
from pathsearch.numerics.seeds import Key, derive
from pathsearch.objectives.batches import pieces
from pathsearch.objectives.data.reading import READING, at_work
from pathsearch.objectives.nests import Batch, length, part, refuse_other
from pathsearch.objectives.seeding import seeded
from pathsearch.objectives.users_code import errors_named

PARTS = {"train": 0, "test": 1}


class Wanted(NamedTuple):
    """A request: the batch of a seed, step and size, or its first `last` examples where it can be cut."""

    seed: int
    step: int
    size: int
    last: int | None = None


@dataclass(frozen=True)
class Made:
    """Batches that `function` makes of (split, seed, step, size), `batches` of which are measured: a `Source`."""

    function: Callable[[str, int, int, int], Batch]
    called: str
    split: str
    batches: int
    size: int = 1
    anew = True
    cheap = False
    key = None

    def __len__(self) -> int:
        return self.batches * self.size

    def sized(self, size: int | None) -> "Made":
        """The same for an objective with mini-batches of this size; raises PathsearchError where it has none."""
        if size is None:
            raise PathsearchError(f"{self.called} makes mini-batches: say of how many examples by objective.batch")
        return replace(self, size=size)

    def first(self, count: int) -> Wanted:
        return Wanted(0, 0, self.size, count if count < self.size else None)

    def mini_batch(self, key: Key, size: int, most: int) -> Iterator[Wanted]:
        yield Wanted(key.seed, key.step, size)

    def whole(self, chunk: int, count: int | None) -> Iterator[Wanted]:
        left = len(self) if count is None else min(count, len(self))
        # statistics count each of them alike, so that they are cut to nearly equal size
        for step, (first, last) in enumerate(pieces(left, self.size)):
            yield Wanted(0, step, self.size, last - first if last - first < self.size else None)

    def read(self, request: Wanted) -> Batch:
        at_work(request.step)
        seed, step, size, last = request
        own = seeded(derive(READING, PARTS[self.split], seed, step), torch.device("cpu"))
        with own, errors_named(f"{self.called} for ({self.split!r}, {seed}, {step}, {size})", passing=()):
            batch = self.function(self.split, seed, step, size)
            refuse_other(batch, self.called, "return a batch")
        return batch if last is None else _cut(batch, slice(last))

    def named(self, number: int) -> str:
        return f"step {number} of {self.called}"

    def parts(self, request: Wanted, batch: Batch, most: int) -> Iterator[Batch]:
        """A batch in pieces of at most so many examples; raises PathsearchError where it cannot be cut."""
        if most >= (request.last or request.size):
            yield batch
            return
        called = f"a batch of {self.called}, which objective.micro_batch and measure.chunk would cut,"
        for first, last in pieces(length(batch, called), most):
            yield part(batch, slice(first, last))


def _cut(batch: Batch, some: slice) -> Batch:
    """Some examples, or the whole batch where its tensors have no length in common."""
    try:
        length(batch, "")
    except PathsearchError:
        return batch
    return part(batch, some)
