"""Checks, before a network is trained, that it can be trained on a data set."""

from collections.abc import Iterable
from dataclasses import replace

import torch
from torch import Tensor

from pathsearch.errors import PathsearchError
from pathsearch.objectives import nests
from pathsearch.objectives.data.sets import Data, Source, Split
from pathsearch.objectives.glimpse import Glimpse
from pathsearch.objectives.losses import IGNORED, LOSSES
from pathsearch.objectives.tasks import Task

FEW = 64  # examples of a source that are looked at
CHUNK = 1000  # examples that are checked at once
MOST_CLASSES = 100_000


def checked(data: Data, task: Task, dtype: torch.dtype = torch.float64) -> Data:
    """The same data with classes as int64; raises PathsearchError where a network could not be trained on them.

    dtype: the type to which floating-point numbers will be cast, in which they must be finite. Of a source the first
    examples are looked at.
    """
    some = {"training": looked_at(data.train), "test": looked_at(data.test)}
    for name, split in some.items():
        _shaped(split, f"the {name} set" + (f", made by {data.called}," if data.called else ""), task)
        for place, values in nests.named(split.examples):
            which = {"[0]": "an input", "[1]": "a target"}.get(place) if split.pair else None
            _finite(values, which or f"a number{place and ' in ' + place}", name, dtype)
    single = task.single and all(split.pair for split in some.values())
    targets = [split.targets for split in some.values()] if single else []
    if not task.numbers and any(each.is_floating_point() for each in targets):
        fitting = " or ".join(name for name, other in LOSSES.items() if other.numbers and other.single)
        raise PathsearchError(f"the targets are real numbers: set objective.loss={fitting}, or give integer classes")
    # what a collate or a function makes of examples may have another shape each time
    held = isinstance(data.train, Split) or isinstance(data.test, Split)
    _alike(some["training"], some["test"], shapes=held)
    if not single or any(each.is_floating_point() for each in targets):
        return _remarked(data if data.outputs or _classes(some.values()) else replace(data, outputs=1))
    counted = [each if each.ndim == 1 else each[each != IGNORED] for each in targets]
    lowest = min(int(each.min()) for each in counted if each.numel())
    highest = max(int(each.max()) for each in counted if each.numel())
    if lowest < 0 or highest >= MOST_CLASSES:
        raise PathsearchError(f"classes run from {lowest} to {highest}: number them from 0 without gaps")
    train, test = (_whole_numbers(split) for split in (data.train, data.test))
    # of a source the first examples tell of no highest class, or their number would depend on what memory there is
    whole = isinstance(data.train, Split) and isinstance(data.test, Split)
    outputs = max(data.outputs, highest + 1) if whole else data.outputs
    return _remarked(replace(data, train=train, test=test, outputs=outputs, classes=True))


def looked_at(split: Split | Source | Glimpse) -> Split:
    """A split, or the first examples of a source."""
    if isinstance(split, Glimpse):
        return Split(split.first(max(split.firsts)))
    return split if isinstance(split, Split) else Split(split.read(next(split.whole(FEW, None))))


def _whole_numbers(split: Split | Source | Glimpse) -> Split | Source | Glimpse:
    return Split((split.inputs, split.targets.long())) if isinstance(split, Split) else split


def _classes(some: Iterable[Split]) -> bool:
    """Whether the targets of some set are one whole number each."""
    pairs = [split.targets for split in some if split.pair]
    return any(each.ndim == 1 and not each.is_floating_point() for each in pairs)


def _shaped(split: Split, what: str, task: Task) -> None:
    tensors = nests.leaves(split.examples)
    if not any(each.numel() for each in tensors) or (split.pair and not all(each.numel() for each in tensors)):
        raise PathsearchError(f"{what} is empty")
    if split.pair and task.single and len(split.inputs) != len(split.targets):
        raise PathsearchError(
            f"{what} has {len(split.inputs)} inputs and {len(split.targets)} targets: give as many of both"
        )
    if any(each.is_complex() for each in tensors):
        raise PathsearchError(f"{what} has complex numbers: give real ones, as by torch.view_as_real")


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


def _alike(train: Split, test: Split, shapes: bool) -> None:
    """Raise PathsearchError where one network cannot take both sets; shapes: whether these have to be alike."""
    both = dict(nests.named(train.examples)), dict(nests.named(test.examples))
    if list(both[0]) != list(both[1]):
        raise PathsearchError("training and test examples are made up differently: give both the same tensors")
    for place, one in both[0].items():
        other = both[1][place]
        what = {"[0]": "inputs", "[1]": "targets"}.get(place, place) if train.pair else place or "examples"
        if shapes and one.shape[1:] != other.shape[1:]:
            raise PathsearchError(
                f"training {what} have shape {tuple(one.shape[1:])}, test {what} {tuple(other.shape[1:])}"
            )
        if one.is_floating_point() != other.is_floating_point():
            raise PathsearchError(f"training {what} are {_named(one)}, test {what} {_named(other)}: give both one type")


def _named(values: Tensor) -> str:
    return str(values.dtype).removeprefix("torch.")


def _remarked(data: Data) -> Data:
    """The same data, with a remark where the training set has nothing to learn from."""
    if not isinstance(data.train, Split) or not data.train.pair:
        return data
    inputs = data.train.inputs
    if len(inputs) > 1 and all(bool((chunk == inputs[0]).all()) for chunk in inputs.split(CHUNK)):
        said = f"warning: all {len(inputs)} training inputs are the same: no network can tell them apart"
        return replace(data, remarks=(*data.remarks, said))
    return data
