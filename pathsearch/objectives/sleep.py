"""A loss that only takes time, in place of a GPU: the rest of a step is coordination."""

import time

import torch

from pathsearch.numerics.seeds import Key
from pathsearch.objectives.function import FunctionObjective


class SleepObjective(FunctionObjective):
    """Sleeps `seconds` for each gradient; the loss is the square of the first weight."""

    def __init__(self, size: int, seconds: float, dtype: torch.dtype, device: torch.device) -> None:
        super().__init__(lambda weights: weights[0] ** 2, size, dtype, device)
        self.seconds = seconds
        self._gradient = torch.zeros(size, dtype=dtype, device=device)

    def loss_and_gradient(self, weights: torch.Tensor, key: Key) -> tuple[torch.Tensor, torch.Tensor]:
        time.sleep(self.seconds)
        self._gradient[0] = 2.0 * weights[0]
        return self.loss(weights, key), self._gradient
