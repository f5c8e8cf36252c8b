"""Checks, before a network is trained, that it can be trained on a data set."""

from dataclasses import replace

import torch
from torch import Tensor

from pathsearch.errors import PathsearchError
from pathsearch.objectives.data.sets import Data, Split
from pathsearch.objectives.tasks import TASKS, Task

CHUNK = 1000  # examples that are checked at once
MOST_CLASSES = 100_000


def checked(data: Data, task: Task, dtype: torch.dtype = torch.float64) -> Data:
    """The same data with classes as int64; raises PathsearchError where a network could not be trained on them.

    dtype: the type to which floating-point numbers will be cast, in which they must be finite.
    """
    splits = {"training": data.train, "test": data.test}
    for name, split in splits.items():
        _shaped(split, name)
        _finite(split.inputs, "an input", name, dtype)
        _finite(split.targets, "a target", name, dtype)
    if not task.numbers and any(split.targets.is_floating_point() for split in splits.values()):
        fitting = " or ".join(name for name, other in TASKS.items() if other.numbers)
        raise PathsearchError(f"the targets are real numbers: set objective.loss={fitting}, or give integer classes")
    _alike(data)
    if data.train.targets.is_floating_point():
        return _remarked(data)
    train, test = (Split(split.inputs, split.targets.long()) for split in splits.values())
    lowest = min(int(split.targets.min()) for split in (train, test))
    highest = max(int(split.targets.max()) for split in (train, test))
    if lowest < 0 or highest >= MOST_CLASSES:
        raise PathsearchError(f"classes run from {lowest} to {highest}: number them from 0 without gaps")
    return _remarked(replace(data, train=train, test=test, outputs=max(data.outputs, highest + 1)))


def _shaped(split: Split, name: str) -> None:
    if not len(split.inputs) or not split.inputs[0].numel():
        raise PathsearchError(f"the {name} set is empty")
    if split.inputs.ndim < 2 or split.targets.ndim != 1 or split.inputs.is_complex() or split.targets.is_complex():
        raise PathsearchError("every example must be a real tensor of one or more dimensions and one number")
    if len(split.inputs) != len(split.targets):
        raise PathsearchError(f"the {name} set has {len(split.inputs)} inputs and {len(split.targets)} targets")


def _finite(values: Tensor, which: str, name: str, dtype: torch.dtype) -> None:
    """Raise PathsearchError that names the first example with an infinite number or NaN."""
    if not values.is_floating_point():
        return
    finite = [chunk.to(dtype).isfinite().reshape(len(chunk), -1).all(dim=1) for chunk in values.split(CHUNK)]
    bad = (~torch.cat(finite)).nonzero()[:, 0]
    if len(bad):
        raise PathsearchError(
            f"{len(bad)} of the {len(values)} {name} examples {'has' if len(bad) == 1 else 'have'} {which} that is "
            f"not finite in {str(dtype).removeprefix('torch.')}, the first is example {int(bad[0])}: "
            "mend them or leave them out"
        )


def _alike(data: Data) -> None:
    """Raise PathsearchError where one network cannot take both sets."""
    train, test = data.train, data.test
    if train.inputs.shape[1:] != test.inputs.shape[1:]:
        shapes = tuple(train.inputs.shape[1:]), tuple(test.inputs.shape[1:])
        raise PathsearchError(f"training inputs have shape {shapes[0]}, test inputs {shapes[1]}")
    for what, one, other in (("inputs", train.inputs, test.inputs), ("targets", train.targets, test.targets)):
        if one.is_floating_point() != other.is_floating_point():
            raise PathsearchError(f"training {what} are {_named(one)}, test {what} {_named(other)}: give both one type")


def _named(values: Tensor) -> str:
    return str(values.dtype).removeprefix("torch.")


def _remarked(data: Data) -> Data:
    """The same data, with a remark where the training set has nothing to learn from."""
    inputs = data.train.inputs
    if len(inputs) > 1 and all(bool((chunk == inputs[0]).all()) for chunk in inputs.split(CHUNK)):
        said = f"warning: all {len(inputs)} training inputs are the same: no network can tell them apart"
        return replace(data, remarks=(*data.remarks, said))
    return data
