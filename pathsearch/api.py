"""Finding a path from Python: the same loop as `pathsearch run`, without files."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, TypeAdapter, ValidationError

from pathsearch.errors import PathsearchError
from pathsearch.holders import Holder, SerialHolder
from pathsearch.holders.protocol import pivots
from pathsearch.measure import Profile, measured_line, measured_path
from pathsearch.methods import Method
from pathsearch.numerics.curves import CURVES
from pathsearch.objectives import NetworkSettings, Objective, device_of
from pathsearch.objectives.blame import blamed
from pathsearch.objectives.function import FunctionObjective
from pathsearch.optimizers import Optimizer
from pathsearch.search import Position, Report, search
from pathsearch.settings import Settings, named

Loss = Callable[[torch.Tensor], torch.Tensor]


class _Budget(Settings):
    steps: int = Field(ge=0)
    tolerance: float | None = Field(gt=0)
    seed: int


@dataclass(frozen=True)
class Path:
    """A path γ(t) through pivots [N, M]; `converged` is False where the step budget ended the search."""

    pivots: NDArray[Any]
    curve: str
    converged: bool
    evaluations: int
    history: list[Report]
    holder: Holder

    def points(self, t: Any) -> NDArray[Any]:
        """Weights [T, M] at t [T] in [0, 1]."""
        return np.asarray(CURVES[self.curve](np.atleast_1d(t), len(self.pivots)) @ self.pivots)

    def profile(self, points: int = 61, tolerance: float | None = None) -> Profile:
        """Every metric along the path, refined around the saddle until it is known to `tolerance`."""
        return measured_path(self.holder, self.curve, self.holder.chords(), points, tolerance)

    def straight_line(self, points: int = 61, tolerance: float | None = None) -> Profile:
        """The same along the straight line between the endpoints."""
        return measured_line(self.holder, self.holder.chords(), points, tolerance)


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
    watch: Callable[[Report], None] = lambda report: None,
) -> Path:
    """Find a low-loss path from `start` to `end` (weights [M]).

    objective: an `Objective`, or a torch function weights [M] -> loss [], taken in float64. method, optimizer: a name,
    a mapping as in a configuration, or a settings object; the optimiser is lbfgs, or sgd where the loss draws
    mini-batches. through: points the first guess passes. Raises PathsearchError on bad options, on endpoints that do
    not fit, and where a loss is not finite.
    """
    with blamed("reading an endpoint"):
        points = [_vector(point) for point in (start, *through, end)]
    if len({point.shape for point in points}) > 1 or points[0].ndim != 1 or not points[0].size:
        raise PathsearchError(f"endpoints must be vectors of one length, not of {[point.shape for point in points]}")
    chain = np.stack(points)
    if not np.isfinite(chain).all():
        raise PathsearchError("endpoints have weights that are not finite")
    if np.array_equal(chain[0], chain[-1]):
        raise PathsearchError("the endpoints are identical: give two different minima")
    if callable(objective):
        objective = FunctionObjective(objective, chain.shape[1], torch.float64, torch.device("cpu"))
    elif not hasattr(objective, "loss_and_gradient"):
        raise PathsearchError(f"the objective is to be a function of weights, or an Objective, not {objective!r}")
    if objective.size != chain.shape[1]:
        raise PathsearchError(f"endpoints have {chain.shape[1]} weights, the objective has {objective.size}")
    budget = _settings(_Budget, {"steps": steps, "tolerance": tolerance, "seed": seed}, "connect")
    default = "sgd" if objective.stochastic else "lbfgs"
    chosen = _settings(Method, method, "method")
    stages = chosen.stages(_settings(Optimizer, optimizer or default, "optimizer"), budget.steps, budget.tolerance)

    chain = chain if stages else chain[[0, -1]]  # a straight line is not bent
    holder = SerialHolder(objective)
    holder.load(chain, [], {})
    position, history = Position(pivots=len(chain)), []
    for report in search(holder, stages, position, budget.seed, objective.stochastic):
        history.append(report)
        position = report.stage_done()
        watch(report)
    return Path(
        pivots(holder, position.pivots), chosen.curve, position.converged, position.evaluations, history, holder
    )


def network(device: str = "auto", **options: Any) -> Objective:
    """The loss of a network on a data set, for `connect`; options as under `objective:` in a configuration.

    `model` and `data` are needed. Raises PathsearchError on bad options, a model or data that do not work.
    """
    settings = _settings(NetworkSettings, {"name": "network", **options}, "network")
    objective: Objective = settings.open(None, device_of(device))
    return objective


def _vector(point: Any) -> NDArray[Any]:
    if isinstance(point, torch.Tensor):
        point = point.detach().cpu()
    return np.asarray(point, dtype=float)


def _settings(kind: Any, value: Any, what: str) -> Any:
    try:
        return TypeAdapter(kind).validate_python(named(value))
    except ValidationError as error:
        raise PathsearchError(f"{what}: {'; '.join(_said(fault) for fault in error.errors())}") from None


def _said(fault: Any) -> str:
    where = ".".join(map(str, fault["loc"]))
    return f"{where}: {fault['msg']}" if where else str(fault["msg"])
