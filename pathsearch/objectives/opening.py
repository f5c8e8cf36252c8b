"""Makes live objectives: of what a configuration declares, and of networks, data sets and functions of a program.

Every objective that the command line, Python or an actor minimises is made by `network` or `function` here. Both
prepare torch after a user's modules have been imported, so that those do not have the last word.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import nn

from pathsearch.errors import PathsearchError
from pathsearch.machine import prepare_torch
from pathsearch.objectives import LossSettings, ModelSettings, NetworkSettings
from pathsearch.objectives.data import Data, Split, checked
from pathsearch.objectives.function import FunctionObjective
from pathsearch.objectives.imports import importable, imported
from pathsearch.objectives.models import MODELS
from pathsearch.objectives.network import NetworkObjective
from pathsearch.objectives.tasks import TASKS
from pathsearch.objectives.users_code import errors_named


class Make(Protocol):
    """Makes a network anew."""

    def __call__(self, shape: tuple[int, ...], outputs: int) -> Any:
        """For inputs of this shape and so many outputs, where it has a choice."""


@dataclass(frozen=True)
class Model:
    """What makes a network; `called` names it in errors. `built_in`: it is one of this program's own."""

    make: Make
    called: str
    built_in: bool = False
    kind: type[NetworkObjective] = NetworkObjective


def function(
    loss: Callable[[torch.Tensor], torch.Tensor],
    size: int,
    dtype: str,
    device: torch.device,
    precision: str = "float32",
    called: str = "the callable",
) -> FunctionObjective:
    """A function weights [size] -> loss [] as an objective."""
    prepare_torch(precision)
    objective = FunctionObjective(loss, size, getattr(torch, dtype), device, called)
    objective.precision = precision
    return objective


def declared(settings: NetworkSettings, device: torch.device, folder: Path) -> NetworkObjective:
    """The network and the data that a configuration in `folder` names."""
    with importable(folder):
        with errors_named("objective.data", passing=()):
            data = settings.data.load(folder)
        return network(settings, model_of(settings.model, folder), data, settings.data.augment, device)


def network(options: LossSettings, model: Model, data: Data, augment: bool, device: torch.device) -> NetworkObjective:
    """The loss of a network on data; raises PathsearchError where the two do not go together."""
    prepare_torch(options.precision)
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


def given(model: Any) -> Model:
    """A network that a program hands over: a module, its class, or a function of no arguments that makes one.

    Raises PathsearchError where it is none of these.
    """
    if isinstance(model, nn.Module):
        return Model(_without_choice(lambda: copy.deepcopy(bare(model))), f"the {type(model).__name__}", kind=OfModule)
    if callable(model):
        called = getattr(model, "__name__", type(model).__name__)
        return Model(_without_choice(lambda: bare(model())), called)
    raise PathsearchError(
        f"network: model is to be a name, a module, its class or a function that makes one, not a "
        f"{type(model).__name__}"
    )


class OfModule(NetworkObjective):
    """The loss of a module that a program has made: it has its own weights, and a seed gives no others."""

    def initial(self, seed: int) -> torch.Tensor:
        raise PathsearchError(
            "a module that is made already gives no other weights by a seed: give network its class, or a function "
            "that makes one"
        )


def bare(module: Any) -> Any:
    """A network without the wrappers by which torch compiles it or spreads it over devices."""
    while True:
        if isinstance(module, (nn.DataParallel, nn.parallel.DistributedDataParallel)):
            module = module.module
        elif isinstance(module, nn.Module) and isinstance(getattr(module, "_orig_mod", None), nn.Module):
            module = module._orig_mod
        else:
            return module


def _without_choice(make: Any) -> Make:
    return lambda shape, outputs: make()


def _real(data: Data, dtype: torch.dtype) -> Data:
    """The same data with a user's integers as real numbers, which the built-in networks want."""
    if data.standardise or data.train.inputs.is_floating_point():
        return data
    train, test = (Split(split.inputs.to(dtype), split.targets) for split in (data.train, data.test))
    return replace(data, train=train, test=test)
