"""Data sets that a program hands over as objects."""

from collections.abc import Mapping
from typing import Any

import torch
from torch.utils.data import Dataset

from pathsearch.errors import PathsearchError
from pathsearch.objectives.data.reading import joined, read
from pathsearch.objectives.data.sets import Data, Split, every_fifth
from pathsearch.objectives.users_code import errors_named


def data_of(given: Any) -> Data:
    """The data of a pair (train, test) of data sets, or of one, of which every fifth example is for testing.

    A data set is a torch Dataset, or a pair of tensors (inputs, targets); its inputs are used as they are. Raises
    PathsearchError where `given` is something else.
    """
    pair = isinstance(given, (tuple, list)) and len(given) == 2
    if pair and not any(_is_array(part) for part in given):
        train, test = (_split(part, f"network: the {n} part of data") for n, part in zip(("first", "second"), given))
    else:
        whole = _split(given, "network: data")
        if len(whole.inputs) < 5:
            raise PathsearchError("network: data has less than 5 examples: give a pair (train, test) of data sets")
        both = every_fifth(whole.inputs, whole.targets, 0)
        train, test = both.train, both.test
    return joined(train, test)


def _split(given: Any, what: str) -> Split:
    if isinstance(given, (tuple, list)) and len(given) == 2 and all(_is_array(part) for part in given):
        with errors_named(what):
            inputs, targets = (torch.as_tensor(part).detach().cpu() for part in given)
        if not inputs.ndim or inputs.shape[:1] != targets.shape[:1]:
            raise PathsearchError(f"{what}: {tuple(inputs.shape)} inputs do not go with {tuple(targets.shape)} targets")
        return Split(inputs, targets)
    listed = isinstance(given, Dataset) or (hasattr(given, "__getitem__") and hasattr(given, "__len__"))
    if not listed or isinstance(given, (str, bytes, Mapping)) or _is_array(given):
        raise PathsearchError(
            f"{what} is to be a name, a torch Dataset, a pair of tensors (inputs, targets), or a pair (train, test) of "
            f"either, not a {type(given).__name__}"
        )
    return read(given, what)


def _is_array(value: Any) -> bool:
    return isinstance(value, torch.Tensor) or type(value).__module__ == "numpy"
