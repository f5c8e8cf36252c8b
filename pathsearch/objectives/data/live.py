"""Data sets that a program hands over as objects."""

from collections.abc import Mapping
from typing import Any

import torch
from torch.utils.data import Dataset

from pathsearch.errors import PathsearchError
from pathsearch.objectives.data.reading import Items, held_or_read, outputs_of
from pathsearch.objectives.data.room import readers, told
from pathsearch.objectives.data.sets import Data, Source, Split
from pathsearch.objectives.nests import part
from pathsearch.objectives.users_code import errors_named

EVERY = 5  # of a set alone, every fifth example is for testing


def data_of(given: Any, room: float = float("inf")) -> Data:
    """The data of a pair (train, test) of data sets, or of one, of which every fifth example is for testing.

    A data set is a torch Dataset, a pair of tensors (inputs, targets), or, in a pair, a `Source`; its items are used as
    they are. What takes more bytes than `room` is read when it is wanted, by this process. Raises PathsearchError where
    `given` is something else.
    """
    pair = isinstance(given, (tuple, list)) and len(given) == 2
    if pair and not any(_is_array(each) for each in given):
        some = [_set(each, f"network: the {n} part of data", k) for k, (n, each) in enumerate(zip(NAMES, given))]
        dataset = given[0]
    else:
        some, dataset = _parted(_set(given, "network: data", 0)), given
    # a copy in another process would share the places in its files, and nothing here can open it anew
    workers = 0 if any(isinstance(each, Items) for each in some) else readers(None)
    splits, remarks = [], []
    for name, each in zip(("training", "test"), some):
        split = held_or_read(each, room) if isinstance(each, Items) else each
        splits.append(split)
        if isinstance(each, Items):
            if isinstance(split, Split):
                room -= each.bytes
            else:
                remarks.append(told(name, each.bytes, room, workers))
    return Data(splits[0], splits[1], outputs_of(splits[0], splits[1], dataset), False, workers, tuple(remarks))


NAMES = ("first", "second")


def _parted(whole: Split | Source | Items) -> list[Split | Source | Items]:
    if isinstance(whole, Split):
        count = len(whole.inputs)
    elif isinstance(whole, Items):
        count = len(whole)
    else:
        raise PathsearchError("network: data is a source: give a pair (train, test) of sources")
    if count < EVERY:
        raise PathsearchError("network: data has less than 5 examples: give a pair (train, test) of data sets")
    test = torch.arange(count) % EVERY == EVERY - 1
    if isinstance(whole, Split):
        return [Split(part(whole.examples, ~test)), Split(part(whole.examples, test))]
    numbers = [which.nonzero()[:, 0].tolist() for which in (~test, test)]
    return [Items(whole.dataset, whole.what, 0, each) for each in numbers]


def _set(given: Any, what: str, number: int) -> Split | Source | Items:
    if isinstance(given, (tuple, list)) and len(given) == 2 and all(_is_array(each) for each in given):
        with errors_named(what):
            inputs, targets = (torch.as_tensor(each).detach().cpu() for each in given)
        if not inputs.ndim or inputs.shape[:1] != targets.shape[:1]:
            raise PathsearchError(f"{what}: {tuple(inputs.shape)} inputs do not go with {tuple(targets.shape)} targets")
        return Split((inputs, targets))
    if all(hasattr(given, name) for name in ("mini_batch", "whole", "read")):
        source: Source = given
        return source
    listed = isinstance(given, Dataset) or (hasattr(given, "__getitem__") and hasattr(given, "__len__"))
    if not listed or isinstance(given, (str, bytes, Mapping)) or _is_array(given):
        raise PathsearchError(
            f"{what} is to be a name, a torch Dataset, a pair of tensors (inputs, targets), or a pair (train, test) of "
            f"either, not a {type(given).__name__}"
        )
    return Items(given, what, number)


def _is_array(value: Any) -> bool:
    return isinstance(value, torch.Tensor) or type(value).__module__ == "numpy"
