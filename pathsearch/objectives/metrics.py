"""The built-in metrics: a metric is a function, and a line of the table at the end."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pathsearch.errors import PathsearchError
from pathsearch.objectives.counted import Counted, Function
from pathsearch.objectives.losses import IGNORED, Guessing, Loss, next_token

if TYPE_CHECKING:
    from torch import Tensor, nn

    from pathsearch.objectives.nests import Batch


def wrong(guessing: Guessing) -> Function:
    """How many targets are predicted wrongly."""

    def counted(model: nn.Module, batch: Batch) -> tuple[Tensor, Any]:
        guesses, targets, count = guessing(model, batch)
        return ((guesses != targets) & (targets != IGNORED)).sum(), count

    return counted


def right(guessing: Guessing) -> Function:
    """How many targets are predicted as they are."""

    def counted(model: nn.Module, batch: Batch) -> tuple[Tensor, Any]:
        guesses, targets, count = guessing(model, batch)
        return (guesses == targets).sum(), count

    return counted


def among_five(ranking: Guessing) -> Function:
    """How many targets are among the five classes of the largest outputs."""

    def counted(model: nn.Module, batch: Batch) -> tuple[Tensor, Any]:
        outputs, targets, count = ranking(model, batch)
        best = outputs.topk(min(5, outputs.shape[1]), dim=1).indices
        return (best == targets[:, None]).any(dim=1).sum(), count

    return counted


def _perplexity(mean: float) -> float:
    return math.exp(mean) if mean < 700 else math.inf


def _error(loss: Loss) -> Counted:
    return Counted(wrong(loss.guessing), "the error", share=True)


def _accuracy(loss: Loss) -> Counted:
    return Counted(right(loss.guessing), "the accuracy", higher=True, share=True)


def _top5(loss: Loss) -> Counted:
    if loss.ranking is None or loss.one_for_two:
        raise PathsearchError("objective.metrics: top5 goes with the losses cross_entropy and next_token")
    return Counted(among_five(loss.ranking), "top5", higher=True, share=True)


def _of_tokens(loss: Loss) -> Counted:
    return Counted(next_token, "the perplexity", finish=_perplexity)


METRICS: dict[str, Callable[[Loss], Counted]] = {
    "error": _error,
    "accuracy": _accuracy,
    "top5": _top5,
    "perplexity": _of_tokens,
}
