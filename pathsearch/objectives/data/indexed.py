"""A source of numbered examples: which ones a step has follows from its key, as for examples held in memory."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from pathsearch.numerics.seeds import Key
from pathsearch.objectives.batches import chosen, mini_batch, pieces
from pathsearch.objectives.nests import Batch

Draw = tuple[int, int]
"""Seed and step of a mini-batch whose examples are drawn anew."""


class Examples(NamedTuple):
    """A request: the examples `first` to `last` of a mini-batch, of a fixed choice, or as they lie."""

    first: int
    last: int
    mini_batch: tuple[Key, int] | None = None
    """the key and size of it; the step only where it matters, so that requests for the same examples are equal"""
    measured: int | None = None
    """how many examples are chosen"""
    draw: Draw | None = None


class Fetch(Protocol):
    """Reads some examples by their numbers; draw: for which mini-batch, where they are drawn anew."""

    def __call__(self, numbers: Sequence[int], draw: Draw | None = None, /) -> Batch: ...

    def named(self, number: int) -> str:
        """What that one is called in errors."""


@dataclass(frozen=True)
class Indexed:
    """`count` examples, of which `fetch` reads some by their numbers: a `Source`.

    shuffled: whether a mini-batch of all examples has them in another order, as where they are augmented. anew:
    whether `fetch` is told the seed and step of a mini-batch, and its examples differ by them.
    """

    count: int
    fetch: Fetch
    shuffled: bool = False
    anew: bool = False
    cheap: bool = False
    """whether it is quick to read, so that no other process has to read ahead"""
    key: str | None = None
    """stands for the contents, where what is worked out of them may be kept on disk"""

    def __len__(self) -> int:
        return self.count

    def sized(self, size: int | None) -> "Indexed":
        return self

    def first(self, count: int) -> Examples:
        return Examples(0, min(count, self.count))

    def mini_batch(self, key: Key, size: int, most: int) -> Iterator[Examples]:
        size = min(size, self.count)
        whole = size == self.count and not self.shuffled
        for first, last in pieces(size, most):
            draw = (key.seed, key.step) if self.anew else None
            yield Examples(first, last, None if whole else (Key(key.seed, key.step), size), draw=draw)

    def whole(self, chunk: int, count: int | None) -> Iterator[Examples]:
        some = count if count is not None and count < self.count else None
        for first, last in pieces(some or self.count, chunk):
            yield Examples(first, last, measured=some)

    def read(self, request: Examples) -> Batch:
        within = slice(request.first, request.last)
        if request.mini_batch is not None:
            key, size = request.mini_batch
            return self.fetch(mini_batch(self.count, key, size)[within].tolist(), request.draw)
        some = chosen(self.count, request.measured)
        numbers = range(self.count)[within] if some is None else some[within].tolist()
        return self.fetch(numbers, request.draw)

    def named(self, number: int) -> str:
        return self.fetch.named(number)

    def parts(self, request: Examples, batch: Batch, most: int) -> Iterator[Batch]:
        yield batch
