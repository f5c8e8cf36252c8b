"""One run in its folder: begin or continue, search, measure, keep."""

import ctypes
import fcntl
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from pathsearch import measure, storage
from pathsearch.errors import Interrupted, NotFinite, PathsearchError
from pathsearch.holders import Holder, SerialHolder
from pathsearch.launch import endpoints
from pathsearch.launch.config import differences
from pathsearch.launch.settings import UNCOMPARED, Endpoints, RunSettings, Trained
from pathsearch.launch.versions import origin, versions
from pathsearch.objectives import CallableSettings, Objective, device_of, importable
from pathsearch.objectives.network import STATISTICS, NetworkObjective
from pathsearch.objectives.surfaces import SURFACES
from pathsearch.search import Position, Report, moving, search
from pathsearch.storage.history import History, before
from pathsearch.storage.writer import Variable


class Watcher(Protocol):
    """Who is told how a run goes on."""

    def log(self, line: str) -> None:
        """Something worth a line."""

    def step(self, report: Report) -> None:
        """A step of the search is done."""

    def phase(self, name: str, total: int) -> None:
        """A stretch of work of about so many pieces begins."""

    def tick(self, count: int) -> None:
        """So many pieces of it are done."""


def run(settings: RunSettings, folder: Path, config_folder: Path, watcher: Watcher) -> storage.Run:
    """Carry a run to its end, from nothing or from what `folder/path.h5` holds.

    Raises PathsearchError where it cannot go on, Interrupted where a signal stopped it; what was found is kept.
    """
    with importable(config_folder), _alone(folder), _signals() as stop:
        return _Session(settings, folder, config_folder, watcher, stop).carry_out()


class _Session:
    def __init__(
        self, settings: RunSettings, folder: Path, config_folder: Path, watcher: Watcher, stop: list[int]
    ) -> None:
        self.settings, self.config_folder, self.watcher, self.stop = settings, config_folder, watcher, stop
        self.file = folder / "path.h5"
        self.config = settings.model_dump(mode="json")
        self.history = History()
        self.profiles: dict[str, dict[str, Variable]] = {}
        self.summary: dict[str, Any] = {}

    def carry_out(self) -> storage.Run:
        storage.sweep(self.file)
        if self.file.exists():
            past = storage.read(self.file)
            self._compare(past)
            if past.state == "finished":
                self.watcher.log(f"{self.file} is finished already")
                return past
        else:
            past = None
        prepare_torch()
        device = device_of(self.settings.device)
        needed = isinstance(self.settings.objective, CallableSettings)
        size = endpoints.first_size(self.settings.endpoints, self.config_folder) if needed else None
        self.objective: Objective = self.settings.objective.open(size, device)
        trained = endpoints.training(self.settings.endpoints) if self.settings.endpoints else []
        self.summary = {"training": len(trained), "training_steps": sum(stage.steps for stage in trained)}
        settings = self.settings
        self.stages = trained + settings.method.stages(settings.optimizer, settings.steps, settings.tolerance)

        if past is None:
            position = self._begin()
            self.watcher.log(f"begins: {self.objective.size} parameters on {device}")
        else:
            position = self._continue(past)
            self.watcher.log(f"continues after {position.moves} steps, from {self.file}")
        try:
            position = self._search(position)
        except NotFinite as error:
            kept = f"the last checkpoint is kept in {self.file}" if self.file.exists() else "nothing was kept yet"
            raise PathsearchError(f"{error}; {kept}") from error
        self._measure(position)
        self._save(position, "finished")
        return storage.read(self.file)

    def _begin(self) -> Position:
        start, *through, end = _first_guess(self.settings, self.objective, self.config_folder)
        chain = np.stack([start, *through, end] if self.stages else [start, end])  # a line is not bent
        self.holder: Holder = SerialHolder(self.objective)
        self.holder.load(chain, [], {})
        return Position(pivots=len(chain))

    def _continue(self, past: storage.Run) -> Position:
        position = Position(**past.position)
        pivots, registers = storage.read_vectors(self.file)
        if isinstance(self.objective, NetworkObjective):
            endpoints.adopt_buffers(self.file, self.objective)
        begun = position.begun and position.stage < len(self.stages)
        self.holder = SerialHolder(self.objective)
        self.holder.load(pivots, moving(self.stages[position.stage], position.pivots) if begun else [], registers)
        self.history = before(position, past.groups["history"])
        self.summary = past.summary
        for name, arrays in past.groups.items():
            if name.startswith("profiles/"):
                self.profiles[name] = _as_stored(name, arrays)
        return position

    def _search(self, position: Position) -> Position:
        saved = time.monotonic()
        report = None
        for report in search(self.holder, self.stages, position, self.settings.seed, self.objective.stochastic):
            # a stage's first step too: what went before, training above all, is not to be lost
            due = report.position.step == 0 or report.position.moves % self.settings.checkpoint.steps == 0
            if due or self.stop or time.monotonic() - saved > 60 * self.settings.checkpoint.minutes:
                # before the row of this step is added: a run that continues from here takes the step again
                self._save(report.position, "running")
                saved = time.monotonic()
            self._heed(f"step {report.position.step} of {report.stage.name}")
            self.history.add(report)
            self.watcher.step(report)
        if report is not None:
            position = report.stage_done()
            self._save(position, "running")
        return position

    def _heed(self, where: str) -> None:
        if self.stop:
            raise Interrupted(
                f"stopped by {signal.Signals(self.stop[0]).name} at {where}: "
                f"kept in {self.file}; run the same command again to continue"
            )

    def _tick(self, count: int) -> None:
        self.watcher.tick(count)
        self._heed("measuring")

    def _measure(self, position: Position) -> None:
        options, curve = self.settings.measure, self.settings.method.curve
        chords = self.holder.chords()
        if chords[-1, -1] == 0.0:
            raise PathsearchError("the endpoints are identical: train them from different seeds, or give two minima")
        watcher = self.watcher
        if "profiles/path" not in self.profiles:
            watcher.phase("measure the path", options.points)
            path = measure.measured_path(self.holder, curve, chords, options.points, options.tolerance, self._tick)
            self._keep_profile("path", path)
            self._save(position, "running")
        if "profiles/linear" not in self.profiles:
            watcher.phase("measure the straight line", options.points)
            line = measure.measured_line(self.holder, chords, options.points, options.tolerance, self._tick)
            self._keep_profile("linear", line)
            self._save(position, "running")
        if options.plane and "profiles/plane" not in self.profiles:
            watcher.phase("measure the plane", options.plane**2)
            plane = measure.measured_plane(self.holder, curve, chords, options.plane, self._tick)
            if plane is not None:
                self._keep_plane(plane)
        self.summary["chord"] = float(np.sqrt(chords[-1, -1]))
        self.summary["disagreement"] = measure.disagreement(self.holder, position.pivots)
        self.summary["as_loaded"] = self._as_loaded()

    def _as_loaded(self) -> dict[str, dict[str, float]]:
        """Metrics of endpoints that came with running statistics of their own, measured with these."""
        found: dict[str, dict[str, float]] = {}
        points = self.settings.endpoints
        for side in ("start", "end"):
            point = getattr(points, side, None)
            if isinstance(point, str) and isinstance(self.objective, NetworkObjective):
                file = endpoints.found(point, self.config_folder)
                if file.is_file() and file.suffix not in (".npy", ".h5"):
                    parameters, buffers = endpoints.state_dict(file, side, self.objective)
                    if buffers:
                        found[side] = self.objective.measure_with(self.objective.flat(parameters), buffers)
        return found

    def _keep_profile(self, name: str, profile: measure.Profile) -> None:
        columns = {"t": profile.t, "arc_length": profile.arc, **profile.metrics}
        self.profiles[f"profiles/{name}"] = {key: (("t",), values) for key, values in columns.items()}
        self.summary[f"{name}_uncertainty"] = profile.uncertainty
        metric, losses = next(iter(profile.metrics.items()))
        if not np.isfinite(losses).all():
            where = profile.t[~np.isfinite(losses)][0]
            self.watcher.log(f"warning: {metric} of the {name} profile is not finite, first at t = {where:.4g}")

    def _keep_plane(self, plane: measure.Plane) -> None:
        arrays = {"x": plane.x, "y": plane.y, **plane.metrics}
        self.profiles["profiles/plane"] = _as_stored("profiles/plane", arrays)
        shadow = {name: getattr(plane, name) for name in ("path_x", "path_y", "pivots_x", "pivots_y")}
        self.profiles["profiles/shadow"] = _as_stored("profiles/shadow", shadow)

    def _save(self, position: Position, state: str) -> None:
        pivots = self.holder.pivots()
        rows = np.array(moving(self.stages[position.stage], position.pivots) if position.begun else [], dtype=np.int64)
        registers = self.holder.registers() if position.begun else {}
        table = self.objective.table
        counts = [int(np.prod(shape)) for _, shape in table]
        attributes = {
            "state": state,
            "config": self.config,
            "position": asdict(position),
            "summary": {**self.summary, "stages": [stage.name for stage in self.stages]},
            "versions": versions(),
            "origin": origin(),
        }
        groups: dict[str, dict[str, Variable]] = {
            "path": {
                "pivot": (("pivot",), np.arange(len(pivots))),
                "weights": (("pivot", "parameter"), pivots),
            },
            "optimizer": {
                "moving": (("moving",), rows),
                **{name: (("moving", "parameter"), values) for name, values in registers.items()},
            },
            "parameters": {
                "name": (("tensor",), np.array([name for name, _ in table])),
                "shape": (("tensor",), np.array(["x".join(map(str, shape)) for _, shape in table])),
                "offset": (("tensor",), np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(np.int64)),
            },
            "buffers": _buffers(self.objective),
            "history": self.history.variables(),
            **self.profiles,
        }
        storage.write(self.file, attributes, groups)

    def _compare(self, past: storage.Run) -> None:
        old, new = ({k: v for k, v in c.items() if k not in UNCOMPARED} for c in (past.config, self.config))
        changed = differences(old, new)
        if changed:
            raise PathsearchError(
                f"{self.file} holds a run with another configuration: {', '.join(changed)}; "
                "name another folder with --out, or move this one away"
            )


def _buffers(objective: Objective) -> dict[str, Variable]:
    if not isinstance(objective, NetworkObjective):
        return {}
    shared = {n: b for n, b in objective.buffers.items() if n.rpartition(".")[2] not in STATISTICS}
    return {
        name: (tuple(f"{name}_{axis}" for axis in range(buffer.ndim)), buffer.cpu().numpy())
        for name, buffer in shared.items()
    }


def prepare_torch() -> None:
    """Make torch choose kernels that give the same bits every time, as far as it can, and keep memory it frees."""
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
    # glibc hands large blocks back to the system and faults them in again at every layer of every step: with these
    # three limits raised a ResNet-20 step on a CPU is 5 to 10 % faster (numbers: M_* of malloc.h)
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for option, value in ((-3, 32 << 20), (-1, (1 << 31) - 1), (-2, 64 << 20)):
            mallopt(option, value)


def _first_guess(settings: RunSettings, objective: Objective, folder: Path) -> list[Any]:
    """The chain [start, …, end] the search begins with; an endpoint to be trained is its untrained network."""
    points = settings.endpoints
    if points is None:
        surface = SURFACES[settings.objective.name]
        return [np.array(point) for point in (surface.start, *surface.through, surface.end)]
    _refuse_equal_training(points)
    chain: list[Any] = []
    sides = [("start", points.start), *(("through", point) for point in points.through), ("end", points.end)]
    for side, point in sides:
        if isinstance(point, Trained):
            chain.append(objective.initial(point.train.seed).cpu().numpy())
        else:
            chain.append(endpoints.weights(point, side, objective, folder))
    if np.array_equal(chain[0], chain[-1]):
        raise PathsearchError("the endpoints are identical: give two different minima")
    return chain


def _refuse_equal_training(points: Endpoints) -> None:
    if isinstance(points.start, Trained) and points.start == points.end:
        raise PathsearchError("both endpoints are trained from the same seed: set endpoints.end.train.seed to another")


def _as_stored(group: str, arrays: dict[str, Any]) -> dict[str, Variable]:
    """Arrays of a `profiles/…` group with the names of their dimensions (see `storage.schema`)."""
    if group == "profiles/plane":
        return {name: ((name,) if name in ("x", "y") else ("y", "x"), values) for name, values in arrays.items()}
    if group == "profiles/shadow":
        return {name: (("pivot" if name.startswith("pivots") else "point",), v) for name, v in arrays.items()}
    return {name: (("t",), values) for name, values in arrays.items()}


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the folder's lock; the system lets go of it whatever ends the process."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / ".lock").open("w")
    except OSError as error:
        raise PathsearchError(f"cannot use folder {folder}: {error.strerror}; name another with --out") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise PathsearchError(
                f"another process is running in {folder}: wait for it, or name another --out"
            ) from None
        except OSError:
            pass  # a file system without locks: the last writer wins, each file stays whole
        yield


@contextmanager
def _signals() -> Iterator[list[int]]:
    """A list that the first SIGINT or SIGTERM is put into; a second one ends the process as usual."""
    stop: list[int] = []
    old: dict[int, Any] = {}

    def note(number: int, frame: Any) -> None:
        stop.append(number)
        signal.signal(number, old[number])

    for wanted in (signal.SIGINT, signal.SIGTERM):
        old[wanted] = signal.signal(wanted, note)
    try:
        yield stop
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
