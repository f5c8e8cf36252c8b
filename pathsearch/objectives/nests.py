"""Batches: nests of tensors, which are tuples, lists, dictionaries and dataclasses of one another."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any

import torch
from torch import Tensor

from pathsearch.errors import PathsearchError

Batch = Any
"""A tensor, or a tuple, list, dictionary or dataclass of batches; text, numbers and None may lie among them."""

PLAIN = (str, bytes, int, float, complex, type(None))


def mapped(batch: Batch, change: Callable[[Tensor], Any]) -> Batch:
    """The same nest with every tensor changed; raises PathsearchError where something else lies in it."""
    if isinstance(batch, Tensor):
        return change(batch)
    if isinstance(batch, Mapping):
        return {name: mapped(each, change) for name, each in batch.items()}
    if isinstance(batch, tuple) and hasattr(batch, "_fields"):
        return type(batch)(*(mapped(each, change) for each in batch))
    if isinstance(batch, (tuple, list)):
        return type(batch)(mapped(each, change) for each in batch)
    if is_dataclass(batch) and not isinstance(batch, type):
        names = [each.name for each in fields(batch) if each.init]
        return replace(batch, **{name: mapped(getattr(batch, name), change) for name in names})
    if isinstance(batch, PLAIN):
        return batch
    raise PathsearchError(
        f"a batch holds a {type(batch).__name__}, and must be made of tensors in tuples, lists, dictionaries or "
        "dataclasses"
    )


def refuse_other(batch: Batch, called: str, must: str) -> None:
    """Raise PathsearchError, which says what `called` must do, where it has given something that is no batch."""
    try:
        mapped(batch, lambda each: each)
    except PathsearchError as error:
        raise PathsearchError(f"{called}: {error}") from None
    if not leaves(batch):
        raise PathsearchError(f"{called} gives no tensors: it must {must}")


def named(batch: Batch, name: str = "") -> Iterator[tuple[str, Tensor]]:
    """All tensors of a nest with their places in it, such as `[0].mask`; the place of a lone tensor is empty."""
    if isinstance(batch, Tensor):
        yield name, batch
    elif isinstance(batch, Mapping):
        for key, each in batch.items():
            yield from named(each, f"{name}[{key!r}]")
    elif isinstance(batch, (tuple, list)):
        for n, each in enumerate(batch):
            yield from named(each, f"{name}[{n}]")
    elif is_dataclass(batch) and not isinstance(batch, type):
        for field in fields(batch):
            yield from named(getattr(batch, field.name), f"{name}.{field.name}")


def leaves(batch: Batch) -> list[Tensor]:
    """All tensors of a nest, in its order."""
    return [each for _, each in named(batch)]


def length(batch: Batch, what: str) -> int:
    """How many examples a batch has, the first dimension of all its tensors; `what` it is, for errors.

    Raises PathsearchError where there are no tensors, or they differ in it.
    """
    found = list(named(batch))
    if not found:
        raise PathsearchError(f"{what} holds no tensors")
    first, one = found[0]
    for place, each in found:
        if each.ndim == 0 or each.shape[:1] != one.shape[:1]:
            shapes = f"{first or 'the first'} has shape {tuple(one.shape)}, {place or 'it'} {tuple(each.shape)}"
            raise PathsearchError(
                f"the tensors of {what} differ in length: {shapes}; the first dimension must count its examples"
            )
    return len(one)


def part(batch: Batch, which: Any) -> Batch:
    """Some examples of a batch: a slice, or indices."""
    return mapped(batch, lambda each: each[which])


def moved(batch: Batch, device: torch.device, dtype: torch.dtype) -> Batch:
    """A batch on a device; real numbers in this precision, integers and booleans as they are."""
    pinned = device.type == "cuda"
    return mapped(
        batch, lambda each: each.to(device, dtype if each.is_floating_point() else each.dtype, non_blocking=pinned)
    )


def copied(batch: Batch) -> Batch:
    """A batch that may be written to."""
    return mapped(batch, torch.clone)
