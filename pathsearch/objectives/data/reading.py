"""Reads data sets item by item: each item under a seed of its own, whoever reads it and in whatever order."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import IterableDataset

from pathsearch.errors import PathsearchError
from pathsearch.numerics.native import native
from pathsearch.numerics.seeds import derive
from pathsearch.objectives.data.indexed import Draw, Indexed
from pathsearch.objectives.data.sets import Source, Split
from pathsearch.objectives.nests import Batch, mapped, named, refuse_other
from pathsearch.objectives.seeding import begin, seeded
from pathsearch.objectives.users_code import errors_named

READING = 13  # what a seed is for
FIRST = (0, -1)  # seed and step of what is drawn for no mini-batch
CPU = torch.device("cpu")


@dataclass
class Items:
    """Some items of a map-style data set; `what` in errors.

    part: which set it is, for the items' seeds. numbers: those of the items; None for all. collate: makes a batch of a
    list of items; `collated`: its name. make: makes the data set anew in another process, which has files of its own.
    kept: whether the data set gives the same objects each time: a `collate`, which may write to them, gets copies.
    """

    dataset: Any
    what: str
    part: int = 0
    numbers: Sequence[int] | None = None
    collate: Callable[[list[Any]], Batch] | None = None
    collated: str = "collate"
    make: Callable[[], Any] | None = None
    kept: bool = False
    _opened: int = field(default_factory=os.getpid)

    def __post_init__(self) -> None:
        dataset = self.dataset
        listed = hasattr(dataset, "__getitem__") and hasattr(dataset, "__len__")
        if isinstance(dataset, IterableDataset) or not listed:
            raise PathsearchError(
                f"{self.what} gives a {type(dataset).__name__}, and must give a Dataset with __len__ and __getitem__"
            )
        if self.numbers is None:
            with errors_named(f"len of {self.what}", passing=()):
                self.numbers = range(len(dataset))
        if not self.numbers:
            raise PathsearchError(f"the data set of {self.what} is empty")

    def __len__(self) -> int:
        return len(self.numbers or ())

    def __call__(self, places: Sequence[int], draw: Draw | None = None) -> Batch:
        """A batch of the items at these places; draw: seed and step of the mini-batch they are drawn anew for."""
        numbers = [(self.numbers or ())[place] for place in places]
        with seeded(0, CPU):
            if self.collate is None:
                return stacked(((self.named(n), self._converted(n, draw)) for n in numbers), len(numbers))
            items = [self.item(n, draw) for n in numbers]
            seed, step = draw or FIRST
            begin(derive(READING, self.part, numbers[0] + 1, seed, step + 1, 1))
            some = ", ".join(map(str, numbers[:3])) + (", …" if len(numbers) > 3 else "")
            with errors_named(f"{self.collated}, given the items {some} of {self.what},", passing=()):
                batch = self.collate(items)
                refuse_other(batch, self.collated, "make a batch of a list of items")
            return batch

    def item(self, number: int, draw: Draw | None = None) -> Any:
        """An item as the data set gives it; called while the generators are `seeded`."""
        at_work(number)
        if self.make is not None and self._opened != os.getpid():
            # a file that was opened before the fork has one place in it for both processes
            self.dataset, self._opened = self.make(), os.getpid()
        seed, step = draw or FIRST
        begin(derive(READING, self.part, number + 1, seed, step + 1))  # zeros at the end make no other seed
        with errors_named(self.named(number), passing=()):
            return _own(self.dataset[number]) if self.kept else self.dataset[number]

    def named(self, number: int) -> str:
        return f"item {number} of {self.what}"

    @cached_property
    def bytes(self) -> int:
        """About what all items take, by the first one; 0 where it holds nothing that can be counted."""
        with seeded(0, CPU):
            item = self.item((self.numbers or ())[0])
            if self.collate is None:
                item = converted(item, self.named((self.numbers or ())[0]))
        return len(self) * size_of(item)

    def in_memory(self, room: float) -> Items | None:
        """The same items, each read once and kept; None where they take more bytes than `room`."""
        kept: dict[int, Any] = {}
        taken = 0
        with seeded(0, CPU):
            for number in self.numbers or ():
                kept[number] = _own(self.item(number))
                taken += size_of(kept[number])
                if taken > room:
                    return None
        return replace(self, dataset=kept, make=None, kept=True)

    def _converted(self, number: int, draw: Draw | None) -> Batch:
        called = self.named(number)
        item = self.item(number, draw)
        with errors_named(called, passing=()):
            return converted(item, called)


def held_or_read(items: Items, room: float, shuffled: bool = False, redraw: bool = False) -> Split | Indexed:
    """Items in memory where they take at most `room` bytes there, else a source of them.

    What a `collate` makes of items depends on which ones it is given, so that these are kept and not batches. redraw:
    whether every mini-batch reads its items anew.
    """
    source = Indexed(len(items), items, shuffled, redraw)
    if redraw:
        return source
    if items.collate is not None:
        kept = items.in_memory(room) if 0 < items.bytes <= room else None
        return source if kept is None else replace(source, fetch=kept, cheap=True)
    return Split(items(range(len(items)))) if items.bytes <= room else source


def outputs_of(train: Split | Source, test: Split | Source, dataset: Any = None) -> int:
    """How many outputs a network needs for a user's own data: the highest class + 1, or 1 for other targets.

    Of a source no class is known, but those that its data set has as `classes`, as torchvision's do: 0 without them.
    """
    named = getattr(dataset, "classes", None)
    known = [len(named)] if isinstance(named, (tuple, list)) else []
    if not known and not (isinstance(train, Split) and isinstance(test, Split)):
        return 0
    for split in (train, test):
        if isinstance(split, Split) and split.pair and split.targets.numel() and split.targets.ndim == 1:
            known += [] if split.targets.is_floating_point() else [int(split.targets.max()) + 1]
    return max(known, default=1)


_watch: Callable[[int], None] | None = None


def watched(by: Callable[[int], None]) -> None:
    """Let this process tell which item it is about to read: should it die, that one may be the cause."""
    global _watch
    _watch = by


def at_work(number: int) -> None:
    """To be called before an item is read."""
    if _watch is not None:
        _watch(number)


def converted(item: Any, called: str) -> Batch:
    """An item as a nest of tensors; a pair of which the second is one number is (input, target []).

    Raises PathsearchError that names what is no tensor, array or number.
    """
    if isinstance(item, (tuple, list)) and len(item) == 2 and not hasattr(item, "_fields"):
        pair = _converted(item[0], f"the input of {called}"), _converted(item[1], f"the target of {called}")
        single = isinstance(pair[1], Tensor) and pair[1].numel() == 1
        return (pair[0], pair[1].reshape(())) if single else pair
    if isinstance(item, (tuple, list)) and not hasattr(item, "_fields"):
        return tuple(_converted(each, f"[{n}] of {called}") for n, each in enumerate(item))
    return _converted(item, called)


def _converted(value: Any, what: str) -> Batch:
    if isinstance(value, Mapping):
        return {name: _converted(each, f"[{name!r}] of {what}") for name, each in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(_converted(each, f".{name} of {what}") for name, each in zip(value._fields, value)))
    if isinstance(value, (tuple, list)) and not _numbers(value):
        return type(value)(_converted(each, f"[{n}] of {what}") for n, each in enumerate(value))
    if is_dataclass(value) and not isinstance(value, type):
        names = [each.name for each in fields(value) if each.init]
        return replace(value, **{name: _converted(getattr(value, name), f".{name} of {what}") for name in names})
    return _tensor(value, what)


def _numbers(values: Any) -> bool:
    """Whether a list holds plain numbers only, or lists of them: an array to be."""
    return all(_numbers(each) if isinstance(each, (tuple, list)) else np.isscalar(each) for each in values)


def stacked(items: Iterable[tuple[str, Batch]], count: int) -> Batch:
    """Named nests of tensors, stacked leaf by leaf; raises PathsearchError that names the first one that differs."""
    columns: dict[str, _Column] = {}
    first, example = "", None
    for n, (called, item) in enumerate(items):
        found = dict(named(item))
        if n == 0:
            first, example = called, item
            columns = {place: _Column(count, called) for place in found}
            if not found:
                raise PathsearchError(f"{called} holds no tensors")
        elif found.keys() != columns.keys():
            raise PathsearchError(f"{called} is {_form(found)}, {first} is {_form(columns)}: all must be made up alike")
        for place, value in found.items():
            columns[place].put(n, value, called)
    values = iter(columns.values())
    return mapped(example, lambda _: next(values).values)


def _form(found: Mapping[str, Any]) -> str:
    if list(found) == [""]:
        return "one tensor"
    return f"made of {', '.join(list(found)[:4])}{', …' if len(found) > 4 else ''}" if found else "empty"


class _Column:
    """Tensors [count, …] of one shape, copied one by one: a data set may give the same memory each time."""

    values: Tensor

    def __init__(self, count: int, first: str) -> None:
        self.count, self.first = count, first.partition(" of ")[0]

    def put(self, n: int, value: Tensor, item: str) -> None:
        if n == 0:
            self.values = value.new_empty((self.count, *value.shape))
        if value.shape != self.values.shape[1:]:
            shapes = tuple(value.shape), tuple(self.values.shape[1:])
            raise PathsearchError(
                f"{item} has shape {shapes[0]}, {self.first} has {shapes[1]}: all must have one shape, or "
                "objective.data.collate must make a batch of them"
            )
        if value.dtype != self.values.dtype:
            self.values = self.values.to(torch.promote_types(value.dtype, self.values.dtype))
        self.values[n] = value


def _tensor(value: Any, what: str) -> Tensor:
    if isinstance(value, Tensor):
        value = value.detach().cpu().to_dense() if value.layout != torch.strided else value.detach().cpu()
        return value.as_subclass(Tensor)
    if type(value).__module__.startswith("PIL."):
        raise PathsearchError(f"{what} is a picture: add torchvision.transforms.ToTensor() to the data set's transform")
    array = np.asarray(value)
    if array.dtype.kind not in "fiubc":
        raise PathsearchError(f"{what} is a {type(value).__name__}, and must be a tensor or an array of numbers")
    return torch.tensor(native(array))


def size_of(item: Any) -> int:
    """Bytes of the tensors and arrays of an item; 0 where there are none."""
    if isinstance(item, Mapping):
        return sum(map(size_of, item.values()))
    if isinstance(item, (tuple, list)):
        return sum(map(size_of, item))
    if is_dataclass(item) and not isinstance(item, type):
        return sum(size_of(getattr(item, each.name)) for each in fields(item))
    if isinstance(item, (int, float)):
        return 8
    found = getattr(item, "nbytes", 0)
    return found if isinstance(found, int) else 0


def _own(item: Any) -> Any:
    """A copy of an item, as far as it can be copied: a data set may give the same memory each time."""
    if type(item) is dict:
        return {name: _own(each) for name, each in item.items()}
    if type(item) in (tuple, list):
        return type(item)(_own(each) for each in item)
    if isinstance(item, Tensor):
        return item.clone()  # deepcopy refuses one that is worked out of what has a gradient
    try:
        return copy.deepcopy(item)
    except Exception:  # a user's objects raise what they like
        return item
