"""A first try of a network, its loss and its metrics on a few examples, before anything is trained."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from pathsearch.errors import PathsearchError
from pathsearch.objectives.carrier import Carrier
from pathsearch.objectives.counted import Counted
from pathsearch.objectives.mean import nothing_counted
from pathsearch.objectives.memory import allocations
from pathsearch.objectives.nests import Batch, length, named, part
from pathsearch.objectives.tasks import Task
from pathsearch.objectives.tensors import State
from pathsearch.objectives.users_code import errors_named

CLOSE = 1e-3  # relative; sums that differ by less count as equal
SHOWN = 3  # tensors in a message


def tried(carrier: Carrier, task: Task, batch: Batch, outputs: int, cut: bool) -> list[str]:
    """Lines for the user about a loss and metrics that work on a batch.

    outputs: classes or token ids of the data. cut: whether a part of a batch is one as well. Raises PathsearchError
    that names the function which does not work, where the network tells fewer classes apart, and where something is a
    mean.
    """
    weights = carrier.coordinates.flat(carrier.trained)
    with _given_said(carrier.module):
        _refuse_width(carrier, task, weights, batch, outputs)
        for function in (task.loss, *task.metrics.values()):
            _counts(carrier, function, weights, batch)
    half = length(batch, "a batch") // 2 if cut else 0
    if half < 2:
        return []
    some = (part(batch, slice(2 * half)), part(batch, slice(half)), part(batch, slice(half, 2 * half)))
    said = []
    for function in (task.loss, *task.metrics.values()):
        whole, one, other = (_measured(carrier, function, weights, each) for each in some)
        _refuse_mean(function, whole, one, other)
        if function.own and math.isfinite(whole) and not _close(whole, one + other):
            beside = " and objective.micro_batch" if function is task.loss else ""
            said.append(
                f"{function.called}: the sum over a batch is not that over its parts, so it depends on "
                f"measure.chunk{beside}"
            )
    return said


@contextmanager
def _given_said(module: nn.Module) -> Iterator[None]:
    """Have an error that ends a forward pass say what the network was given: the data may be none that it can take."""
    given: list[str] = []

    def begun(part: nn.Module, args: Any, options: Any) -> None:
        tensors = [each for _, each in named((args, options))]
        given.append("; ".join(f"shape {tuple(each.shape)}, {_kind(each)}" for each in tensors[:SHOWN]))

    hooks = (
        module.register_forward_pre_hook(begun, with_kwargs=True),
        module.register_forward_hook(lambda part, args, outputs: given.clear()),
    )
    try:
        yield
    except PathsearchError as error:
        if error.__cause__ is None or not given:
            raise
        raise PathsearchError(f"{error}; the network was given inputs of {given[-1]}") from error.__cause__
    finally:
        for hook in hooks:
            hook.remove()


def _kind(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def _refuse_mean(function: Counted, whole: float, one: float, other: float) -> None:
    """Raise PathsearchError where a batch has half the sum of its two halves; numbers of things may do so by chance."""
    counts = all(each == int(each) for each in (whole, one, other) if math.isfinite(each))
    if function.own and not counts and _close(2 * whole, one + other) and not _close(whole, 0.0):
        raise PathsearchError(
            f"{function.called} returned a mean: it must return (sum, count), summed over what it counts, and how many "
            "there were"
        )


def gradient(carrier: Carrier, task: Task, batch: Batch) -> None:
    """A forward and backward pass in training mode, for what it raises and shows.

    Raises PathsearchError where the loss has no gradient.
    """
    weights = carrier.coordinates.flat(carrier.trained)
    with torch.enable_grad(), carrier.holding(weights, carrier.made):
        total, count = carrier.of(task.loss, batch, 0)
        if not getattr(total, "requires_grad", False):
            refuse_constant(task.loss, count)
            return
        with errors_named("the network's gradient"), allocations():
            torch.autograd.grad(total, list(carrier.trained.values()), allow_unused=True)


def refuse_constant(loss: Counted, count: Any) -> None:
    """Raise PathsearchError for a loss that has no gradient, unless it counted nothing."""
    if float(count):
        raise PathsearchError(
            f"{loss.called} gave a sum without a gradient: it must follow from the network's parameters by torch's "
            "operations, and not be detached"
        )


def _refuse_width(carrier: Carrier, task: Task, weights: Tensor, batch: Batch, outputs: int) -> None:
    if task.width is None:
        return
    given = _passed(carrier, task.width, weights, batch)
    if given < task.outputs(outputs):
        raise PathsearchError(f"the network has {given} outputs for {outputs} {task.counted}")


def _measured(carrier: Carrier, function: Counted, weights: Tensor, batch: Batch) -> float:
    total, _ = _passed(carrier, function, weights, batch)
    return float(total)


def _counts(carrier: Carrier, function: Counted, weights: Tensor, batch: Batch) -> None:
    _, count = _passed(carrier, function, weights, batch)
    if not float(count):
        raise nothing_counted(function.called, "the first examples")


def _passed(carrier: Carrier, function: Any, weights: Tensor, batch: Batch) -> Any:
    state: State = carrier.made
    with torch.no_grad(), carrier.holding(weights, state), carrier.evaluating():
        return carrier.of(function, batch, 0)


def _close(a: float, b: float) -> bool:
    return abs(a - b) <= CLOSE * max(abs(a), abs(b))
