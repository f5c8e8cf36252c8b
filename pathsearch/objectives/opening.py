"""Live network objectives: of what a configuration declares, and of networks and data sets that are there already."""

import copy
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.utils.data import Dataset

from pathsearch.errors import PathsearchError
from pathsearch.objectives import LossSettings
from pathsearch.objectives.blame import blamed
from pathsearch.objectives.data import Data, Split, checked, every_fifth, read
from pathsearch.objectives.device import prepare
from pathsearch.objectives.network import NetworkObjective

Make = Callable[[tuple[int, ...], int], Any]
"""Makes a network for inputs of this shape and so many outputs."""


def network(
    options: LossSettings,
    make: Make,
    what: str,
    data: Data,
    augment: bool,
    device: torch.device,
    kind: type[NetworkObjective] = NetworkObjective,
) -> NetworkObjective:
    """The loss of a network on data; `what` names the network in errors."""
    prepare(options.precision)
    with blamed("objective.data"):
        data = checked(data, options.loss)
    outputs = 1 if options.loss == "mse" and data.outputs <= 2 else data.outputs
    shape = tuple(data.train.inputs.shape[1:])
    dtype = getattr(torch, options.dtype)
    with blamed(what):
        built = partial(make, shape, outputs)
        made = kind(built, data, options.loss, options.batch, augment, options.weight_decay, dtype, device)
    made.precision = options.precision
    return made


class OfModule(NetworkObjective):
    """The loss of a module that is there already: it has weights of its own, and no others by a seed."""

    def initial(self, seed: int) -> torch.Tensor:
        raise PathsearchError(
            "a module that is made already gives no other weights by a seed: give network its class, or a function "
            "that makes one"
        )


def bare(module: nn.Module) -> nn.Module:
    """A network without what torch wraps it in to compile it or to spread it over devices."""
    while True:
        inner = getattr(module, "_orig_mod", None)
        if isinstance(module, (nn.DataParallel, nn.parallel.DistributedDataParallel)):
            inner = module.module
        if not isinstance(inner, nn.Module):
            return module
        module = inner


def maker(model: Any) -> Make:
    """What makes the network that is given as a module, its class, or a function of no arguments.

    Raises PathsearchError where it is none of these.
    """
    if isinstance(model, nn.Module):
        return lambda shape, outputs: copy.deepcopy(bare(model))
    if callable(model):
        return lambda shape, outputs: bare(made) if isinstance(made := model(), nn.Module) else made
    raise PathsearchError(
        f"network: model is to be a name, a module, its class or a function that makes one, not {_kind(model)}"
    )


def data_of(given: Any) -> Data:
    """The data of a data set, of which every fifth example is for testing, or of a pair (train, test).

    A data set is a torch Dataset, or a pair of tensors (inputs, targets); its inputs are used as they are. Raises
    PathsearchError where it is something else.
    """
    pair = isinstance(given, (tuple, list)) and len(given) == 2
    if pair and not any(_is_array(part) for part in given):
        train, test = (_split(part, f"network: the {n} part of data") for n, part in zip(("first", "second"), given))
    else:
        whole = _split(given, "network: data")
        if len(whole.inputs) < 5:
            raise PathsearchError("network: data has less than 5 examples: give a pair (train, test) of data sets")
        both = every_fifth(whole.inputs, whole.targets, 0)
        train, test = both.train, both.test
    outputs = 1 if train.targets.is_floating_point() or not train.targets.numel() else int(train.targets.max()) + 1
    return Data(train, test, outputs, standardise=False)


def _split(given: Any, what: str) -> Split:
    if isinstance(given, (tuple, list)) and len(given) == 2 and all(_is_array(part) for part in given):
        with blamed(what):
            inputs, targets = (torch.as_tensor(part).detach().cpu() for part in given)
        if not inputs.ndim or inputs.shape[:1] != targets.shape[:1]:
            raise PathsearchError(f"{what}: {tuple(inputs.shape)} inputs do not go with {tuple(targets.shape)} targets")
        return Split(inputs, targets)
    listed = isinstance(given, Dataset) or (hasattr(given, "__getitem__") and hasattr(given, "__len__"))
    if not listed or isinstance(given, (str, bytes, Mapping)) or _is_array(given):
        raise PathsearchError(
            f"{what} is to be a name, a torch Dataset, a pair of tensors (inputs, targets), or a pair (train, test) of "
            f"either, not {_kind(given)}"
        )
    return read(given, what)


def _is_array(value: Any) -> bool:
    return isinstance(value, torch.Tensor) or type(value).__module__ == "numpy"


def _kind(value: Any) -> str:
    return f"a {type(value).__name__}"
