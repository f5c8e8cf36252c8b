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
from pathsearch.objectives import LossSettings, Measured, ModelSettings, NetworkSettings, nests, tasks
from pathsearch.objectives.arguments import refuse_unknown
from pathsearch.objectives.batches import both, wanted
from pathsearch.objectives.data import Data, Split, checked
from pathsearch.objectives.data.checks import looked_at
from pathsearch.objectives.data.room import room
from pathsearch.objectives.function import FunctionObjective
from pathsearch.objectives.glimpse import Glimpse, glimpse
from pathsearch.objectives.imports import importable, imported
from pathsearch.objectives.metrics import METRICS
from pathsearch.objectives.models import MODELS
from pathsearch.objectives.network import PROBED, NetworkObjective
from pathsearch.objectives.tasks import Task
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
    objective.arithmetic = (precision, False)
    return objective


def declared(
    settings: NetworkSettings, device: torch.device, folder: Path, measured: Measured | None = None
) -> NetworkObjective:
    """The network and the data that a configuration in `folder` names."""
    with importable(folder):
        return on_data(settings, _loaded(settings, folder, device), device, folder, measured)


def on_data(
    settings: NetworkSettings, data: Data, device: torch.device, folder: Path, measured: Measured | None = None
) -> NetworkObjective:
    """The network that a configuration in `folder` names, on data that are read."""
    with importable(folder):
        model = model_of(settings.model, folder)
        return network(settings, model, data, settings.data.augment, device, folder, measured)


def glimpsed(settings: NetworkSettings, device: torch.device, folder: Path, measured: Measured | None = None) -> Data:
    """The data that a configuration names, checked: what `on_data` needs of them where nothing is drawn; picklable.

    device: that on which they will be drawn elsewhere, of which it may depend how much of them is held.
    """
    with importable(folder):
        here = torch.device("cpu")
        data, task = _loaded(settings, folder, device), _task(settings, folder)
        with errors_named("objective.data", passing=()):
            data = checked(_sized(data, settings), task, getattr(torch, settings.dtype))
            if settings.model.name in MODELS:
                _refuse_nests(looked_at(data.train), f"objective.model {settings.model.name}")
            given = wanted(settings, here, settings.data.augment, settings.model.name in MODELS, measured)
            # actors will say what there is to say
            train, test = (glimpse(split, PROBED) for split in both(data, given, lambda line: None))
    return Data(train, test, data.outputs, called=data.called)


def _loaded(settings: NetworkSettings, folder: Path, device: torch.device) -> Data:
    with errors_named("objective.data", passing=()):
        return settings.data.load(folder, room(device))


def _task(options: LossSettings, folder: Path) -> Task:
    return tasks.task(options.loss, options.metrics, partial(imported, folder=folder))


def network(
    options: LossSettings,
    model: Model,
    data: Data,
    augment: bool,
    device: torch.device,
    folder: Path = Path(),
    measured: Measured | None = None,
) -> NetworkObjective:
    """The loss of a network on data; functions of the options lie in the working folder or in `folder`.

    Raises PathsearchError where network, data and functions do not go together.
    """
    task = _task(options, folder)
    prepare_torch(options.precision, options.deterministic)
    dtype = getattr(torch, options.dtype)
    if not isinstance(data.train, Glimpse):
        with errors_named("objective.data", passing=()):
            data = checked(_sized(data, options), task, dtype)
    some = looked_at(data.train)
    task = _suited(task, options, some)
    if augment and not (some.pictures and some.targets.ndim == 1):
        shape = tuple(some.inputs.shape[1:]) if some.pair else "other than a picture's"
        raise PathsearchError(f"objective.data.augment crops images, the inputs have shape {shape}: leave it out")
    called = model.called
    if not model.built_in and some.pair and not some.inputs.is_floating_point():
        called += f", whose inputs are {some.inputs.dtype} as the data set gives them,"
    if model.built_in:
        _refuse_nests(some, called)
        if not data.outputs:
            raise PathsearchError(
                f"{called}: data that are read as they are drawn do not tell how many classes there are: set "
                "objective.data.outputs, or give the data set a list `classes`"
            )
    shape = tuple(nests.leaves(some.examples)[0].shape[1:])
    make = partial(model.make, shape=shape, outputs=task.outputs(data.outputs))
    with errors_named(called):
        objective = model.kind(make, data, task, options, device, augment, measured, model.built_in, called)
    objective.remarks += data.remarks
    return objective


def _refuse_nests(some: Split, called: str) -> None:
    """Raise PathsearchError unless examples are what the built-in networks take."""
    if not some.pair:
        raise PathsearchError(f"{called} takes pairs (inputs, targets): name a network of your own, module:Class")


def _sized(data: Data, options: LossSettings) -> Data:
    """The data for mini-batches of the size that is asked for, which some sources have to know."""
    train, test = (
        each if isinstance(each, (Split, Glimpse)) else each.sized(options.batch) for each in (data.train, data.test)
    )
    return replace(data, train=train, test=test)


def _suited(task: Task, options: LossSettings, some: Split) -> Task:
    """The task without what only classes have, where targets are real numbers.

    Raises PathsearchError where such a thing was asked for.
    """
    if options.loss != "mse" or not some.pair or not some.targets.is_floating_point():
        return task
    for name, each in (options.metrics or {}).items():
        if each in METRICS:
            raise PathsearchError(f"objective.metrics.{name}: {each} counts classes, the targets are real numbers")
    return replace(task, metrics=task.metrics if options.metrics else {}, guessing=None)


def model_of(settings: ModelSettings, folder: Path) -> Model:
    """A network by its name, torchvision's with as many classes as the data have.

    Raises PathsearchError where it cannot be imported, or has no arguments of the names that are given.
    """
    name, called = settings.name, f"objective.model {settings.name}"
    option = f"objective.model.args of {name}"
    if name in MODELS:
        refuse_unknown(MODELS[name], settings.args, option, own=("shape", "outputs"))
        return Model(partial(MODELS[name], **settings.args), called, built_in=True)
    own = imported(name, "objective.model", folder)
    refuse_unknown(own, settings.args, option)
    make = partial(own, **settings.args)
    of_torchvision = str(getattr(own, "__module__", "")).startswith("torchvision.models")
    if of_torchvision and "num_classes" not in settings.args:
        return Model(lambda shape, outputs: make(num_classes=outputs) if outputs else make(), called)
    return Model(_without_choice(make), called)


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
