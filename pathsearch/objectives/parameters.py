"""The tensors of a network: which are coordinates, how these lie in the weight vector, and what all points share."""

import fnmatch
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor, nn

from pathsearch.errors import PathsearchError
from pathsearch.objectives.tensors import State, cast, strided

LISTED = 6  # names in a message


@dataclass(frozen=True)
class Tensors:
    """The tensors of a module by name, tied ones once."""

    trained: dict[str, nn.Parameter]
    """the coordinates"""
    frozen: dict[str, nn.Parameter]
    buffers: dict[str, Tensor]

    @property
    def rest(self) -> State:
        """All that are no coordinates."""
        return {**self.frozen, **self.buffers}


@dataclass(frozen=True)
class Coordinates:
    """The parameters of which a weight vector [size] consists, one after another."""

    table: list[tuple[str, tuple[int, ...]]]
    """names and shapes, in the order of the vector"""
    dtype: torch.dtype
    device: torch.device

    @cached_property
    def names(self) -> list[str]:
        return [name for name, _ in self.table]

    @cached_property
    def sizes(self) -> list[int]:
        return [torch.Size(shape).numel() for _, shape in self.table]

    @property
    def size(self) -> int:
        return sum(self.sizes)

    def parts(self, weights: Tensor) -> list[Tensor]:
        """Views […, *shape] of weight vectors […, size], one for each parameter."""
        parts = weights.split(self.sizes, dim=-1)
        return [part.reshape((*weights.shape[:-1], *shape)) for part, (_, shape) in zip(parts, self.table)]

    def flat(self, named: Mapping[str, Tensor]) -> Tensor:
        """The weight vector [size] of parameters given by name; what else is given is passed over."""
        return torch.cat([named[name].detach().to(self.device, self.dtype).reshape(-1) for name in self.names])


def tensors_of(module: nn.Module, patterns: Sequence[str] | None = None) -> Tensors:
    """Sort a module's tensors; the parameters whose names fit a pattern are coordinates, by default those with
    requires_grad, which then say the same.

    Raises PathsearchError where there are none, one is complex, or a pattern fits none.
    """
    if patterns is not None:
        _select(module, patterns)
    parameters = dict(module.named_parameters())
    trained = {name: each for name, each in parameters.items() if each.requires_grad}
    if not sum(each.numel() for each in trained.values()):
        raise PathsearchError("the network has no parameters that are trained: none has requires_grad")
    for name, parameter in trained.items():
        if parameter.is_complex():
            raise PathsearchError(f"parameter {name!r} is complex: make it real, as by torch.view_as_real")
    frozen = {name: each for name, each in parameters.items() if name not in trained}
    return Tensors(trained, frozen, dict(module.named_buffers()))


def _select(module: nn.Module, patterns: Sequence[str]) -> None:
    """Have a gradient wanted of the parameters whose names fit, a tied one's under any name, and of no others."""
    names = dict(module.named_parameters(remove_duplicate=False))
    if not patterns:
        raise PathsearchError("objective.parameters has no pattern: leave it out for all that have requires_grad")
    for pattern in patterns:
        if not any(fnmatch.fnmatchcase(name, pattern) for name in names):
            raise PathsearchError(
                f"objective.parameters: {pattern!r} fits no parameter of the network: it has {listed(list(names))}"
            )
    fit = {id(each) for name, each in names.items() if any(fnmatch.fnmatchcase(name, one) for one in patterns)}
    for parameter in names.values():
        parameter.requires_grad_(id(parameter) in fit)


def listed(names: Sequence[str]) -> str:
    """Some names, and how many more there are."""
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(map(repr, names[:LISTED])) + more


def coordinates(trained: Mapping[str, Tensor]) -> Coordinates:
    """The coordinates that these parameters are, all of one precision and on one device."""
    first = next(iter(trained.values()))
    return Coordinates([(name, tuple(each.shape)) for name, each in trained.items()], first.dtype, first.device)


def by_all_names(module: nn.Module) -> tuple[dict[str, nn.Parameter], dict[str, Tensor]]:
    """Parameters and buffers of a module, tied ones under each of their names."""
    return dict(module.named_parameters(remove_duplicate=False)), dict(module.named_buffers(remove_duplicate=False))


def saved_names(module: nn.Module) -> list[tuple[str, tuple[int, ...]]]:
    """The names that a module's state_dict may have, with shapes: parameters, then buffers."""
    saved = module.state_dict()
    both = (each for named in by_all_names(module) for each in named.items())
    return [(name, tuple(tensor.shape)) for name, tensor in both if name in saved]


def adopted(values: Mapping[str, Tensor], shared: State, called: Callable[[str], str]) -> State:
    """Those values that have the name of something shared, as tensors of the network's kinds.

    called: what a name is called in errors. Raises PathsearchError where a value does not fit.
    """
    taken: State = {}
    for name, mine in shared.items():
        if name not in values:
            continue
        value = strided(values[name].detach())
        if value.shape != mine.shape:
            shapes = tuple(value.shape), tuple(mine.shape)
            raise PathsearchError(f"{called(name)} has shape {shapes[0]}, the network's has {shapes[1]}")
        if value.is_complex() and not mine.is_complex():
            raise PathsearchError(f"{called(name)} is complex, the network's is not")
        taken[name] = cast(value, mine)
    return taken
