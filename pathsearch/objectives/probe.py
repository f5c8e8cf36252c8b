"""Passes over a few examples, which show what a network does."""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call

from pathsearch.errors import PathsearchError
from pathsearch.numerics.seeds import derive
from pathsearch.objectives.carrier import Carrier
from pathsearch.objectives.counted import Function
from pathsearch.objectives.nests import Batch, leaves, mapped
from pathsearch.objectives.tensors import State, strided

PROBE = 6  # what a seed is for
SPREAD = 0.3  # of weights around the untrained ones, in units of a layer's usual scale
CLOSE = 1e-5  # of the largest element: outputs that differ by less count as equal, for GPUs add in any order


class Seen(NamedTuple):
    """What a pass gave: the network's outputs, the loss and its count; the state it left; whether it drew numbers."""

    outputs: list[Tensor]
    left: State
    drew: bool


class Probe:
    """A network at weights near its untrained ones: not at these, where a layer of zeros would hide those before it."""

    def __init__(self, carrier: Carrier, loss: Function, batch: Batch, smaller: Batch) -> None:
        self.carrier, self.loss, self.batch, self.smaller = carrier, loss, batch, smaller
        flat, trained = carrier.coordinates.flat, carrier.trained
        self.weights = flat({name: _near(each.detach(), seed) for seed, (name, each) in enumerate(trained.items())})
        if not all(each.isfinite().all() for each in self.look(carrier.made).outputs):
            self.weights = flat(trained)

    def look(
        self,
        state: State,
        seed: int = 0,
        layers: Sequence[nn.Module] | None = None,
        dtype: torch.dtype | None = None,
        half: bool = False,
    ) -> Seen:
        """A pass over all examples, or the smaller batch. Raises PathsearchError where the network fails.

        layers: None for training mode, else evaluation mode with these layers in training mode. dtype: None for the
        network's own.
        """
        batch, weights = self.smaller if half else self.batch, self.weights
        if dtype is not None:
            batch, weights = mapped(batch, lambda each: _wide(each, dtype)), weights.to(dtype)
            state = {name: _wide(each, dtype) for name, each in state.items()}
        carrier = self.carrier
        mode = nullcontext() if layers is None else carrier.evaluating(layers)
        with torch.no_grad(), carrier.holding(weights, state), mode, carrier.user_code(seed) as drawn:
            outputs = self._outputs(carrier.module, lambda: self.loss(carrier.module, carrier.given(batch)))
            return Seen(outputs, carrier.written(), drawn())

    def _outputs(self, module: nn.Module, run: Callable[[], Any]) -> list[Tensor]:
        """What the network returned while a loss was worked out, and the loss: outputs that differ show more."""
        seen: list[Tensor] = []
        hook = module.register_forward_hook(lambda part, given, outputs: seen.extend(leaves(outputs)))
        try:
            total, count = run()
        finally:
            hook.remove()
        return [each.detach().clone() for each in (*seen, *map(torch.as_tensor, (total, count)))]

    def stateless(self) -> bool:
        """Whether the network works with other tensors in place of its own parameters, as vmap needs it."""
        carrier = self.carrier
        wanted = self.look(carrier.made).outputs
        parts = carrier.coordinates.parts(self.weights.clone())
        copies = {**dict(zip(carrier.trained, parts)), **{name: each.clone() for name, each in carrier.made.items()}}
        tasked = Tasked(carrier.module, self.loss)
        other = torch.zeros_like(self.weights)  # the module's own parameters meanwhile
        try:
            with torch.no_grad(), carrier.holding(other, carrier.made), carrier.user_code(0):
                batch = carrier.given(self.batch)
                outputs = self._outputs(carrier.module, lambda: functional_call(tasked, tasked.names(copies), (batch,)))
                return not differ(outputs, wanted)
        except PathsearchError:
            return False


class Tasked(nn.Module):
    """A loss as a module, so that torch can carry it out with other tensors in place of the network's."""

    def __init__(self, model: nn.Module, loss: Function) -> None:
        super().__init__()
        self.model, self._loss = model, loss

    def forward(self, batch: Batch) -> Any:
        return self._loss(self.model, batch)

    @staticmethod
    def names(tensors: State) -> State:
        """Tensors of the network by their names in this module."""
        return {f"model.{name}": each for name, each in tensors.items()}


def differ(some: list[Tensor], others: list[Tensor]) -> bool:
    """Whether outputs differ by more than another order of additions can make."""
    return len(some) != len(others) or any(map(_differ, some, others))


def _differ(a: Tensor, b: Tensor) -> bool:
    a, b = strided(a), strided(b)
    if a.shape != b.shape or a.dtype != b.dtype:
        return True
    if not (a.is_floating_point() or a.is_complex()):
        return not torch.equal(a, b)
    scale = float(b.abs().nan_to_num().max()) if b.numel() else 0.0
    return not torch.allclose(a, b, rtol=0, atol=CLOSE * scale, equal_nan=True)


def _near(part: Tensor, seed: int) -> Tensor:
    noise = torch.randn(part.shape, generator=torch.Generator().manual_seed(derive(PROBE, seed)), dtype=part.dtype)
    return part + SPREAD / (part[0].numel() if part.ndim > 1 else 10) ** 0.5 * noise.to(part.device)


def _wide(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    return tensor.to(dtype) if tensor.is_floating_point() else tensor
