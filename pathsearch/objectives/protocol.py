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
    """Names of what `measure` returns; the search is for the saddle of the first one."""
    table: list[tuple[str, tuple[int, ...]]]
    """Names and shapes of the parameters, in the order of the vector."""

    def loss(self, weights: torch.Tensor, key: Key) -> torch.Tensor:
        """The loss [] that is minimised."""

    def loss_and_gradient(self, weights: torch.Tensor, key: Key) -> tuple[torch.Tensor, torch.Tensor]:
        """The loss [] that is minimised and its gradient [size]."""

    def measure(self, weights: torch.Tensor, examples: int | None = None) -> dict[str, float]:
        """Every metric, exactly, on all data or a fixed part of them; examples: on so many of that part at most."""

    def predictions(self, weights: torch.Tensor) -> NDArray[np.int64] | None:
        """Predicted classes of the test set, or None."""

    def initial(self, seed: int) -> torch.Tensor:
        """Untrained weights from a seed; raises PathsearchError where the objective has none."""


def remarked(objective: Objective) -> list[str]:
    """The lines for the user that an objective has kept since the last call; empty where it keeps none."""
    kept: list[str] = getattr(objective, "remarks", [])
    lines = list(kept)
    kept.clear()
    return lines
