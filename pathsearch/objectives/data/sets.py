"""What a data set is once it is open."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor

from pathsearch.numerics.seeds import Key
from pathsearch.objectives.nests import Batch

if TYPE_CHECKING:
    from pathsearch.objectives.glimpse import Glimpse
    from pathsearch.objectives.images import Scaling


@dataclass(frozen=True)
class Split:
    """Examples that are held in memory: a batch of all of them, tensors [n, …].

    Of the built-in data sets it is a pair (inputs [n, …], targets [n]), classes (int64) or values (float).
    """

    examples: Batch

    @property
    def pair(self) -> bool:
        """Whether it is a pair of one tensor of inputs and one of targets."""
        given = self.examples
        return isinstance(given, tuple) and len(given) == 2 and all(isinstance(each, Tensor) for each in given)

    @property
    def pictures(self) -> bool:
        """Whether it is a pair whose inputs are pictures [n, C, H, W]."""
        return self.pair and self.inputs.ndim == 4

    @property
    def inputs(self) -> Tensor:
        inputs: Tensor = self.examples[0]
        return inputs

    @property
    def targets(self) -> Tensor:
        targets: Tensor = self.examples[1]
        return targets


class Source(Protocol):
    """Examples that are read when they are wanted; it lies on the CPU, and in processes that read ahead.

    A request is small and picklable, and says by itself which examples it is for: whoever reads it, and whenever, it
    gives the same batch. Requests for the same batch are equal.
    """

    @property
    def anew(self) -> bool:
        """Whether mini-batches hold other numbers than what is measured."""

    @property
    def cheap(self) -> bool:
        """Whether reading is so quick that no process has to read ahead."""

    @property
    def key(self) -> str | None:
        """Stands for the contents, where what is worked out of them may be kept on disk."""

    def __len__(self) -> int:
        """How many examples there are, as far as they are counted."""

    def sized(self, size: int | None) -> Source:
        """The same for an objective with mini-batches of this size, None for all examples."""

    def first(self, count: int) -> Any:
        """The request for the first so many examples."""

    def mini_batch(self, key: Key, size: int, most: int) -> Iterator[Any]:
        """Requests for a mini-batch of `size` examples, in pieces of at most `most`, or whole."""

    def whole(self, chunk: int, count: int | None) -> Iterator[Any]:
        """Requests for all examples in their order, about `chunk` at once; `count`: a fixed choice of so many."""

    def read(self, request: Any) -> Batch:
        """What was requested, on the CPU; raises PathsearchError that names the item at fault."""

    def named(self, number: int) -> str:
        """What a number stands for that `reading.at_work` was told of, in words."""

    def parts(self, request: Any, batch: Batch, most: int) -> Iterator[Batch]:
        """A batch that was read, in pieces of at most `most` examples where it is not one of these already."""


@dataclass(frozen=True)
class Data:
    """A data set. `outputs` is the number of classes, of token ids, 1 for real-valued targets, or 0 for unknown.

    `standardise`: whether images are scaled by the training set's mean and deviation. A user's own data set has scaled
    them already; the network gets its integers as integers.
    `workers`: processes that read a source ahead. `remarks`: lines for the user.
    """

    train: Split | Source | Glimpse
    test: Split | Source | Glimpse
    outputs: int
    standardise: bool = True
    workers: int = 0
    remarks: tuple[str, ...] = ()
    called: str = ""
    """the user's function that makes its batches, for errors"""
    classes: bool = False
    """whether the whole numbers that are targets of a source's pairs are to be int64"""
    scaling: Scaling | None = None
    """of pictures, where it is not to be worked out"""


def every_fifth(inputs: Tensor, targets: Tensor, outputs: int) -> Data:
    """A data set whose every fifth example is for testing."""
    test = torch.arange(len(inputs)) % 5 == 4
    return Data(Split((inputs[~test], targets[~test])), Split((inputs[test], targets[test])), outputs)
