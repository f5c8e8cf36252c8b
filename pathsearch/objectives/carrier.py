"""A module that is given weights and state for the time of a pass, and may write to them as it likes."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from pathsearch.objectives.memory import allocations
from pathsearch.objectives.seeding import seeded
from pathsearch.objectives.users_code import errors_named

State = dict[str, Tensor]
"""All tensors of a module that are no coordinates, by name: parameters without requires_grad, then buffers."""


class Carrier:
    """A module in training mode; between passes its tensors are those it was made with.

    A pass has copies in their place, in the very objects of the module: whatever refers to a parameter sees them, and
    what the pass writes is gone with it. `trained` are the parameters with requires_grad, tied ones once; `made` is
    the state as the constructor left it. foreign: whether the module is a user's, which may do anything. `called`: how
    errors name it.
    """

    def __init__(self, module: nn.Module, device: torch.device, foreign: bool, called: str) -> None:
        self.module, self._device, self._foreign, self._called = module, device, foreign, called
        parameters = dict(module.named_parameters())
        self.trained = {name: each for name, each in parameters.items() if each.requires_grad}
        self.frozen = [name for name in parameters if name not in self.trained]
        self._rest: dict[str, Tensor] = {**{n: parameters[n] for n in self.frozen}, **dict(module.named_buffers())}
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
        """A copy of a weight vector, in parts that are shaped as the parameters; the same memory every time."""
        if self._room is None or self._room.dtype != weights.dtype:
            self._room = torch.empty_like(weights)
        self._room.copy_(weights.detach())
        parts = self._room.split([each.numel() for each in self.trained.values()])
        # .data, unlike a view, counts its own versions: parameters know nothing of writes to each other
        return [part.view(each.shape).data for part, each in zip(parts, self.trained.values())]

    @contextmanager
    def holding(self, weights: Tensor, state: State) -> Iterator[None]:
        """The module with copies of these; a gradient is to be taken while it holds them."""
        with self.restored():
            for parameter, part in zip(self.trained.values(), self.copied(weights)):
                parameter.data = part
            for name, each in self._rest.items():
                each.data = state[name].clone()
            try:
                yield
            finally:
                for each, own in self._own:
                    if each.grad_fn is not None:  # a buffer that a graph was written into
                        each.detach_()
                    each.data = own

    @contextmanager
    def restored(self) -> Iterator[None]:
        """The module has its own parameters and buffers afterwards, and no others, whatever a pass put there."""
        try:
            yield
        finally:
            for held, own in self._slots:
                held.clear()
                held.update(own)

    @contextmanager
    def measuring(self, layers: Sequence[nn.Module] = ()) -> Iterator[None]:
        """Evaluation mode, entered with the weights in place as a user would; `layers` stay in training mode."""
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
        """Seed the generators and name the network in errors; gives a function that tells whether it drew numbers."""
        with seeded(seed, self._device, self._foreign) as drawn, errors_named(self._called), allocations():
            yield drawn

    def given(self, inputs: Tensor) -> Tensor:
        """Inputs for a pass, its own where the network may write to them: the next pass has the same."""
        return inputs.clone() if self._foreign else inputs

    def run(self, inputs: Tensor, seed: int) -> Any:
        """What the module returns, with all that is drawn following from a seed."""
        with self.user_code(seed):
            return self.module(self.given(inputs))

    def written(self) -> State:
        """The state as a pass has left it so far."""
        left = {name: held.get(key) for name, (_, held, key) in self._places.items()}
        return {name: torch.empty(0) if each is None else each.detach() for name, each in left.items()}


def same(a: Tensor, b: Tensor) -> bool:
    """Whether two tensors hold the same numbers, of whatever kind; what is not a number equals itself."""
    a, b = dense(a), dense(b)
    return a.shape == b.shape and bool(((a == b) | ((a != a) & (b != b))).all())


def dense(tensor: Tensor) -> Tensor:
    """A tensor without its gaps."""
    return tensor if tensor.layout == torch.strided else tensor.to_dense()


def cast(value: Tensor, like: Tensor) -> Tensor:
    """A value as another tensor is: its precision, device and layout."""
    value = value.to(like.device, like.dtype)
    return value if like.layout == torch.strided else value.to_sparse(layout=like.layout)
