"""Finding a path from Python: the same loop as `pathsearch run`, without files."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from os import PathLike, fspath
from pathlib import Path as File
from typing import Annotated, Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BeforeValidator, Field, TypeAdapter, ValidationError, field_validator
from torch import nn

from pathsearch.along import Along, Held
from pathsearch.errors import PathsearchError
from pathsearch.files import expanded
from pathsearch.holders import Holder, SerialHolder
from pathsearch.holders.protocol import pivots
from pathsearch.machine import device_of, prepare_torch
from pathsearch.measure import Profile, higher_is_better, measured_line, measured_path
from pathsearch.methods import Method
from pathsearch.numerics.curves import CURVES
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
from pathsearch.run import endpoints
from pathsearch.run.settings import Endpoints, FromRun
from pathsearch.search import State, Step, search
from pathsearch.settings import Settings, named

Loss = Callable[[torch.Tensor], torch.Tensor]
NETWORK = "what pathsearch.network(model=…, data=…) gives"


class _Budget(Settings):
    steps: int = Field(ge=0)
    tolerance: float | None = Field(gt=0)
    seed: int


class _Points(Settings):
    points: int = Field(ge=2)
    tolerance: float | None = Field(gt=0)


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


@dataclass(frozen=True, eq=False)
class Path(Along):
    """A path γ(t) through pivots [N, M]; `converged` is False where the step budget ended the search.

    `weights(t)`, `model(t)` and `layers` are as those of `open`.
    """

    pivots: NDArray[Any]
    curve: str
    converged: bool
    evaluations: int
    history: list[Step]
    holder: Holder
    arithmetic: tuple[str, bool]
    """precision and whether kernels are deterministic, see `machine.prepare_torch`"""
    higher: frozenset[str]
    """metrics of which more is better"""
    objective: Objective

    def points(self, t: Any) -> NDArray[Any]:
        """Weights [T, M] at t [T] in [0, 1]; raises PathsearchError elsewhere."""
        with errors_named("reading t"):
            at = np.atleast_1d(np.asarray(t, dtype=float))
        outside = at[~((at >= 0.0) & (at <= 1.0))]  # what is no number, too
        if at.ndim != 1 or len(outside):
            said = f"{outside[0]:g}" if len(outside) else f"an array of shape {at.shape}"
            raise PathsearchError(f"t is to be a number in [0, 1], or a list of them, not {said}")
        return np.asarray(CURVES[self.curve](at, len(self.pivots)) @ self.pivots)

    def profile(self, points: int = 61, tolerance: float | None = None) -> Profile:
        """Every metric along the path, refined around the saddle until it is known to `tolerance`."""
        asked = _settings(_Points, {"points": points, "tolerance": tolerance}, "profile")
        prepare_torch(*self.arithmetic)
        products = self.holder.inner_products()
        found = measured_path(self.holder, self.curve, products, asked.points, asked.tolerance)
        return replace(found, higher=self.higher)

    def straight_line(self, points: int = 61, tolerance: float | None = None) -> Profile:
        """The same along the straight line between the endpoints."""
        asked = _settings(_Points, {"points": points, "tolerance": tolerance}, "straight_line")
        prepare_torch(*self.arithmetic)
        found = measured_line(self.holder, self.holder.inner_products(), asked.points, asked.tolerance)
        return replace(found, higher=self.higher)

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
) -> Path:
    """Find a low-loss path from `start` to `end`.

    objective: what `network` gives, or a torch function weights [M] -> loss [], taken in float64. start, end: weights
    [M]; for a network also a module of its structure, a state_dict, or a file as in a configuration. method,
    optimizer: a name, a mapping as in a configuration, or a settings object; the optimiser is lbfgs, or sgd where the
    loss draws mini-batches. through: points the first guess passes. Raises PathsearchError on bad options, on
    endpoints that do not fit, and where a loss is not finite.
    """
    budget = _settings(_Budget, {"steps": steps, "tolerance": tolerance, "seed": seed}, "connect")
    chosen = _settings(Method, method, "method")
    if not callable(watch):
        raise PathsearchError(f"watch is to be a function of a step, not a {type(watch).__name__}")
    if isinstance(through, (str, Mapping, nn.Module)) or not isinstance(through, Iterable):
        raise PathsearchError("through is to be a list of points, each as start and end")
    points = {"start": start, **{f"through[{n}]": point for n, point in enumerate(through)}, "end": end}
    ready = _objective(objective, points)
    default = "sgd" if ready.stochastic else "lbfgs"
    stages = chosen.stages(_settings(Optimizer, optimizer or default, "optimizer"), budget.steps, budget.tolerance)

    arithmetic = getattr(ready, "arithmetic", ("float32", False))
    prepare_torch(*arithmetic)
    chain = np.stack([_weights(point, side, ready) for side, point in points.items()])
    if np.array_equal(chain[0], chain[-1]):
        raise PathsearchError("the endpoints are identical: give two different minima")
    chain = chain if stages else chain[[0, -1]]  # a straight line is not bent
    holder = SerialHolder(ready)
    holder.load(chain, [], {})
    state, history = State(pivots=len(chain)), []
    for step in search(holder, stages, state, budget.seed, ready.stochastic):
        history.append(step)
        state = step.stage_done()
        watch(step)
    found = pivots(holder, state.pivots)
    higher = higher_is_better(ready)
    return Path(found, chosen.curve, state.converged, state.evaluations, history, holder, arithmetic, higher, ready)


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
