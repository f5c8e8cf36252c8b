"""A user's own data set, any torch Dataset, read item by item."""

from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor
from torch.utils.data import IterableDataset

from pathsearch.errors import PathsearchError
from pathsearch.numerics.native import native
from pathsearch.numerics.seeds import derive
from pathsearch.objectives.blame import blamed
from pathsearch.objectives.data.sets import Data, Split
from pathsearch.objectives.imports import imported
from pathsearch.objectives.seeding import seeded
from pathsearch.settings import Settings

READING = 13  # what a seed is for
TRAIN, TEST = 0, 1


class Custom(Settings):
    """Any torch Dataset by import string, built with `train_args` and `test_args`; its inputs are used as they are.

    Floating-point inputs are cast to objective.dtype; integers and booleans reach the network as such. Every item is
    read once, under one seed whatever the run's: a random transform is drawn once, and in every process alike.
    """

    name: Literal["dataset"] = "dataset"
    target: str = Field(description="package.module:Class, or a function that returns a Dataset")
    train_args: dict[str, Any] = Field(default_factory=dict)
    test_args: dict[str, Any] = Field(default_factory=dict)
    augment: bool = Field(False, description="random crop after padding by 4, and random flip")

    def load(self, folder: Path = Path()) -> Data:
        what = f"objective.data.target {self.target}"
        make = imported(self.target, "objective.data.target", folder)
        splits = []
        for part, name, arguments in ((TRAIN, "train_args", self.train_args), (TEST, "test_args", self.test_args)):
            with seeded(derive(READING, part), torch.device("cpu")):
                with blamed(f"{what}, made with {name} {arguments},", passing=()):
                    dataset = make(**arguments)
                splits.append(read(dataset, what))
        train, test = splits
        whole = not train.targets.is_floating_point()
        return Data(train, test, outputs=int(train.targets.max()) + 1 if whole else 1, standardise=False)


def read(dataset: Any, what: str) -> Split:
    """Every item of a map-style data set, `what` in errors; raises PathsearchError naming the item at fault."""
    if isinstance(dataset, IterableDataset) or not (hasattr(dataset, "__getitem__") and hasattr(dataset, "__len__")):
        raise PathsearchError(
            f"{what} gives a {type(dataset).__name__}, and must give a Dataset with __len__ and __getitem__"
        )
    with blamed(f"len of {what}", passing=()):
        count = len(dataset)
    if not count:
        raise PathsearchError(f"the data set of {what} is empty")
    inputs, targets = _Column(count), _Column(count)
    for n in range(count):
        item = f"item {n} of {what}"
        with blamed(item, passing=()):
            value = dataset[n]
        if not isinstance(value, (tuple, list)) or len(value) != 2:
            said = f"{type(value).__name__} of {len(value)}" if hasattr(value, "__len__") else type(value).__name__
            raise PathsearchError(f"{item} is a {said}, and must be a pair (input, target)")
        with blamed(item, passing=()):
            inputs.put(n, _tensor(value[0], f"the input of {item}"), item)
            targets.put(n, _number(value[1], f"the target of {item}"), item)
    return Split(inputs.values, targets.values)


class _Column:
    """Tensors [count, …] of one shape, copied in one by one: a data set may give the same memory each time."""

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
