"""Endpoints: weights from lists, files and earlier runs, or training stages that make them."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pathsearch import files
from pathsearch.errors import PathsearchError
from pathsearch.launch.settings import Endpoints, FromRun, Point, Trained, Training
from pathsearch.methods.minimise import Minimise
from pathsearch.methods.stages import Stage
from pathsearch.numerics.native import native
from pathsearch.objectives.network import NetworkObjective
from pathsearch.objectives.protocol import Objective
from pathsearch.storage import read, stored


def weights(point: Point, side: str, objective: Objective, folder: Path) -> NDArray[Any]:
    """The weights [M] a point of the configuration stands for; `side` is start, end or through."""
    if isinstance(point, list):
        return _checked(np.asarray(point, dtype=float), side, objective)
    if isinstance(point, FromRun):
        return _pivot(found(point.run, folder), point.pivot, side, objective)
    file = found(point, folder)
    if file.is_dir() or file.suffix == ".h5":
        return _pivot(file, -1 if side == "end" else 0, side, objective)
    if file.suffix == ".npy":
        return _checked(_array(file, side), side, objective)
    if not isinstance(objective, NetworkObjective):
        raise PathsearchError(f"endpoints.{side}: {file} is not a .npy or .h5 file, and only networks have state_dicts")
    parameters, _ = state_dict(file, side, objective)
    objective.adopt(parameters, str(file))
    return _checked(objective.flat(parameters).cpu().numpy(), side, objective)


def first_size(endpoints: Endpoints | None, folder: Path) -> int | None:
    """How many weights the endpoints have, where that can be told before there is an objective."""
    start = endpoints.start if endpoints else None
    if isinstance(start, list):
        return len(start)
    if isinstance(start, str) and start.endswith(".npy"):
        return int(_array(found(start, folder), "start").size)
    if isinstance(start, (str, FromRun)):
        return read(found(start if isinstance(start, str) else start.run, folder)).shape[1]
    return None


def training(endpoints: Endpoints) -> list[Stage]:
    """The stages that train what is to be trained: one where both sides are trained alike, so they run together."""
    sides = {0: endpoints.start, 1 + len(endpoints.through): endpoints.end}
    trained = {row: side.train for row, side in sides.items() if isinstance(side, Trained)}
    alike: dict[str, dict[int, Training]] = {}
    for row, options in trained.items():
        alike.setdefault(options.model_dump_json(exclude={"seed"}), {})[row] = options
    stages = []
    for group in alike.values():
        options = next(iter(group.values()))
        minimise = Minimise({row: own.seed for row, own in group.items()}, options.batch)
        stages.append(Stage("train endpoints", minimise, options.optimizer, options.steps, rows=tuple(group)))
    return stages


def state_dict(
    file: Path, side: str, network: NetworkObjective
) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """Parameters and buffers of a saved state_dict; raises PathsearchError naming what does not fit the network."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # on foreign pickles; the error below says what to do
            loaded = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # torch has one for each way in which a file is none of its own
        raise PathsearchError(
            f"endpoints.{side}: {file} is damaged or holds more than plain tensors, and pickles are not opened: "
            "save it anew with torch.save(model.state_dict(), …)"
        ) from error
    return fitted(loaded, str(file), side, network)


def fitted(
    loaded: Any, file: str, side: str, network: NetworkObjective
) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """Parameters and buffers of a state_dict that comes from `file`, or another place; raises as `state_dict`."""
    if isinstance(loaded, dict) and isinstance(loaded.get("state_dict"), dict):
        loaded = loaded["state_dict"]
    if not isinstance(loaded, dict) or not all(isinstance(value, torch.Tensor) for value in loaded.values()):
        raise PathsearchError(f"endpoints.{side}: {file} is no state_dict of tensors")
    loaded = {str(name).removeprefix("module."): value for name, value in loaded.items()}
    wanted = [*network.table, *((n, tuple(b.shape)) for n, b in network.buffers.items() if n in loaded)]
    for name, shape in wanted:
        if name not in loaded:
            raise PathsearchError(f"endpoints.{side}: {file} has no parameter {name!r} of the network")
        if loaded[name].is_complex():
            raise PathsearchError(f"endpoints.{side}: {name!r} in {file} is complex")
        if tuple(loaded[name].shape) != shape:
            raise PathsearchError(
                f"endpoints.{side}: {name!r} in {file} has shape {tuple(loaded[name].shape)}, the network's has {shape}"
            )
    return loaded, {name: loaded[name].to(network.buffers[name]) for name in network.buffers if name in loaded}


def adopt_buffers(buffers: dict[str, NDArray[Any]], source: str, objective: Objective) -> None:
    """Take over the buffers that all points of a kept run share."""
    if isinstance(objective, NetworkObjective):
        objective.adopt({name: torch.from_numpy(value) for name, value in buffers.items()}, source)


def _pivot(where: Path, pivot: int, side: str, objective: Objective) -> NDArray[Any]:
    with stored(where) as kept:
        groups = kept.run.groups
        if kept.run.state != "finished":
            raise PathsearchError(
                f"endpoints.{side}: {where} is not finished: what it holds will change; run it on first"
            )
        if isinstance(objective, NetworkObjective) and groups["parameters"]["name"].tolist() != objective.names:
            raise PathsearchError(f"endpoints.{side}: {where} is a run of another network")
        adopt_buffers(groups["buffers"], str(where), objective)
        pivots = len(kept.weights)
        if not -pivots <= pivot < pivots:
            raise PathsearchError(f"endpoints.{side}: {where} has {pivots} pivots, none numbered {pivot}")
        return _checked(kept.weights[pivot], side, objective)


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


def _array(file: Path, side: str) -> NDArray[Any]:
    try:
        return native(np.asarray(np.load(file, allow_pickle=False)))
    except Exception as error:  # numpy has one for each way in which a file is none of its own
        raise PathsearchError(f"endpoints.{side}: {file} holds no plain array of numbers") from error


def _checked(vector: NDArray[Any], side: str, objective: Objective) -> NDArray[Any]:
    if vector.dtype.kind not in "fiu":
        raise PathsearchError(f"endpoints.{side} has elements of type {vector.dtype}, not real numbers")
    if vector.shape != (objective.size,):
        raise PathsearchError(
            f"endpoints.{side} has shape {vector.shape}, the objective's weights have shape ({objective.size},)"
        )
    if not np.isfinite(vector).all():
        raise PathsearchError(f"endpoints.{side} has weights that are not finite")
    return vector
