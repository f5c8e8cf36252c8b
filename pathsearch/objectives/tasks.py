"""What a network is to do: losses of its outputs, and which outputs and targets each can be taken of.

A task is one function and one entry of the table. The functions import torch only when they are called: a
configuration's names are checked without it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pathsearch.errors import PathsearchError

if TYPE_CHECKING:
    from torch import Tensor


def cross_entropy(outputs: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy summed over a batch; outputs [b, classes]."""
    import torch.nn.functional as F

    return F.cross_entropy(outputs, targets, reduction="sum")


def mse(outputs: Tensor, targets: Tensor) -> Tensor:
    """Squared error summed over a batch, averaged over outputs; classes count as 0/1 or one-hot targets."""
    import torch.nn.functional as F

    if targets.is_floating_point() or outputs.shape[1] == 1:
        wanted = targets.to(outputs.dtype).reshape(outputs.shape)
    else:
        wanted = F.one_hot(targets, outputs.shape[1]).to(outputs.dtype)
    return F.mse_loss(outputs, wanted, reduction="sum") / outputs.shape[1]


@dataclass(frozen=True)
class Task:
    """A loss, and what targets and outputs it takes. Classes are integers, other targets are real numbers."""

    loss: Callable[[Tensor, Tensor], Tensor]
    """of outputs [b, …] and targets [b], summed over the examples"""
    numbers: bool = False
    """whether targets may be real numbers"""
    one_for_two: bool = False
    """whether one output is enough for two classes"""

    def outputs(self, classes: int) -> int:
        """How many outputs a network needs for so many classes; real targets count as one class."""
        return 1 if self.one_for_two and classes <= 2 else classes

    def refuse_outputs(self, outputs: Any, targets: Tensor, classes: int) -> None:
        """Raise PathsearchError unless each example has one row of outputs, of as many as the loss needs."""
        import torch

        if not isinstance(outputs, torch.Tensor) or outputs.ndim != 2 or len(outputs) != len(targets):
            shape = tuple(outputs.shape) if isinstance(outputs, torch.Tensor) else type(outputs).__name__
            raise PathsearchError(
                f"the network must return a tensor of shape ({len(targets)}, outputs) for {len(targets)} examples, "
                f"it returned {shape}"
            )
        given = outputs.shape[1]
        if not outputs.is_floating_point():
            raise PathsearchError(f"the network must return real numbers, it returned {outputs.dtype}")
        if targets.is_floating_point() and given != 1:
            raise PathsearchError(f"the network has {given} outputs for targets that are one number each")
        if not targets.is_floating_point() and given < self.outputs(classes):
            raise PathsearchError(f"the network has {given} outputs for {classes} classes")


TASKS = {
    "cross_entropy": Task(cross_entropy),
    "mse": Task(mse, numbers=True, one_for_two=True),
}


def predicted(outputs: Tensor) -> Tensor:
    """The predicted class of each row of outputs; a single output is that of class 1."""
    return (outputs[:, 0] > 0.5).long() if outputs.shape[1] == 1 else outputs.argmax(dim=1)


def wrong(outputs: Tensor, targets: Tensor) -> Tensor:
    """How many examples of a batch are predicted wrongly; not a number where targets are real numbers."""
    if targets.is_floating_point():
        return targets.new_full((), float("nan"))
    return (predicted(outputs) != targets).sum()
