"""Functions of (model, batch) that give (sum, count): what losses and metrics are."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pathsearch.errors import PathsearchError

if TYPE_CHECKING:
    from torch import Tensor, nn

    from pathsearch.objectives.nests import Batch

Function = Callable[["nn.Module", "Batch"], Any]


@dataclass(frozen=True)
class Counted:
    """A function (model, batch) -> (sum, count); `called`: its name in errors.

    finish: what is shown of the mean. higher: whether more of it is better. share: whether it is one of 1. own: whether
    the function is a user's.
    """

    function: Function
    called: str
    finish: Callable[[float], float] = float
    higher: bool = False
    share: bool = False
    own: bool = False

    def __call__(self, model: nn.Module, batch: Batch) -> tuple[Tensor, Any]:
        """The sum [] and the count; raises PathsearchError where the function gives something else, or fails."""
        found = self._named(model, batch) if self.own else self.function(model, batch)
        if not isinstance(found, tuple) or len(found) != 2:
            raise PathsearchError(
                f"{self.called} must return (sum, count), the sum over what it counts and how many there were, it "
                f"returned {shown(found)}"
            )
        total, count = self._single(found[0], "sum"), found[1]
        number = float(self._single(count, "count"))
        if not 0 <= number < math.inf:
            raise PathsearchError(f"{self.called} counted {number:g}: it must return (sum, count), a number of things")
        return total, count

    def _named(self, model: nn.Module, batch: Batch) -> Any:
        from pathsearch.objectives.users_code import errors_named

        with errors_named(self.called):
            return self.function(model, batch)

    def _single(self, value: Any, what: str) -> Any:
        """A number as it is, or as a tensor []."""
        import torch

        if isinstance(value, (int, float)):
            return value
        if type(value).__module__ == "numpy" and getattr(value, "ndim", 1) == 0:
            return value.item()
        if not isinstance(value, torch.Tensor) or value.numel() != 1:
            raise PathsearchError(
                f"{self.called} must return (sum, count), two single numbers: its {what} is {shown(value)}"
            )
        return value.reshape(())


def shown(value: Any) -> str:
    """What a value is, in few words."""
    if hasattr(value, "shape"):
        return f"a {type(value).__name__} of shape {tuple(value.shape)}"
    if isinstance(value, (tuple, list)):
        return f"a {type(value).__name__} of {len(value)}"
    return f"a {type(value).__name__}"
