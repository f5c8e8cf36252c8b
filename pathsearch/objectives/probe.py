"""Passes over a few examples, which show what a network does."""

from collections.abc import Sequence
from contextlib import nullcontext
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call

from pathsearch.errors import PathsearchError
from pathsearch.numerics.seeds import derive
from pathsearch.objectives.carrier import Carrier
from pathsearch.objectives.tensors import State, strided

PROBE = 6  # what a seed is for
SPREAD = 0.3  # of weights around the untrained ones, in units of a layer's usual scale
CLOSE = 1e-5  # of the largest element: outputs that differ by less count as equal, for GPUs add in any order


class Seen(NamedTuple):
    """What a pass gave: outputs [b, …], the state it left, whether it drew random numbers."""

    outputs: Tensor
    left: State
    drew: bool


class Probe:
    """A network at weights near its untrained ones: not at these, where a layer of zeros would hide those before it."""

    def __init__(self, carrier: Carrier, inputs: Tensor) -> None:
        self.carrier, self.inputs = carrier, inputs
        flat, trained = carrier.coordinates.flat, carrier.trained
        self.weights = flat({name: _near(each.detach(), seed) for seed, (name, each) in enumerate(trained.items())})
        if not self.look(carrier.made).outputs.isfinite().all():
            self.weights = flat(trained)

    def look(
        self,
        state: State,
        seed: int = 0,
        layers: Sequence[nn.Module] | None = None,
        dtype: torch.dtype | None = None,
        half: bool = False,
    ) -> Seen:
        """A pass over all examples, or half of them. Raises PathsearchError where the network fails.

        layers: None for training mode, else evaluation mode with these layers in training mode. dtype: None for the
        network's own.
        """
        inputs = self.inputs[: len(self.inputs) // 2] if half and len(self.inputs) > 3 else self.inputs
        weights = self.weights
        if dtype is not None:
            inputs, weights = _wide(inputs, dtype), weights.to(dtype)
            state = {name: _wide(each, dtype) for name, each in state.items()}
        carrier = self.carrier
        mode = nullcontext() if layers is None else carrier.evaluating(layers)
        with torch.no_grad(), carrier.holding(weights, state), mode, carrier.user_code(seed) as drawn:
            outputs = carrier.module(carrier.given(inputs))
            if not isinstance(outputs, Tensor):
                raise PathsearchError(
                    f"in training mode the network must return a tensor, it returned {type(outputs).__name__}"
                )
            return Seen(outputs.detach(), carrier.written(), drawn())

    def stateless(self) -> bool:
        """Whether the network works with other tensors in place of its own parameters, as vmap needs it."""
        carrier = self.carrier
        wanted = self.look(carrier.made).outputs
        parts = carrier.coordinates.parts(self.weights.clone())
        copies = {**dict(zip(carrier.trained, parts)), **{name: each.clone() for name, each in carrier.made.items()}}
        other = torch.zeros_like(self.weights)  # the module's own parameters meanwhile
        try:
            with torch.no_grad(), carrier.holding(other, carrier.made), carrier.user_code(0):
                return not differ(functional_call(carrier.module, copies, (carrier.given(self.inputs),)), wanted)
        except PathsearchError:
            return False


def differ(a: Tensor, b: Tensor) -> bool:
    """Whether outputs differ by more than another order of additions can make."""
    a, b = strided(a).detach(), strided(b).detach()
    if a.shape != b.shape:
        return True
    scale = float(b.abs().nan_to_num().max()) if b.numel() else 0.0
    return not torch.allclose(a, b, rtol=0, atol=CLOSE * scale, equal_nan=True)


def _near(part: Tensor, seed: int) -> Tensor:
    noise = torch.randn(part.shape, generator=torch.Generator().manual_seed(derive(PROBE, seed)), dtype=part.dtype)
    return part + SPREAD / (part[0].numel() if part.ndim > 1 else 10) ** 0.5 * noise.to(part.device)


def _wide(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    return tensor.to(dtype) if tensor.is_floating_point() else tensor
