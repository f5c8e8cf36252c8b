"""Endpoints: weights from lists, files, earlier runs and minima."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pathsearch import files
from pathsearch.errors import PathsearchError
from pathsearch.methods import Train
from pathsearch.objectives import checkpoints, fitting
from pathsearch.objectives.network import NetworkObjective
from pathsearch.objectives.protocol import Objective
from pathsearch.objectives.surfaces import SURFACES
from pathsearch.run import shared
from pathsearch.run.minima import Minimum
from pathsearch.run.settings import Endpoints, FromRun, Point, RunSettings, Trained
from pathsearch.storage import is_run, read, stored


@dataclass(frozen=True)
class Brought:
    """What an endpoint brings: weights [M], and the statistics it was saved with, where it has all of a network's."""

    weights: NDArray[Any]
    buffers: dict[str, NDArray[Any]] = field(default_factory=dict)


def first_guess(
    settings: RunSettings, objective: Objective, folder: Path, train: Callable[[], dict[str, Minimum]]
) -> tuple[list[Brought], dict[str, Minimum]]:
    """The chain [start, …, end] that the search begins with, and the minima in it; a minimum begins with its untrained
    network.
    """
    if isinstance(settings.method, Train) and isinstance(objective, NetworkObjective):
        return [Brought(objective.initial(settings.method.seed).cpu().numpy())], {}
    points = settings.endpoints
    if points is None:
        surface = SURFACES[settings.objective.name]
        return [Brought(np.array(point)) for point in (surface.start, *surface.through, surface.end)], {}
    sides = [("start", points.start), *(("through", point) for point in points.through), ("end", points.end)]
    # what is given comes first: an error in it is not to follow hours of training
    found = {
        n: brought(point, side, objective, folder)
        for n, (side, point) in enumerate(sides)
        if not isinstance(point, Trained)
    }
    if len(found) < len(sides):
        shared.refuse_others(objective)
    used = train()
    for n, (side, point) in enumerate(sides):
        if isinstance(point, Trained):
            found[n] = of_minimum(used[side].folder, side, objective)
    chain = [found[n] for n in range(len(sides))]
    if np.array_equal(chain[0].weights, chain[-1].weights):
        raise PathsearchError("the endpoints are identical: give two different minima")
    return chain, used


def brought(point: Point, side: str, objective: Objective, folder: Path) -> Brought:
    """What a point of the configuration stands for; `side` is start, end or through.

    Raises PathsearchError where it does not fit the objective, or shares less with another endpoint than it has to.
    """
    if isinstance(point, list):
        return Brought(checked(np.asarray(point, dtype=float), f"endpoints.{side}", objective))
    if isinstance(point, FromRun):
        return Brought(_pivot(found(point.run, folder), point.pivot, side, objective))
    file = found(point, folder)
    if is_run(file):
        return Brought(_pivot(file, -1 if side == "end" else 0, side, objective))
    with _about(side):
        held = checkpoints.loaded(file)
        vector = _vector(held, file)
        fits = vector is not None and (isinstance(held, torch.Tensor) or vector.shape == (objective.size,))
        if isinstance(objective, NetworkObjective) and not fits:
            return _fitted(held, file, side, objective)
        if vector is None:
            raise PathsearchError(f"{file} holds no single vector of weights, and only a network takes others")
    return Brought(checked(vector, f"endpoints.{side}", objective))


def first_size(endpoints: Endpoints | None, folder: Path) -> int | None:
    """How many weights the endpoints have, where that can be told before there is an objective."""
    start = endpoints.start if endpoints else None
    if isinstance(start, list):
        return len(start)
    if not isinstance(start, (str, FromRun)):
        return None
    file = found(start if isinstance(start, str) else start.run, folder)
    if isinstance(start, FromRun) or is_run(file):
        return read(file).shape[1]
    with _about("start"):
        vector = _vector(checkpoints.loaded(file), file)
    return None if vector is None else int(vector.size)


def of_minimum(folder: Path, side: str, objective: Objective) -> Brought:
    """A trained minimum, at one side of a path."""
    return Brought(_pivot(folder / "path.h5", 0, side, objective))


def _pivot(where: Path, pivot: int, side: str, objective: Objective) -> NDArray[Any]:
    with stored(where) as kept:
        groups = kept.run.groups
        if kept.run.state != "finished":
            raise PathsearchError(
                f"endpoints.{side}: {where} is not finished: what it holds will change; run it on first"
            )
        if isinstance(objective, NetworkObjective) and groups["parameters"]["name"].tolist() != objective.names:
            raise PathsearchError(f"endpoints.{side}: {where} is a run of another network")
        shared.adopt(shared.of_file(kept), str(where), objective)
        pivots = len(kept.weights)
        if not -pivots <= pivot < pivots:
            raise PathsearchError(f"endpoints.{side}: {where} has {pivots} pivots, none numbered {pivot}")
        return checked(kept.weights[pivot], f"endpoints.{side}", objective)


def look_for(points: Endpoints | None, folder: Path) -> None:
    """Raise PathsearchError where a file that an endpoint is to come from is not there."""
    for point in [points.start, *points.through, points.end] if points else []:
        if isinstance(point, (str, FromRun)):
            found(point if isinstance(point, str) else point.run, folder)


def found(name: str, folder: Path) -> Path:
    """A file named relative to the working folder, or to the configuration's own `folder`."""
    try:
        return files.found(name, folder)
    except PathsearchError as error:
        raise PathsearchError(f"endpoints: {error}") from None


def _vector(held: Any, file: Path) -> NDArray[Any] | None:
    """The only tensor that a file holds, alone or under a name; None where there are others."""
    while isinstance(held, (dict, list)) and len(held) == 1:
        (held,) = held.values() if isinstance(held, dict) else held
    if not isinstance(held, torch.Tensor):
        return None
    vector = fitting.dense(held, f"the vector in {file}")
    exact = vector.dtype in (torch.float32, torch.float64) or not vector.is_floating_point()
    return np.asarray((vector if exact else vector.double()).numpy())  # numpy knows no bfloat16


def _fitted(held: Any, file: Path, side: str, network: NetworkObjective) -> Brought:
    values = fitting.fitted(held, network.module, str(file))
    network.adopt(values, str(file))
    constant, state = network.shared, network.buffers
    own = [name for name, _ in network.state_names if name in state and name not in constant]
    # counters of batches change nothing, and old files have none
    needed = [name for name in own if state[name].ndim or state[name].is_floating_point()]
    whole = needed and all(name in values for name in needed)
    buffers = {name: values[name].to(state[name].dtype).numpy() for name in own if whole and name in values}
    return Brought(checked(network.flat(values).cpu().numpy(), f"endpoints.{side}", network), buffers)


@contextmanager
def _about(side: str) -> Iterator[None]:
    try:
        yield
    except PathsearchError as error:
        said = str(error)
        raise PathsearchError(said if said.startswith("endpoints.") else f"endpoints.{side}: {said}") from error


def checked(vector: NDArray[Any], what: str, objective: Objective) -> NDArray[Any]:
    """The same weights [M]; raises PathsearchError, which calls them `what`, where the objective cannot take them."""
    if vector.dtype.kind not in "fiu":
        raise PathsearchError(f"{what} has elements of type {vector.dtype}, not real numbers")
    if vector.shape != (objective.size,):
        raise PathsearchError(
            f"{what} has shape {vector.shape}, the objective's weights have shape ({objective.size},)"
        )
    if not np.isfinite(vector).all():
        raise PathsearchError(f"{what} has weights that are not finite")
    return vector
