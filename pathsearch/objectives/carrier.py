"""A module that is given weights and state for the time of a pass, and may write to them as it likes."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from pathsearch.errors import PathsearchError
from pathsearch.numerics.seeds import derive
from pathsearch.objectives.memory import allocations
from pathsearch.objectives.nests import Batch, copied
from pathsearch.objectives.parameters import coordinates, tensors_of
from pathsearch.objectives.seeding import seeded
from pathsearch.objectives.tensors import State
from pathsearch.objectives.users_code import errors_named

INITIAL, MEASURING = 4, 5  # what a seed is for


@dataclass(frozen=True)
class Handling:
    """How a network is dealt with.

    foreign: whether it, or a function that is given it, is a user's, which may do anything. called: its name in errors.
    parameters: patterns of those that are coordinates. precision: as in a configuration.
    """

    foreign: bool
    called: str
    parameters: tuple[str, ...] | None = None
    precision: str = "float32"


class Carrier:
    """A module in training mode; between passes its tensors are those it was made with.

    A pass finds copies in their place, in the very objects of the module: whatever refers to a parameter sees them, and
    what the pass writes is gone when it ends. `trained` are the parameters that are coordinates; `made` is the state as
    the constructor left it.
    """

    def __init__(self, module: nn.Module, device: torch.device, how: Handling) -> None:
        self.module, self._device, self._how = module, device, how
        if how.precision == "bfloat16":
            module.register_forward_hook(lambda part, given, outputs: _of_many_bits(outputs))
        tensors = tensors_of(module, how.parameters)
        self.trained, self.frozen, self._rest = tensors.trained, tensors.frozen, tensors.rest
        self.coordinates = coordinates(self.trained)
        self.made: State = {name: each.data for name, each in self._rest.items()}
        self._own = [(each, each.data) for each in (*self.trained.values(), *self._rest.values())]
        names = {id(each): name for name, each in self._rest.items()}
        self._slots: list[tuple[dict[str, Any], dict[str, Any]]] = []
        self._places: dict[str, tuple[nn.Module, dict[str, Any], str]] = {}
        for part in module.modules():
            held: dict[str, Any]
            for held in (part._parameters, part._buffers):
                self._slots.append((held, dict(held)))
                for key, each in held.items():
                    if id(each) in names:
                        self._places.setdefault(names[id(each)], (part, held, key))
        self._room: Tensor | None = None
        self.unwritten: frozenset[str] = frozenset()
        """What no pass writes to, so that a pass needs no copy of it; it may be large."""

    def owner(self, name: str) -> nn.Module:
        """The layer that a tensor of the state belongs to."""
        return self._places[name][0]

    def kind(self, name: str) -> str:
        """What a tensor of the state is called in messages."""
        return f"frozen parameter {name!r}" if name in self.frozen else f"buffer {name!r}"

    def placed(self, weights: Tensor) -> list[Tensor]:
        """A copy of a weight vector, in parts that have the parameters' shapes; in the same memory every time."""
        if self._room is None or self._room.dtype != weights.dtype:
            self._room = torch.empty_like(weights)
        self._room.copy_(weights.detach())
        # .data, unlike a view, counts its own versions: autograd takes no write to one part for a write to another
        return [part.data for part in self.coordinates.parts(self._room)]

    @contextmanager
    def holding(self, weights: Tensor, state: State) -> Iterator[None]:
        """Let the module hold copies of these; a gradient has to be taken while it holds them."""
        with self.restored():
            for parameter, part in zip(self.trained.values(), self.placed(weights)):
                parameter.data = part
            for name, each in self._rest.items():
                each.data = state[name] if name in self.unwritten else state[name].clone()
            try:
                yield
            finally:
                for each, own in self._own:
                    if each.grad_fn is not None:  # the pass wrote a graph into this buffer
                        each.detach_()
                    each.data = own

    def settled(self, weights: Tensor, state: State) -> nn.Module:
        """The module, in evaluation mode, with copies of these as its own; it is the caller's from then on."""
        for parameter, part in zip(self.trained.values(), self.coordinates.parts(weights)):
            parameter.data = part.clone()
        for name, each in self._rest.items():
            each.data = state[name].clone()
        with errors_named(f"eval() of {self._how.called}"):
            return self.module.eval()

    @contextmanager
    def adding_to(self, gradient: Tensor) -> Iterator[None]:
        """Let backward passes add to a vector [size], which lies where a gradient is wanted: nothing is copied."""
        try:
            for parameter, part in zip(self.trained.values(), self.coordinates.parts(gradient)):
                parameter.grad = part
            yield
        finally:
            for parameter in self.trained.values():
                parameter.grad = None

    @contextmanager
    def restored(self) -> Iterator[None]:
        """Give the module its own parameters and buffers back afterwards, and no others, whatever a pass put there."""
        try:
            yield
        finally:
            for held, own in self._slots:
                held.clear()
                held.update(own)

    @contextmanager
    def evaluating(self, layers: Sequence[nn.Module] = ()) -> Iterator[None]:
        """Put the module into evaluation mode, as a user would with the weights in place; `layers` keep training."""
        with errors_named(f"eval() of {self._how.called}"):
            self.module.eval()
        for layer in layers:
            layer.training = True  # not .train(): dropout below it stays off
        try:
            yield
        finally:
            self.module.train()

    @contextmanager
    def user_code(self, seed: int) -> Iterator[Callable[[], bool]]:
        """Seed the generators, name the network in errors; gives a function that tells whether numbers were drawn."""
        with seeded(seed, self._device, self._how.foreign) as drawn, errors_named(self._how.called), allocations():
            yield drawn

    def given(self, batch: Batch) -> Batch:
        """A batch for a pass: a copy where the network may write to it, so that the next pass has the same."""
        return copied(batch) if self._how.foreign else batch

    @contextmanager
    def rounding(self) -> Iterator[None]:
        """Compute as the precision says; what casts autocast keeps is gone afterwards, for weights change."""
        if self._how.precision == "bfloat16":
            with torch.autocast(self._device.type, torch.bfloat16):
                yield
        else:
            yield

    def of(self, function: Callable[[nn.Module, Batch], Any], batch: Batch, seed: int) -> Any:
        """What a function of (model, batch) gives; the only way in which the network meets data."""
        with self.user_code(seed), self.rounding():
            return function(self.module, self.given(batch))

    def measured(self, function: Callable[[nn.Module, Batch], Any], batch: Batch, number: int) -> Any:
        """The same for a chunk of a data set; what is drawn follows from the chunk's number."""
        return self.of(function, batch, derive(MEASURING, number))

    def written(self) -> State:
        """The state as the pass has left it so far."""
        left = {name: held.get(key) for name, (_, held, key) in self._places.items()}
        return {name: torch.empty(0) if each is None else each.detach() for name, each in left.items()}


def _of_many_bits(outputs: Any) -> Any:
    """What a network returns, with 32 bits a number: losses are sums of many."""
    if isinstance(outputs, Tensor):
        return outputs.float() if outputs.dtype in (torch.bfloat16, torch.float16) else outputs
    if type(outputs) in (tuple, list):
        return type(outputs)(_of_many_bits(each) for each in outputs)
    if type(outputs) is dict:
        return {name: _of_many_bits(each) for name, each in outputs.items()}
    return outputs


def built(make: Callable[[], Any], seed: int, dtype: torch.dtype, device: torch.device, how: Handling) -> Carrier:
    """The carrier of a network that is made from a seed; raises PathsearchError where `make` makes no module."""
    with seeded(derive(INITIAL, seed), device, how.foreign):
        module = make()
    if not isinstance(module, nn.Module):
        raise PathsearchError(f"objective.model must make an nn.Module, it made {type(module).__name__}")
    module = module.to(device)
    # of floating-point tensors only: .to(dtype) would make complex ones real
    module = module.double() if dtype == torch.float64 else module.float()
    return Carrier(module.train(), device, how)
