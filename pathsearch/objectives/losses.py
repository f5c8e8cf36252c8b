"""Losses of a network's outputs, and which outputs they can be taken of."""

from collections.abc import Callable
from typing import Any

import torch.nn.functional as F
from torch import Tensor

from pathsearch.errors import PathsearchError


def cross_entropy(outputs: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy summed over a batch; outputs [b, classes]."""
    return F.cross_entropy(outputs, targets, reduction="sum")


def mse(outputs: Tensor, targets: Tensor) -> Tensor:
    """Squared error summed over a batch, averaged over outputs; classes count as 0/1 or one-hot targets."""
    if targets.is_floating_point() or outputs.shape[1] == 1:
        wanted = targets.to(outputs.dtype).reshape(outputs.shape)
    else:
        wanted = F.one_hot(targets, outputs.shape[1]).to(outputs.dtype)
    return F.mse_loss(outputs, wanted, reduction="sum") / outputs.shape[1]


LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"cross_entropy": cross_entropy, "mse": mse}


def classes(outputs: Tensor) -> Tensor:
    """The predicted class of each row of outputs; one output is that of class 1."""
    return (outputs[:, 0] > 0.5).long() if outputs.shape[1] == 1 else outputs.argmax(dim=1)


def refuse_outputs(outputs: Any, targets: Tensor, loss: str, classes: int) -> None:
    """Raise PathsearchError where there is not one row of outputs for each example, of as many as the loss needs."""
    wanted = f"a tensor of shape ({len(targets)}, outputs)"
    if not isinstance(outputs, Tensor) or outputs.ndim != 2 or len(outputs) != len(targets):
        shape = tuple(outputs.shape) if isinstance(outputs, Tensor) else type(outputs).__name__
        raise PathsearchError(f"the network must return {wanted} for {len(targets)} examples, it returned {shape}")
    if not outputs.is_floating_point():
        raise PathsearchError(f"the network must return real numbers, it returned {outputs.dtype}")
    alone = outputs.shape[1] == 1 and loss == "mse" and classes <= 2
    if not alone and not targets.is_floating_point() and outputs.shape[1] < classes:
        raise PathsearchError(f"the network has {outputs.shape[1]} outputs for {classes} classes")
    if targets.is_floating_point() and outputs.shape[1] != 1:
        raise PathsearchError(f"the network has {outputs.shape[1]} outputs for targets that are one number each")
