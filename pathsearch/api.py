"""Finding a path from Python: the same loop as `pathsearch run`, without files."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from os import PathLike, fspath
from pathlib import Path as File
from typing import Annotated, Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BeforeValidator, Field, TypeAdapter, ValidationError, field_validator
from torch import nn

from pathsearch import storage
from pathsearch.along import Along, Held
from pathsearch.errors import PathsearchError
from pathsearch.files import expanded
from pathsearch.holders import Holder, SerialHolder
from pathsearch.holders.protocol import pivots
from pathsearch.machine import device_of, prepare_torch
from pathsearch.measure import Known, Remembered
from pathsearch.methods import Method
from pathsearch.objectives import (
    DataSettings,
    LossName,
    LossSettings,
    Measured,
    Metrics,
    ModelSettings,
    Objective,
    opening,
)
from pathsearch.objectives.data.live import data_of
from pathsearch.objectives.data.room import room
from pathsearch.objectives.fitting import fitted
from pathsearch.objectives.network import NetworkObjective
from pathsearch.objectives.users_code import errors_named
from pathsearch.optimizers import Optimizer
from pathsearch.refusals import refused
from pathsearch.run import endpoints, measuring
from pathsearch.run.settings import Endpoints, FromRun, Measurement
from pathsearch.search import State, Step, search
from pathsearch.settings import Settings, named
from pathsearch.storage.history import History

Loss = Callable[[torch.Tensor], torch.Tensor]
PROFILES = ("path", "linear", "plane")
NETWORK = "what pathsearch.network(model=…, data=…) gives"


class _Budget(Settings):
    steps: int = Field(ge=0)
    tolerance: float | None = Field(gt=0)
    seed: int


class _Measure(Settings):
    points: int = Field(61, ge=3)
    tolerance: float | None = Field(None, gt=0)
    plane: int = Field(0, ge=0)


class _Live(LossSettings):
    """What `network` takes; names of kinds, or live objects."""

    model: Any
    data: Any
    loss: Any = "cross_entropy"
    metrics: Any = None
    device: Literal["auto", "cpu", "cuda"] = "auto"
    measure: Measured = Measured()

    @field_validator("loss")
    @classmethod
    def _known_loss(cls, loss: Any) -> Any:
        return loss if callable(loss) else TypeAdapter(LossName).validate_python(loss)

    @field_validator("metrics")
    @classmethod
    def _known_metrics(cls, metrics: Any) -> Any:
        if isinstance(metrics, dict):
            named = {name: "error" if callable(each) else each for name, each in metrics.items()}
            TypeAdapter(Metrics).validate_python(named)
        elif metrics is not None:
            raise ValueError("metrics is to be a dictionary of names or functions")
        return metrics


class Path(Along):
    """A path γ(t) through `pivots` [N, M]; it is asked as what `open` gives is.

    What is measured of it is measured when it is first asked for. `converged` is False where the step budget ended the
    search.
    """

    def __init__(
        self, pivots: NDArray[Any], found: storage.Run, holder: Holder, objective: Objective, measure: Measurement
    ) -> None:
        self.pivots, self.objective = pivots, objective
        self.curve = found.curve
        self.converged, self.evaluations = bool(found.position["converged"]), int(found.position["evaluations"])
        self._found, self._holder, self._measure = found, holder, measure
        self._points: Known = {}

    @property
    def run(self) -> storage.Run:
        return self._having(PROFILES)

    def _measured(self, group: str) -> storage.Arrays:
        return self._having({group.removeprefix("profiles/")}).groups[group]

    def _having(self, wanted: Collection[str]) -> storage.Run:
        """What was found, with these profiles measured."""
        known = [name for name in PROFILES if name not in wanted or f"profiles/{name}" in self._found.groups]
        if len(known) < len(PROFILES):
            prepare_torch(*_arithmetic(self.objective))
            products = self._holder.inner_products()
            holder = Remembered(self._holder, self._points, lambda count: None)
            for profiles, figures, _ in measuring.profiles(
                holder, self.curve, products, self._measure, known, lambda what, points: None
            ):
                groups = {f"profiles/{name}": arrays for name, arrays in profiles.items()}
                summary = {**self._found.summary, **figures}
                self._found = replace(self._found, groups={**self._found.groups, **groups}, summary=summary)
        return self._found

    @contextmanager
    def _held(self) -> Iterator[Held]:
        yield Held(self.curve, self.pivots, self.objective.table)

    @contextmanager
    def _network(self) -> Iterator[NetworkObjective]:
        if not isinstance(self.objective, NetworkObjective):
            raise PathsearchError(f"{self.objective!r} has no model, only what pathsearch.network gives has")
        yield self.objective

    def __repr__(self) -> str:
        count, size = self.pivots.shape
        ended = "converged" if self.converged else "step budget used"
        return f"Path({self.curve}, {count} pivots of {size:,} weights, {ended}, {self.evaluations:,} gradients)"


def connect(
    objective: Objective | Loss,
    start: Any,
    end: Any,
    method: Any = "bezier",
    optimizer: Any = None,
    steps: int = 2000,
    tolerance: float | None = 1e-2,
    seed: int = 0,
    through: Any = (),
    watch: Callable[[Step], None] = lambda step: None,
    measure: Any = None,
) -> Path:
    """Find a low-loss path from `start` to `end`.

    objective: what `network` gives, or a torch function weights [M] -> loss [], taken in float64. start, end: weights
    [M]; for a network also a module of its structure, a state_dict, or a file as in a configuration. method,
    optimizer: a name, a mapping as in a configuration, or a settings object; the optimiser is lbfgs, or sgd where the
    loss draws mini-batches. through: points the first guess passes. measure: points, tolerance and plane as in a
    configuration, where no plane is the default. Raises PathsearchError on bad options, on endpoints that do not fit,
    and where a loss is not finite.
    """
    budget = _settings(_Budget, {"steps": steps, "tolerance": tolerance, "seed": seed}, "connect")
    chosen = _settings(Method, method, "method")
    measured = _settings(_Measure, {} if measure is None else measure, "measure")
    if not callable(watch):
        raise PathsearchError(f"watch is to be a function of a step, not a {type(watch).__name__}")
    if isinstance(through, (str, Mapping, nn.Module)) or not isinstance(through, Iterable):
        raise PathsearchError("through is to be a list of points, each as start and end")
    points = {"start": start, **{f"through[{n}]": point for n, point in enumerate(through)}, "end": end}
    ready = _objective(objective, points)
    default = "sgd" if ready.stochastic else "lbfgs"
    optimizer = _settings(Optimizer, optimizer or default, "optimizer")
    stages = chosen.stages(optimizer, budget.steps, budget.tolerance)

    prepare_torch(*_arithmetic(ready))
    chain = np.stack([_weights(point, side, ready) for side, point in points.items()])
    if np.array_equal(chain[0], chain[-1]):
        raise PathsearchError("the endpoints are identical: give two different minima")
    chain = chain if stages else chain[[0, -1]]  # a straight line is not bent
    holder = SerialHolder(ready)
    holder.load(chain, [], {})
    state, history = State(pivots=len(chain)), History()
    for step in search(holder, stages, state, budget.seed, ready.stochastic):
        history.add(step)
        state = step.stage_done()
        watch(step)
    found = pivots(holder, state.pivots)
    options = {"method": chosen, "optimizer": optimizer, "measure": measured}
    parameters = {"name": np.array([name for name, _ in ready.table])}
    run = storage.Run(
        file=File("the path that connect found"),
        state="finished",
        shape=found.shape,
        config={part: each.model_dump(mode="json") for part, each in options.items()},
        position=asdict(state),
        summary={
            **measuring.described(ready),
            "stages": [stage.name for stage in stages],
            "steps": [stage.steps for stage in stages],
            "chord": float(np.linalg.norm(found[-1] - found[0])),
        },
        curve=chosen.curve,
        groups={"history": history.arrays(), "parameters": parameters},
    )
    return Path(found, run, holder, ready, Measurement.model_validate(measured.model_dump()))


def network(**options: Any) -> NetworkObjective:
    """The loss of a network on a data set, for `connect`.

    Options as under `objective:` in a configuration, and device, measure. model: also a module, its class, or a
    function that makes one. loss, metrics: also functions. data: also a torch Dataset or a pair of tensors (inputs,
    targets), of which every fifth example is for testing, or a pair (train, test) of such. Both are needed.
    Sets torch's precision and choice of kernels for the whole process. Raises PathsearchError on bad options, a model
    or data that do not work.
    """
    asked = _settings(_Live, options, "network")
    model, data, device = asked.model, asked.data, device_of(asked.device)
    augment = False
    if isinstance(model, (str, Mapping, ModelSettings)):
        declared = _settings(Annotated[ModelSettings, BeforeValidator(named)], model, "network: model")
        ready = opening.model_of(declared, File())
    else:
        ready = opening.given(model)
    if isinstance(data, (str, Mapping, Settings)):
        source = _settings(Annotated[DataSettings, BeforeValidator(named)], data, "network: data")
        augment = source.augment
        with errors_named("data", passing=()):
            read = source.load(room=room(device))
    else:
        read = data_of(data, room(device))
    return opening.network(asked, ready, read, augment, device, measured=asked.measure)


def _arithmetic(objective: Objective) -> tuple[str, bool]:
    """Precision and whether kernels are deterministic, see `machine.prepare_torch`."""
    found: tuple[str, bool] = getattr(objective, "arithmetic", ("float32", False))
    return found


def _objective(given: Any, points: dict[str, Any]) -> Objective:
    """What is to be minimised; a function takes as many weights as the start has."""
    if isinstance(given, (nn.Module, type)):
        said = given.__name__ if isinstance(given, type) else type(given).__name__
        raise PathsearchError(f"the objective is to be pathsearch.network(model={said}, data=…), not {said} itself")
    if hasattr(given, "loss_and_gradient"):
        ready: Objective = given
        return ready
    if not callable(given):
        said = type(given).__name__
        raise PathsearchError(f"the objective is to be a function of a weight vector, or {NETWORK}, not a {said}")
    start = points["start"]
    file = _file(start)
    size = endpoints.first_size(Endpoints(start=file, end=[]), File()) if file is not None else None
    size = size if size is not None else _vector(start, "start").size
    return opening.function(given, size, "float64", torch.device("cpu"))


def _weights(point: Any, side: str, objective: Objective) -> NDArray[Any]:
    """The weights [M] that an endpoint stands for, whatever it is."""
    file = _file(point)
    if file is not None:
        return endpoints.brought(file, side, objective, File()).weights
    if isinstance(objective, NetworkObjective) and isinstance(point, (nn.Module, Mapping)):
        source = f"the {type(point).__name__} at {side}"
        held = dict(opening.bare(point).state_dict()) if isinstance(point, nn.Module) else point
        values = fitted(held, objective.module, source)
        objective.adopt(values, source)
        vector = objective.flat(values).cpu().double().numpy()
    else:
        vector = _vector(point, side)
    return endpoints.checked(vector, side, objective)


def _file(point: Any) -> str | FromRun | None:
    """A point that is to be read from a file, as a configuration would name it; None where it is no such thing."""
    if isinstance(point, (str, PathLike)):
        return str(expanded(fspath(point)))
    if isinstance(point, Mapping) and "run" in point and not isinstance(point["run"], torch.Tensor):
        found: FromRun = _settings(FromRun, dict(point), "endpoint")
        return found
    return None


def _vector(point: Any, side: str) -> NDArray[Any]:
    if isinstance(point, (nn.Module, Mapping)):
        raise PathsearchError(f"{side} holds weights of a network: the objective is then to be {NETWORK}")
    with errors_named(f"reading {side}"):
        vector = np.asarray(point.detach().cpu() if isinstance(point, torch.Tensor) else point, dtype=float)
    if vector.ndim != 1 or not vector.size:
        raise PathsearchError(f"{side} is to be a vector of weights, it has shape {vector.shape}")
    return vector


def _settings(kind: Any, value: Any, what: str) -> Any:
    try:
        return TypeAdapter(kind).validate_python(named(value))
    except ValidationError as error:
        raise PathsearchError(f"{what}: {refused(error, kind)}") from None
