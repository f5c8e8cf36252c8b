"""The built-in losses: a loss is a function, and a line of the table at the end with what goes with it.

The functions import torch only when they are called: a configuration's names are checked without it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pathsearch.errors import PathsearchError
from pathsearch.objectives.counted import Function, shown

if TYPE_CHECKING:
    from torch import Tensor, nn

    from pathsearch.objectives.nests import Batch

IGNORED = -100  # the target that torch's cross-entropy leaves out

Guesses = tuple["Tensor", "Tensor", Any]
Guessing = Callable[["nn.Module", "Batch"], Guesses]


def outputs_and_targets(model: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
    """What the network makes of a batch (inputs, targets), and the targets.

    Inputs are a tensor, or what the network is called with: a tuple, or a dictionary by the names of its arguments. A
    dictionary that has `labels` is a batch, too. The network returns a tensor, or something that has one as `logits`.
    """
    import torch

    if isinstance(batch, Mapping) and "labels" in batch:
        inputs, targets = {name: each for name, each in batch.items() if name != "labels"}, batch["labels"]
    elif isinstance(batch, (tuple, list)) and len(batch) == 2:
        inputs, targets = batch
    else:
        raise PathsearchError(
            f"the built-in losses take batches (inputs, targets), not {shown(batch)}: name a function of (model, "
            "batch) of your own in objective.loss"
        )
    if isinstance(inputs, Mapping):
        outputs = model(**inputs)
    else:
        outputs = model(*inputs) if isinstance(inputs, (tuple, list)) else model(inputs)
    logits = outputs.get("logits") if isinstance(outputs, Mapping) else getattr(outputs, "logits", outputs)
    if not isinstance(logits, torch.Tensor) or logits.ndim == 0 or not logits.is_floating_point():
        raise PathsearchError(f"the network must return a tensor of real numbers, it returned {shown(outputs)}")
    if len(logits) != len(targets):
        raise PathsearchError(
            f"the network must return a tensor of shape ({len(targets)}, outputs) for {len(targets)} examples, it "
            f"returned {tuple(logits.shape)}"
        )
    # what has few bits is summed in many
    return (logits.float() if logits.dtype.itemsize < 4 else logits), targets


def _classes(model: nn.Module, batch: Batch) -> tuple[Tensor, Tensor, Any]:
    """Outputs [b, classes, …], classes [b, …], and how many of these count."""
    outputs, targets = outputs_and_targets(model, batch)
    _refuse_shapes(outputs, targets)
    targets = targets.long()
    return outputs, targets, (targets != IGNORED).sum()


def _refuse_shapes(outputs: Tensor, targets: Tensor) -> None:
    """Raise PathsearchError unless the network returned [b, classes, …] for targets [b, …]."""
    if outputs.ndim < 2 or outputs.shape[:1] + outputs.shape[2:] != targets.shape:
        wanted = ", ".join(map(str, (len(targets), "outputs", *targets.shape[1:])))
        raise PathsearchError(
            f"the network must return a tensor of shape ({wanted}) for {len(targets)} examples, it returned "
            f"{tuple(outputs.shape)}"
        )


def cross_entropy(model: nn.Module, batch: Batch) -> tuple[Tensor, Any]:
    """Cross-entropy of outputs [b, classes, …] and classes [b, …]; the class −100 is left out."""
    import torch.nn.functional as F

    outputs, targets, count = _classes(model, batch)
    return F.cross_entropy(outputs, targets, reduction="sum"), count


def mse(model: nn.Module, batch: Batch) -> tuple[Tensor, Any]:
    """Squared error of an example, averaged over its outputs; classes count as 0/1 or one-hot targets."""
    import torch.nn.functional as F

    outputs, targets = outputs_and_targets(model, batch)
    if targets.is_floating_point() or outputs[0].numel() == 1:
        if outputs.numel() != targets.numel():
            raise PathsearchError(
                f"the network must return as many numbers as there are targets: {tuple(targets.shape)}, it returned "
                f"{tuple(outputs.shape)}"
            )
        wanted = targets.to(outputs.dtype).reshape(outputs.shape)
    else:
        wanted = F.one_hot(targets.long(), outputs.shape[1]).to(outputs.dtype)
    return F.mse_loss(outputs, wanted, reduction="sum") / outputs[0].numel(), len(targets)


def binary_cross_entropy(model: nn.Module, batch: Batch) -> tuple[Tensor, Any]:
    """Cross-entropy of logits and targets 0 to 1 of the same size, of which an example may have several."""
    import torch.nn.functional as F

    outputs, targets = _yes_or_no(model, batch)
    return F.binary_cross_entropy_with_logits(outputs, targets.to(outputs.dtype), reduction="sum"), targets.numel()


def _yes_or_no(model: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
    outputs, targets = outputs_and_targets(model, batch)
    if outputs.numel() != targets.numel():
        raise PathsearchError(
            f"the network must return one number for each target: {tuple(targets.shape)}, it returned "
            f"{tuple(outputs.shape)}"
        )
    return outputs.reshape(targets.shape), targets


def next_token(model: nn.Module, batch: Batch) -> tuple[Tensor, Any]:
    """Cross-entropy of each token after those before it; targets −100 are left out.

    A batch is (ids, next ids), [b, T] each, or a tensor ids, or a dictionary with `input_ids`, whose `labels` are ids
    as well: these are shifted here. The network gives logits [b, T, vocabulary].
    """
    import torch.nn.functional as F

    outputs, targets = _tokens(model, batch)
    flat = outputs.reshape(-1, outputs.shape[-1]), targets.reshape(-1)
    return F.cross_entropy(*flat, reduction="sum", ignore_index=IGNORED), (targets != IGNORED).sum()


def _tokens(model: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
    """Logits [b, T, vocabulary] and the ids [b, T] that they are to predict."""
    import torch

    shifted = False
    if isinstance(batch, torch.Tensor):
        batch, shifted = (batch, batch), True
    elif isinstance(batch, Mapping):
        batch, shifted = {**batch, "labels": batch.get("labels", batch.get("input_ids"))}, True
    outputs, targets = outputs_and_targets(model, batch)
    if outputs.ndim != 3 or outputs.shape[:2] != targets.shape:
        raise PathsearchError(
            f"for tokens of shape {tuple(targets.shape)} the network must return logits of shape "
            f"({len(targets)}, {targets.shape[-1]}, vocabulary), it returned {tuple(outputs.shape)}"
        )
    if shifted:
        outputs, targets = outputs[:, :-1], targets[:, 1:]
    return outputs, targets.long()


def _ranked_tokens(model: nn.Module, batch: Batch) -> tuple[Tensor, Tensor, Any]:
    """Logits [b, vocabulary, T], ids [b, T], and how many of these count."""
    outputs, targets = _tokens(model, batch)
    return outputs.transpose(1, 2), targets, (targets != IGNORED).sum()


def _best(model: nn.Module, batch: Batch) -> Guesses:
    outputs, targets, count = _classes(model, batch)
    return outputs.argmax(dim=1), targets, count


def _best_tokens(model: nn.Module, batch: Batch) -> Guesses:
    outputs, targets, count = _ranked_tokens(model, batch)
    return outputs.argmax(dim=1), targets, count


def _odds(model: nn.Module, batch: Batch) -> Guesses:
    """Two classes instead of a logit [b, …]: outputs [b, 2, …] with 0 for the class 0."""
    import torch

    outputs, targets = _yes_or_no(model, batch)
    classes = targets.long()
    if (classes != targets).any():
        raise PathsearchError("a target between 0 and 1 is no class: probabilities are compared with targets 0 or 1")
    return torch.stack([torch.zeros_like(outputs), outputs], dim=1), classes, targets.numel()


def _nearest(model: nn.Module, batch: Batch) -> Guesses:
    """The class whose 0/1 or one-hot target is nearest."""
    outputs, targets = outputs_and_targets(model, batch)
    guesses = (outputs[:, 0] > 0.5).long() if outputs.shape[1] == 1 else outputs.argmax(dim=1)
    return guesses, targets, len(targets)


def _positive(model: nn.Module, batch: Batch) -> Guesses:
    """Whether a logit stands for 1."""
    outputs, targets = _yes_or_no(model, batch)
    return (outputs > 0).long(), (targets > 0.5).long(), targets.numel()


def _width(model: nn.Module, batch: Batch) -> int:
    outputs, targets = outputs_and_targets(model, batch)
    if targets.is_floating_point():
        return outputs.shape[1] if outputs.ndim > 1 else 1
    _refuse_shapes(outputs, targets)
    return outputs.shape[1]


def _vocabulary(model: nn.Module, batch: Batch) -> int:
    return _tokens(model, batch)[0].shape[-1]


@dataclass(frozen=True)
class Loss:
    """A built-in loss, and what goes with it."""

    function: Function
    guessing: Guessing
    """its predicted classes, the targets, and how many of these count"""
    ranking: Guessing | None = None
    """outputs [b, classes, …] in place of the guesses, where their softmax is what the loss takes for probabilities"""
    metric: str = "error"
    """what is measured besides where nobody says otherwise"""
    numbers: bool = False
    """whether targets may be real numbers"""
    one_for_two: bool = False
    """whether one output is enough for two classes"""
    width: Callable[[nn.Module, Batch], int] | None = None
    """how many classes the network tells apart"""
    single: bool = True
    """whether an example has one class, or one number"""


LOSSES = {
    "cross_entropy": Loss(cross_entropy, _best, _classes, width=_width),
    "mse": Loss(mse, _nearest, numbers=True, one_for_two=True, width=_width),
    "binary_cross_entropy": Loss(binary_cross_entropy, _positive, _odds, numbers=True, one_for_two=True),
    "next_token": Loss(next_token, _best_tokens, _ranked_tokens, metric="perplexity", width=_vocabulary, single=False),
}
