"""Live network objectives: of what a configuration declares, and of networks and data sets that are there already."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import nn
from torch.utils.data import Dataset

from pathsearch.errors import PathsearchError
from pathsearch.objectives import LossSettings, ModelSettings, NetworkSettings
from pathsearch.objectives.data import Data, Split, checked, read
from pathsearch.objectives.data.reading import joined
from pathsearch.objectives.data.sets import every_fifth
from pathsearch.objectives.device import prepare
from pathsearch.objectives.imports import importable, imported
from pathsearch.objectives.models import MODELS
from pathsearch.objectives.network import NetworkObjective
from pathsearch.objectives.tasks import TASKS
from pathsearch.objectives.users_code import errors_named


class Make(Protocol):
    """Makes a network anew."""

    def __call__(self, shape: tuple[int, ...], outputs: int) -> Any:
        """For inputs of this shape and so many outputs, as far as it has a choice."""


@dataclass(frozen=True)
class Model:
    """A network, by what makes it; `called` names it in errors. `built_in`: it is one of this program's own."""

    make: Make
    called: str
    built_in: bool = False
    kind: type[NetworkObjective] = NetworkObjective


def declared(settings: NetworkSettings, device: torch.device, folder: Path) -> NetworkObjective:
    """What a configuration in `folder` says."""
    with importable(folder):
        with errors_named("objective.data", passing=()):
            data = settings.data.load(folder)
        return network(settings, model_of(settings.model, folder), data, settings.data.augment, device)


def network(options: LossSettings, model: Model, data: Data, augment: bool, device: torch.device) -> NetworkObjective:
    """The loss of a network on data."""
    prepare(options.precision)
    task, dtype = TASKS[options.loss], getattr(torch, options.dtype)
    with errors_named("objective.data", passing=()):
        data = checked(data, task, dtype)
    inputs = data.train.inputs
    if augment and inputs.ndim != 4:
        shape = tuple(inputs.shape[1:])
        raise PathsearchError(f"objective.data.augment crops images, the inputs have shape {shape}: leave it out")
    called = model.called
    if model.built_in:
        data = _real(data, dtype)
    elif not inputs.is_floating_point():
        called += f", whose inputs are {inputs.dtype} as the data set gives them,"
    make = partial(model.make, shape=tuple(inputs.shape[1:]), outputs=task.outputs(data.outputs))
    with errors_named(called):
        objective = model.kind(
            make,
            data,
            task,
            options.batch,
            augment,
            options.weight_decay,
            dtype,
            device,
            model.built_in,
            called,
        )
    objective.precision = options.precision
    objective.remarks += data.remarks
    return objective


def model_of(settings: ModelSettings, folder: Path) -> Model:
    """A network by its name; raises PathsearchError where it cannot be imported."""
    name, called = settings.name, f"objective.model {settings.name}"
    if name in MODELS:
        return Model(partial(MODELS[name], **settings.args), called, built_in=True)
    return Model(_without_choice(partial(imported(name, "objective.model", folder), **settings.args)), called)


class OfModule(NetworkObjective):
    """The loss of a module that is there already: it has weights of its own, and no others by a seed."""

    def initial(self, seed: int) -> torch.Tensor:
        raise PathsearchError(
            "a module that is made already gives no other weights by a seed: give network its class, or a function "
            "that makes one"
        )


def bare(module: Any) -> Any:
    """A network without what torch wraps it in to compile it or to spread it over devices."""
    while True:
        if isinstance(module, (nn.DataParallel, nn.parallel.DistributedDataParallel)):
            module = module.module
        elif isinstance(module, nn.Module) and isinstance(getattr(module, "_orig_mod", None), nn.Module):
            module = module._orig_mod
        else:
            return module


def given(model: Any) -> Model:
    """A network that is there already, as a module, its class, or a function of no arguments that makes one.

    Raises PathsearchError where it is none of these.
    """
    if isinstance(model, nn.Module):
        return Model(_without_choice(lambda: copy.deepcopy(bare(model))), f"the {type(model).__name__}", kind=OfModule)
    if callable(model):
        called = getattr(model, "__name__", type(model).__name__)
        return Model(_without_choice(lambda: bare(model())), called)
    raise PathsearchError(
        f"network: model is to be a name, a module, its class or a function that makes one, not {_kind(model)}"
    )


def _without_choice(make: Any) -> Make:
    return lambda shape, outputs: make()


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
    return joined(train, test)


def _split(given: Any, what: str) -> Split:
    if isinstance(given, (tuple, list)) and len(given) == 2 and all(_is_array(part) for part in given):
        with errors_named(what):
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


def _real(data: Data, dtype: torch.dtype) -> Data:
    """The same data with the integers of a user's data set as real numbers, which the built-in networks want."""
    if data.standardise or data.train.inputs.is_floating_point():
        return data
    train, test = (Split(split.inputs.to(dtype), split.targets) for split in (data.train, data.test))
    return replace(data, train=train, test=test)
