"""A loss that only takes time, standing in for a GPU: what is left of a step is coordination."""

import time

import torch

from pathsearch.numerics.seeds import Key
from pathsearch.objectives.function import FunctionObjective


class SleepObjective(FunctionObjective):
    """Sleeps `seconds` for each gradient; weights lie in a bowl along the first of them."""

    def __init__(self, size: int, seconds: float, dtype: torch.dtype, device: torch.device) -> None:
        super().__init__(lambda weights: weights[0] ** 2, size, dtype, device)
        self.seconds = seconds
        self._gradient = torch.zeros(size, dtype=dtype, device=device)

    def loss_and_gradient(self, weights: torch.Tensor, key: Key) -> tuple[torch.Tensor, torch.Tensor]:
        time.sleep(self.seconds)
        self._gradient[0] = 2.0 * weights[0]
        return self.loss(weights, key), self._gradient
