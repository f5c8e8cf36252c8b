"""A module that is given weights and state for the time of a pass, and may write to them as it likes."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from pathsearch.errors import PathsearchError
from pathsearch.numerics.seeds import derive
from pathsearch.objectives.memory import allocations
from pathsearch.objectives.parameters import coordinates, tensors_of
from pathsearch.objectives.seeding import seeded
from pathsearch.objectives.tensors import State
from pathsearch.objectives.users_code import errors_named

INITIAL, MEASURING = 4, 5  # what a seed is for


class Carrier:
    """A module in training mode; between passes its tensors are those it was made with.

    A pass finds copies in their place, in the very objects of the module: whatever refers to a parameter sees them, and
    what the pass writes is gone when it ends. `trained` are the parameters that are coordinates; `made` is the state as
    the constructor left it. foreign: whether the module is a user's, which may do anything. called: its name in errors.
    """

    def __init__(self, module: nn.Module, device: torch.device, foreign: bool, called: str) -> None:
        self.module, self._device, self._foreign, self._called = module, device, foreign, called
        tensors = tensors_of(module)
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

    def owner(self, name: str) -> nn.Module:
        """The layer that a tensor of the state belongs to."""
        return self._places[name][0]

    def kind(self, name: str) -> str:
        """What a tensor of the state is called in messages."""
        return f"frozen parameter {name!r}" if name in self.frozen else f"buffer {name!r}"

    def copied(self, weights: Tensor) -> list[Tensor]:
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
            for parameter, part in zip(self.trained.values(), self.copied(weights)):
                parameter.data = part
            for name, each in self._rest.items():
                each.data = state[name].clone()
            try:
                yield
            finally:
                for each, own in self._own:
                    if each.grad_fn is not None:  # the pass wrote a graph into this buffer
                        each.detach_()
                    each.data = own

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
        with errors_named(f"eval() of {self._called}"):
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
        with seeded(seed, self._device, self._foreign) as drawn, errors_named(self._called), allocations():
            yield drawn

    def given(self, inputs: Tensor) -> Tensor:
        """Inputs for a pass: a copy where the network may write to them, so that the next pass has the same."""
        return inputs.clone() if self._foreign else inputs

    def run(self, inputs: Tensor, number: int) -> Any:
        """What the module returns for a chunk of a data set; what it draws follows from the chunk's number."""
        with self.user_code(derive(MEASURING, number)):
            return self.module(self.given(inputs))

    def written(self) -> State:
        """The state as the pass has left it so far."""
        left = {name: held.get(key) for name, (_, held, key) in self._places.items()}
        return {name: torch.empty(0) if each is None else each.detach() for name, each in left.items()}


def built(
    make: Callable[[], Any], seed: int, dtype: torch.dtype, device: torch.device, foreign: bool, called: str
) -> Carrier:
    """The carrier of a network that is made from a seed; raises PathsearchError where `make` makes no module."""
    with seeded(derive(INITIAL, seed), device, foreign):
        module = make()
    if not isinstance(module, nn.Module):
        raise PathsearchError(f"objective.model must make an nn.Module, it made {type(module).__name__}")
    module = module.to(device)
    # of floating-point tensors only: .to(dtype) would make complex ones real
    module = module.double() if dtype == torch.float64 else module.float()
    return Carrier(module.train(), device, foreign, called)
