"""What is minimised: a loss and its gradient on a flat weight vector."""

from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from pathsearch.numerics.seeds import Key


class Objective(Protocol):
    """A loss on weight vectors [size]."""

    size: int
    dtype: torch.dtype
    device: torch.device
    stochastic: bool
    """Whether `loss` depends on its key."""
    metrics: tuple[str, ...]
    """Names of what `measure` returns; the first one is the loss whose saddle is sought."""
    table: list[tuple[str, tuple[int, ...]]]
    """Names and shapes of the parameters, in the order of the vector."""

    def loss(self, weights: torch.Tensor, key: Key) -> torch.Tensor:
        """The loss [] that is minimised."""

    def loss_and_gradient(self, weights: torch.Tensor, key: Key) -> tuple[torch.Tensor, torch.Tensor]:
        """The loss [] that is minimised and its gradient [size]."""

    def measure(self, weights: torch.Tensor) -> dict[str, float]:
        """Every metric, exactly, on all there is to measure on."""

    def predictions(self, weights: torch.Tensor) -> NDArray[np.int64] | None:
        """Predicted classes of the test set, or None."""

    def initial(self, seed: int) -> torch.Tensor:
        """Untrained weights from a seed; raises PathsearchError where there is no such thing."""


def remarked(objective: Objective) -> list[str]:
    """Lines worth telling the user that an objective has kept since this was last asked, if it keeps any."""
    kept: list[str] = getattr(objective, "remarks", [])
    lines = list(kept)
    kept.clear()
    return lines
