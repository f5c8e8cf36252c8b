"""Reads data sets item by item."""

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import IterableDataset

from pathsearch.errors import PathsearchError
from pathsearch.numerics.native import native
from pathsearch.objectives.data.sets import Data, Split
from pathsearch.objectives.users_code import errors_named


def joined(train: Split, test: Split) -> Data:
    """A user's own data, which are used as they are."""
    whole = not train.targets.is_floating_point() and train.targets.numel() > 0
    return Data(train, test, outputs=int(train.targets.max()) + 1 if whole else 1, standardise=False)


def read(dataset: Any, what: str) -> Split:
    """All items of a map-style data set, `what` in errors; raises PathsearchError that names the item at fault."""
    if isinstance(dataset, IterableDataset) or not (hasattr(dataset, "__getitem__") and hasattr(dataset, "__len__")):
        raise PathsearchError(
            f"{what} gives a {type(dataset).__name__}, and must give a Dataset with __len__ and __getitem__"
        )
    with errors_named(f"len of {what}", passing=()):
        count = len(dataset)
    if not count:
        raise PathsearchError(f"the data set of {what} is empty")
    inputs, targets = _Column(count), _Column(count)
    for n in range(count):
        item = f"item {n} of {what}"
        with errors_named(item, passing=()):
            value = dataset[n]
        if not isinstance(value, (tuple, list)) or len(value) != 2:
            said = f"{type(value).__name__} of {len(value)}" if hasattr(value, "__len__") else type(value).__name__
            raise PathsearchError(f"{item} is a {said}, and must be a pair (input, target)")
        with errors_named(item, passing=()):
            inputs.put(n, _tensor(value[0], f"the input of {item}"), item)
            targets.put(n, _number(value[1], f"the target of {item}"), item)
    return Split(inputs.values, targets.values)


class _Column:
    """Tensors [count, …] of one shape, copied one by one: a data set may give the same memory each time."""

    values: Tensor

    def __init__(self, count: int) -> None:
        self.count = count

    def put(self, n: int, value: Tensor, item: str) -> None:
        if n == 0:
            self.values = value.new_empty((self.count, *value.shape))
        if value.shape != self.values.shape[1:]:
            shapes = tuple(value.shape), tuple(self.values.shape[1:])
            raise PathsearchError(f"{item} has shape {shapes[0]}, item 0 has {shapes[1]}: all must have one shape")
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


def _number(value: Any, what: str) -> Tensor:
    number = _tensor(value, what)
    if number.numel() != 1:
        raise PathsearchError(
            f"{what} has shape {tuple(number.shape)}, and must be one number: a class, or a real value"
        )
    return number.reshape(())
