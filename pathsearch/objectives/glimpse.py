"""What a coordinator knows of data that it does not read: a few examples of each set, and how many there are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pathsearch.numerics.seeds import Key
from pathsearch.objectives.nests import Batch

if TYPE_CHECKING:
    from pathsearch.objectives.batches import Batches
    from pathsearch.objectives.images import Scaling


@dataclass
class Glimpse:
    """A split that lies elsewhere, as `Batches` of which only the first examples are here; small and picklable."""

    firsts: Mapping[int, Batch]
    """the first ones by how many are asked for, on the CPU, as the network gets them"""
    count: int
    """of all of them"""
    size: int
    augment: bool
    measured: int
    scaling: Scaling | None = None  # what is here is scaled already

    def __len__(self) -> int:
        return self.count

    def first(self, count: int) -> Batch:
        return self.firsts[count]

    def whole(self, chunk: int, examples: int | None = None) -> Iterator[Batch]:
        raise NotImplementedError("the data lie elsewhere")

    def draw(self, key: Key) -> Iterator[Batch]:
        raise NotImplementedError("the data lie elsewhere")


def glimpse(split: Batches, counts: tuple[int, ...]) -> Glimpse:
    """A split that lies on the CPU, for another process; counts: of first examples."""
    firsts = {count: split.first(count) for count in counts}
    return Glimpse(firsts, len(split), split.size, split.augment, split.measured)
