"""What a network is to do: its loss on a batch, and what else is measured of it, built in or a user's own.

Each is a function of (model, batch) that gives (sum, count): a sum over whatever is counted (examples, tokens, pairs)
and how many there were, so that parts of a data set add up exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pathsearch.errors import PathsearchError
from pathsearch.objectives.counted import Counted, Function
from pathsearch.objectives.losses import LOSSES, Guessing
from pathsearch.objectives.metrics import METRICS

if TYPE_CHECKING:
    from torch import nn

    from pathsearch.objectives.nests import Batch


@dataclass(frozen=True)
class Task:
    """A loss, what else is measured, and how classes are predicted; None where nothing predicts one an example."""

    loss: Counted
    metrics: Mapping[str, Counted] = field(default_factory=dict)
    guessing: Guessing | None = None
    single: bool = False
    """whether an example has one class, or one number"""
    numbers: bool = True
    """whether targets may be real numbers"""
    one_for_two: bool = False
    """whether one output is enough for two classes"""
    width: Callable[[nn.Module, Batch], int] | None = None
    """how many classes the network tells apart"""
    counted: str = "classes"
    """what the network has an output for each of"""

    def outputs(self, classes: int) -> int:
        """How many outputs a network needs for so many classes; real targets count as one class."""
        return 1 if self.one_for_two and classes <= 2 else classes


def task(loss: Any, metrics: Mapping[str, Any] | None, find: Callable[[str, str], Function]) -> Task:
    """The task of a loss and metrics, names or functions; metrics None for those that go with the loss.

    find: gives a user's function for its import string and the option's name. A metric of a user's that has a true
    attribute `higher_is_better` is taken at its word. Raises PathsearchError where names do not go together.
    """
    known = LOSSES.get(loss) if isinstance(loss, str) else None
    counted = Counted(known.function, f"objective.loss {loss}") if known else _own(loss, "objective.loss", find)
    # a user's loss has outputs like those of cross-entropy, if built-in metrics are asked for
    beside = known or LOSSES["cross_entropy"]
    found = {
        name: METRICS[each](beside) if each in METRICS else _own(each, f"objective.metrics.{name}", find)
        for name, each in metrics_of(loss, metrics).items()
    }
    if known is None:
        return Task(counted, found)
    guessing = known.guessing if known.single else None
    named = "classes" if known.single else "token ids"
    return Task(counted, found, guessing, known.single, known.numbers, known.one_for_two, known.width, named)


def metrics_of(loss: Any, metrics: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """What is measured besides the loss, by name; metrics None for those that go with the loss."""
    if metrics is not None:
        return metrics
    known = LOSSES.get(loss) if isinstance(loss, str) else None
    return {known.metric: known.metric} if known else {}


def columns(metrics: Iterable[str]) -> tuple[str, ...]:
    """Names of all that is measured of a network: of each set the loss and these metrics; the loss with its decay."""
    names = ("loss", *metrics)
    return (*(f"{split}_{name}" for split in ("train", "test") for name in names), "train_loss_l2")


def _own(given: Any, option: str, find: Callable[[str, str], Function]) -> Counted:
    """A user's function: itself, or its import string."""
    function = find(given, option) if isinstance(given, str) else given
    named = given if isinstance(given, str) else getattr(given, "__name__", type(given).__name__)
    if isinstance(function, type):
        raise PathsearchError(f"{option} {named} is a class, and must be a function of (model, batch)")
    return Counted(function, f"{option} {named}", higher=bool(getattr(function, "higher_is_better", False)), own=True)
