"""A loss given as a plain torch function of the weight vector: user callables and analytic surfaces."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from pathsearch.errors import PathsearchError
from pathsearch.numerics.seeds import Key, derive
from pathsearch.objectives.seeding import seeded
from pathsearch.objectives.users_code import errors_named

CALLED = 12  # what a seed is for


class FunctionObjective:
    """Any differentiable function `weights [M] -> loss []`; its one metric is `loss`. called: its name in errors.

    A function that draws random numbers gets the same ones at every call, so its loss depends on the weights alone.
    """

    stochastic = False
    metrics: tuple[str, ...] = ("loss",)
    arithmetic = ("float32", False)
    """precision and whether kernels are deterministic, see `machine.prepare_torch`"""

    def __init__(
        self,
        function: Callable[[torch.Tensor], torch.Tensor],
        size: int,
        dtype: torch.dtype,
        device: torch.device,
        called: str = "the callable",
    ) -> None:
        self.function, self.size, self.dtype, self.device, self.called = function, size, dtype, device, called
        self.table: list[tuple[str, tuple[int, ...]]] = [("weights", (size,))]
        self._seed = derive(CALLED)

    def __repr__(self) -> str:
        name = getattr(self.function, "__name__", type(self.function).__name__)
        kind = str(self.dtype).removeprefix("torch.")
        return f"{type(self).__name__}({name} of {self.size:,} weights, {kind} on {self.device})"

    def loss(self, weights: torch.Tensor, key: Key) -> torch.Tensor:
        with torch.no_grad():
            return self._called(weights)

    def loss_and_gradient(self, weights: torch.Tensor, key: Key) -> tuple[torch.Tensor, torch.Tensor]:
        point = weights.detach().clone().requires_grad_()
        loss = self._called(point)
        if not loss.requires_grad:
            raise PathsearchError(f"{self.called}: its loss does not depend on its weights through torch operations")
        with errors_named(f"the gradient of {self.called}"):
            (gradient,) = torch.autograd.grad(loss, point)
        return loss.detach(), gradient

    def measure(self, weights: torch.Tensor, examples: int | None = None) -> dict[str, float]:
        return {"loss": float(self.loss(weights, Key(0, 0)))}

    def predictions(self, weights: torch.Tensor) -> NDArray[np.int64] | None:
        return None

    def initial(self, seed: int) -> torch.Tensor:
        raise PathsearchError("only networks can be trained from a seed: give endpoints.start and .end as weights")

    def _called(self, weights: torch.Tensor) -> torch.Tensor:
        with seeded(self._seed, self.device), errors_named(self.called):
            loss = self.function(weights)
        if not isinstance(loss, torch.Tensor) or loss.ndim != 0:
            shape = tuple(loss.shape) if isinstance(loss, torch.Tensor) else type(loss).__name__
            raise PathsearchError(f"{self.called} must return a loss of shape (), it returned {shape}")
        if not loss.is_floating_point():
            raise PathsearchError(f"{self.called} must return a real floating-point loss, it returned {loss.dtype}")
        return loss
