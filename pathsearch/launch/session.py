"""One run in its folder: begin or continue, search, measure, keep."""

import fcntl
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from pathsearch import measure, storage
from pathsearch.errors import HolderLost, Interrupted, MachineLost, PathsearchError
from pathsearch.holders import opened
from pathsearch.launch import endpoints, placement
from pathsearch.launch.past import past as kept_before
from pathsearch.launch.recipe import Recipe
from pathsearch.launch.settings import Endpoints, RunSettings, Trained
from pathsearch.launch.stop import Stop
from pathsearch.launch.versions import origin, versions
from pathsearch.methods.minimise import batches
from pathsearch.objectives import Objective, importable
from pathsearch.objectives.faults import device_fault
from pathsearch.objectives.network import NetworkObjective
from pathsearch.objectives.protocol import remarked
from pathsearch.objectives.surfaces import SURFACES
from pathsearch.search import Position, Report, moving, search
from pathsearch.storage.history import History, before
from pathsearch.storage.writer import Variable

RETRIES = 3  # losses of vectors one after another without getting further


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


def run(settings: RunSettings, folder: Path, config_folder: Path, watcher: Watcher, stop: Stop) -> storage.Run:
    """Carry a run to its end, from nothing or from what `folder/path.h5` holds.

    Raises PathsearchError where it cannot go on, Interrupted where `stop` was due, MachineLost where a device failed;
    what was found is kept.
    """
    with importable(config_folder), _alone(folder):
        session = _Session(settings, folder, config_folder, watcher, stop)
        with _device_faults(session._kept):
            return session.carry_out()


class _Session:
    def __init__(self, settings: RunSettings, folder: Path, config_folder: Path, watcher: Watcher, stop: Stop) -> None:
        self.settings, self.config_folder, self.watcher, self.stop = settings, config_folder, watcher, stop
        self.file = folder / "path.h5"
        self.config = settings.model_dump(mode="json")
        self.history = History()
        self.profiles: dict[str, dict[str, Variable]] = {}
        self.summary: dict[str, Any] = {}
        self.chain: list[Any] = []
        self.points: measure.Known = {}  # measured so far
        self.reached = (0, 0)  # steps, points: what a loss of vectors may undo, not for ever
        self.saved = self.paced = time.monotonic()
        self.slowest = self.saving = 0.0  # seconds of a step or a measured point, of a checkpoint

    def carry_out(self) -> storage.Run:
        storage.sweep(self.file)
        past = kept_before(self.file, self.config)
        if past is not None and past.state == "finished":
            return past
        settings, folder = self.settings, self.config_folder
        size = placement.size(settings, folder)
        self.place = placement.placed(settings, size)
        # the coordinator of a cluster needs no GPU: it sees no more of a vector than a checkpoint's row
        device = self.place.device if self.place.holder == "serial" else "cpu"
        recipe = Recipe(settings, size, device, folder.resolve(), Path.cwd())
        self.objective = recipe.open()
        trained = endpoints.training(settings.endpoints) if settings.endpoints else []
        self.summary = {"training": len(trained), "training_steps": sum(stage.steps for stage in trained)}
        self.stages = trained + settings.method.stages(settings.optimizer, settings.steps, settings.tolerance)
        if past is None:
            self.chain = self._first_guess()
        else:
            if past.groups["parameters"]["name"].tolist() != [name for name, _ in self.objective.table]:
                raise PathsearchError(f"{self.file} holds a path of other parameters: name another folder with --out")
            endpoints.adopt_buffers(past.groups["buffers"], str(self.file), self.objective)
        elsewhere = replace(recipe, device=self.place.device, buffers=_buffers(self.objective))
        holder = settings.holder.at(self.place.holder, self.place.device)
        with closing(opened(holder, self.objective, elsewhere.elsewhere, self.watcher.log)) as self.holder:
            return self._persist()

    def _persist(self) -> storage.Run:
        """Search and measure; where vectors are lost, go on from the last checkpoint as long as that gets further."""
        furthest, lost = (-1, 0), 0
        while True:
            try:
                if lost:
                    self.holder.revive()
                position = self._continue() if self.file.exists() else self._begin()
                self._measure(self._search(position))
                return storage.read(self.file)
            except HolderLost as error:
                self._heed("the loss of an actor")  # which the same signal may have ended
                lost = 1 if self.reached > furthest else lost + 1
                if lost > RETRIES:
                    raise PathsearchError(f"{error}, {lost} times without getting further; {self._kept()}") from error
                furthest = max(furthest, self.reached)
                self.watcher.log(f"{error}; goes on from the last checkpoint")

    def _kept(self) -> str:
        if not self.file.exists():
            return "nothing was kept yet"
        return f"the last checkpoint is kept in {self.file}: run the same command again to continue from it"

    def _stacked(self, stage: int) -> None:
        """Settle how gradients are worked out, from a stage on: once a run, since last bits depend on it."""
        asked = self.settings.holder.stack
        way = self.summary.get("stack", "auto") if asked == "auto" else asked
        self.summary["stack"] = self.holder.stack(way, batches(self.stages[stage:]))

    def _first_guess(self) -> list[Any]:
        start, *through, end = _first_guess(self.settings, self.objective, self.config_folder)
        return [start, *through, end] if self.stages else [start, end]  # a line is not bent

    def _begin(self) -> Position:
        chain, self.chain = self.chain or self._first_guess(), []  # the holder has it now
        self.holder.load(chain, [], {})
        self._stacked(0)
        self.summary["device"] = self.holder.devices()
        self._pass_on()
        self.watcher.log(f"begins: {self.objective.size} parameters {self._where()}")
        return Position(pivots=len(chain))

    def _continue(self) -> Position:
        with storage.stored(self.file) as kept:
            past = kept.run
            position = Position(**past.position)
            begun = position.begun and position.stage < len(self.stages)
            rows = moving(self.stages[position.stage], position.pivots) if begun else []
            self.holder.load(kept.weights, rows, kept.registers if begun else {})
        self.history = before(position, past.groups["history"])
        self.summary = past.summary
        self.points = measure.known_points(past.groups.get("measured", {}))
        self._stacked(position.stage)
        stored = {name: arrays for name, arrays in past.groups.items() if name.startswith("profiles/")}
        self.profiles = {name: _as_stored(name, arrays) for name, arrays in stored.items()}
        self.watcher.log(f"continues after {position.moves} steps, from {self.file}, {self._where()}")
        begun, here = self.summary.setdefault("device", self.holder.devices()), self.holder.devices()
        if begun != here:
            self.watcher.log(f"warning: begun on {begun}, goes on on {here}, where last digits differ")
        return position

    def _where(self) -> str:
        """Where the vectors are, and why there if that was left open."""
        return self.holder.describe() + (f" (auto: {self.place.why})" if self.place.why else "")

    def _search(self, position: Position) -> Position:
        report = None
        self.paced = time.monotonic()
        for report in self._reports(position):
            # a stage's first step too: what went before, training above all, is not to be lost
            due = report.position.step == 0 or report.position.moves % self.settings.checkpoint.steps == 0
            if self._pause() or due:
                # before the row of this step is added: a run that continues from here takes the step again
                self._save(report.position, "running")
            self._heed(f"step {report.position.step} of {report.stage.name}")
            self.history.add(report)
            self.watcher.step(report)
            self.reached = max(self.reached, (report.position.moves, 0))
        if report is not None:
            position = report.stage_done()
            self._save(position, "running")
        return position

    def _reports(self, position: Position) -> Iterator[Report]:
        """The search; what ends it for good says where its last state is."""
        try:
            yield from search(self.holder, self.stages, position, self.settings.seed, self.objective.stochastic)
        except HolderLost:
            raise
        except PathsearchError as error:
            raise PathsearchError(f"{error}; {self._kept()}") from error

    def _heed(self, where: str) -> None:
        if self.stop.number is not None:
            raise Interrupted(
                f"stopped by {self.stop.reason} at {where}: kept in {self.file}; "
                "run the same command again to continue",
                self.stop.number,
            )

    def _pause(self) -> bool:
        """Whether it is time for a checkpoint, by the clock or since the run is to stop; asked at every step."""
        now = time.monotonic()
        self.slowest, self.paced = max(self.slowest, now - self.paced), now
        return self.stop.due(2 * (self.slowest + self.saving)) or now - self.saved > (
            60 * self.settings.checkpoint.minutes
        )

    def _pass_on(self) -> None:
        """Log what this process's objective has to say; actors' ones come by the holder."""
        for line in remarked(self.objective):
            self.watcher.log(line)

    def _tick(self, position: Position, count: int) -> None:
        self.watcher.tick(count)
        self._pass_on()
        self.reached = max(self.reached, (self.reached[0], len(self.points)))
        if self._pause():
            self._save(position, "running")
        self._heed("measuring")

    def _measure(self, position: Position) -> None:
        options, curve = self.settings.measure, self.settings.method.curve
        chords = self.holder.chords()
        if chords[-1, -1] == 0.0:
            raise PathsearchError("the endpoints are identical: train them from different seeds, or give two minima")
        watcher, self.paced = self.watcher, time.monotonic()
        holder = measure.Remembered(self.holder, self.points, partial(self._tick, position))
        if "profiles/path" not in self.profiles:
            watcher.phase("measure the path", options.points)
            path = measure.measured_path(holder, curve, chords, options.points, options.tolerance)
            self._keep_profile("path", path)
            self._save(position, "running")
        if "profiles/linear" not in self.profiles:
            watcher.phase("measure the straight line", options.points)
            line = measure.measured_line(holder, chords, options.points, options.tolerance)
            self._keep_profile("linear", line)
            self._save(position, "running")
        if options.plane and "profiles/plane" not in self.profiles:
            watcher.phase("measure the plane", options.plane**2 + position.pivots)
            plane = measure.measured_plane(holder, curve, chords, options.plane)
            if plane is not None:
                self._keep_plane(plane)
        self.summary["chord"] = float(np.sqrt(chords[-1, -1]))
        self.summary["disagreement"] = measure.disagreement(self.holder, position.pivots)
        self.summary["as_loaded"] = self._as_loaded(position.pivots)
        self._pass_on()
        self.points.clear()
        self._save(position, "finished")

    def _as_loaded(self, pivots: int) -> dict[str, dict[str, float]]:
        """Metrics of endpoints that came with running statistics of their own, measured with these."""
        found: dict[str, dict[str, float]] = {}
        points = self.settings.endpoints
        for side, row in (("start", 0), ("end", pivots - 1)):
            point = getattr(points, side, None)
            if isinstance(point, str) and isinstance(self.objective, NetworkObjective):
                file = endpoints.found(point, self.config_folder)
                if file.is_file() and file.suffix not in (".npy", ".h5"):
                    _, buffers = endpoints.state_dict(file, side, self.objective)
                    if buffers:
                        arrays = {name: buffer.cpu().numpy() for name, buffer in buffers.items()}
                        found[side] = self.holder.measure_with(row, arrays)
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
        self.profiles["profiles/shadow"] = _as_stored("profiles/shadow", plane.shadow)

    def _save(self, position: Position, state: str) -> None:
        stage = self.stages[position.stage] if position.begun else None
        rows = moving(stage, position.pivots) if stage else []
        registers = stage.optimizer.registers() if stage else ()
        table = self.objective.table
        counts = [int(np.prod(shape)) for _, shape in table]
        attributes = {
            "state": state,
            "config": self.config,
            "position": asdict(position),
            "summary": {
                **self.summary,
                "stages": [stage.name for stage in self.stages],
                "steps": [stage.steps for stage in self.stages],
            },
            "versions": versions(),
            "origin": origin(),
        }
        groups: dict[str, dict[str, Variable]] = {
            "path": {
                "pivot": (("pivot",), np.arange(position.pivots)),
                "weights": (("pivot", "parameter"), self._rows(range(position.pivots), self.holder.pivot)),
            },
            "optimizer": {
                "moving": (("moving",), np.array(rows, dtype=np.int64)),
                **{n: (("moving", "parameter"), self._rows(rows, partial(self.holder.register, n))) for n in registers},
            },
            "parameters": {
                "name": (("tensor",), np.array([name for name, _ in table])),
                "shape": (("tensor",), np.array(["x".join(map(str, shape)) for _, shape in table])),
                "offset": (("tensor",), np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(np.int64)),
            },
            # no tensor has the name of these dimensions: what a dot follows is a layer
            "buffers": {n: (tuple(f"{n}.{i}" for i in range(b.ndim)), b) for n, b in _buffers(self.objective).items()},
            "history": self.history.variables(),
            **self.profiles,
        }
        if self.points:
            groups["measured"] = _as_stored("measured", measure.kept_points(self.points, position.pivots))
        begun = time.monotonic()
        storage.write(self.file, attributes, groups)
        self.saved = self.paced = time.monotonic()
        self.saving = max(self.saving, self.saved - begun)

    def _rows(self, rows: Sequence[int], vector: Callable[[int], Any]) -> storage.Rows:
        """Vectors [n, M] to be kept, fetched one by one: they need not all fit in this process."""
        dtype = np.dtype(str(self.objective.dtype).removeprefix("torch."))
        return storage.Rows((len(rows), self.objective.size), dtype, lambda n: vector(rows[n]))


def _buffers(objective: Objective) -> dict[str, Any]:
    """What all points share and is no coordinate, as arrays."""
    if not isinstance(objective, NetworkObjective):
        return {}
    return {name: value.cpu().numpy() for name, value in objective.shared.items()}


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
    if group == "measured":
        return {name: (("point", "pivot")[: values.ndim], values) for name, values in arrays.items()}
    return {name: (("t",), values) for name, values in arrays.items()}


@contextmanager
def _device_faults(kept: Callable[[], str]) -> Iterator[None]:
    """Say the failure of a device as what it is: this process can use it no more, another one may."""
    try:
        yield
    except Exception as error:
        fault = device_fault(error)
        if not fault:
            raise
        said = str(error) if isinstance(error, PathsearchError) else fault
        raise MachineLost(f"{said.removesuffix(f'; {kept()}')}; {kept()}") from error


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
