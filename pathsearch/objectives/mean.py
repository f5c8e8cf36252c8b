"""The mean of a loss, and its gradient, over the pieces of a mini-batch."""

from typing import Any

import torch
from torch import Tensor

from pathsearch.errors import PathsearchError


def nothing_counted(called: str, where: str) -> PathsearchError:
    """The error where a function, `called` so, had nothing to take a mean over."""
    return PathsearchError(f"{called} counted 0 in {where}: it must count something there")


class Mean:
    """The mean over all that several passes counted.

    Gradients are added up in units of the first pass's count: that of one pass alone is the mean's as it is.
    """

    def __init__(self, called: str) -> None:
        self._called = called  # what is counted by, for errors
        self.unit, self._count, self._parts = 1.0, 0.0, 0
        self._sum: Any = 0.0

    def add(self, total: Any, count: Any) -> Tensor:
        """Take in a pass's sum and count; returns what its gradient is to be taken of."""
        if not self._parts:
            self.unit = float(count) or 1.0
        part = torch.as_tensor(total) / self.unit
        self._sum = part.detach() if not self._parts else self._sum.double() + part.detach()
        self._count, self._parts = self._count + float(count), self._parts + 1
        return part

    def scale(self, gradient: Tensor) -> None:
        """Turn a gradient that was added up into the mean's."""
        if self._parts > 1 and self._count:
            gradient.mul_(self.unit / self._count)

    @property
    def value(self) -> Tensor:
        """The mean; raises PathsearchError where nothing was counted."""
        if not self._count:
            raise nothing_counted(self._called, "a mini-batch")
        found: Tensor = self._sum if self._parts == 1 else self._sum * (self.unit / self._count)
        return found
