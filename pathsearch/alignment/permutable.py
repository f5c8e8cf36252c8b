"""A network whose units are to be permuted: what it does with its tensors, on a few examples, in float64 on the CPU."""

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from inspect import signature
from typing import Any

from torch import Tensor, nn
from torch.func import functional_call
from torch.utils._pytree import tree_flatten, tree_unflatten

from pathsearch.alignment.symmetries import Traced, found
from pathsearch.alignment.trace import Function
from pathsearch.alignment.wide import in_float64, wide
from pathsearch.errors import PathsearchError, described


@dataclass(frozen=True)
class Permutable:
    """A function of tensors by name and of inputs, see `trace.Function`, and those that it is looked at with.

    free: names of the tensors whose units may be permuted; statistics: those that follow them. training: what the
    network does in training mode without dropout, where that is something else.
    """

    function: Function
    tensors: dict[str, Tensor]
    inputs: list[Tensor]
    free: tuple[str, ...]
    statistics: tuple[str, ...] = ()
    training: Function | None = None

    def traced(self, say: Callable[[str], None] = lambda line: None) -> Traced:
        """Its symmetries; raises PathsearchError where it cannot be traced."""
        return found(self.function, self.tensors, self.inputs, self.free, self.statistics, say)


def permutable(module: nn.Module, inputs: Any) -> Permutable:
    """A module by itself, called with these inputs: a tensor, a tuple or list of them, or a mapping of them by name,
    which may hold others. Parameters with requires_grad are free, all where none has; statistics of torch's norms
    follow.

    Raises PathsearchError where the module cannot be copied, or has a parameter that is no real number.
    """
    try:
        copy = deepcopy(module).cpu().double()  # complex buffers stay complex
    except Exception as error:
        raise PathsearchError(f"the {type(module).__name__} cannot be copied: {described(error)}") from error
    refuse_unreal(dict(copy.named_parameters()))
    parameters = {name: each.detach() for name, each in copy.named_parameters()}
    buffers = {name: each.detach() for name, each in copy.named_buffers()}
    norms = {name for name, part in copy.named_modules() if isinstance(part, nn.modules.batchnorm._NormBase)}
    statistics = [
        name for name in buffers if name.rpartition(".")[0] in norms and name.endswith(("running_mean", "running_var"))
    ]
    leaves, structure = tree_flatten(_arguments(copy, inputs))
    places = [n for n, each in enumerate(leaves) if isinstance(each, Tensor)]
    trains = deepcopy(copy)

    def called(part: nn.Module, tensors: dict[str, Tensor], given: list[Tensor]) -> Any:
        new = list(leaves)
        for place, each in zip(places, given):
            new[place] = each
        return functional_call(part, tensors, *tree_unflatten(new, structure))

    learned = [name for name, each in copy.named_parameters() if each.requires_grad]
    return Permutable(
        in_float64(lambda tensors, given: called(copy.eval(), tensors, given)),
        {**parameters, **buffers},
        [wide(leaves[place]) for place in places],
        tuple(learned or parameters),
        tuple(statistics),
        in_float64(lambda tensors, given: called(training(trains), tensors, given)) if norms else None,
    )


def _arguments(module: nn.Module, inputs: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """What a module is called with, by place and by name; a mapping whose names it has not is its one input."""
    if isinstance(inputs, Mapping):
        try:
            signature(module.forward).bind(**inputs)
        except TypeError:
            return (inputs,), {}
        return (), dict(inputs)
    return (tuple(inputs) if isinstance(inputs, (tuple, list)) else (inputs,)), {}


def training(module: nn.Module) -> nn.Module:
    """The module in training mode, its batch and instance norms alone: dropout and the like stay off."""
    module.eval()
    for part in module.modules():
        if isinstance(part, nn.modules.batchnorm._NormBase):
            part.training = True
    return module


def refuse_unreal(tensors: dict[str, Tensor]) -> None:
    """Raise PathsearchError where a parameter is complex or whole numbers, which have no units to compare."""
    for name, each in tensors.items():
        if not each.is_floating_point():
            kind = str(each.dtype).removeprefix("torch.")
            raise PathsearchError(f"parameter {name!r} is {kind}: only real parameters can be aligned")
