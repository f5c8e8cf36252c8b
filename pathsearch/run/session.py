"""One run in its folder, a path or a minimum: begin or continue, search, measure, keep."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from pathsearch import measure, storage
from pathsearch.alignment.settings import NotAligned
from pathsearch.errors import HolderLost, Interrupted, MachineLost, PathsearchError
from pathsearch.holders import opened
from pathsearch.methods import Train
from pathsearch.objectives.faults import device_fault
from pathsearch.objectives.network import NetworkObjective
from pathsearch.objectives.protocol import remarked
from pathsearch.run import aligning, coordinator, endpoints, invalid, keeping, measuring, past, placement, until
from pathsearch.run.endpoints import Brought
from pathsearch.run.minima import Minimum, written
from pathsearch.run.outside import Outside, outside
from pathsearch.run.recipe import Recipe
from pathsearch.run.settings import Asked
from pathsearch.run.shared import Shared, adopt, of_file, shared
from pathsearch.run.shelf import shelf
from pathsearch.run.stop import Stop
from pathsearch.run.versions import writer
from pathsearch.run.watcher import Watcher
from pathsearch.search import State, Step, moving_pivots, search
from pathsearch.storage.history import History, before

RETRIES = 3  # losses of vectors one after another without getting further


Minima = Callable[[], dict[str, Minimum]]
"""Finished minima by the side of the path that they are at."""


def carry_out(asked: Asked, folder: Path, watcher: Watcher, stop: Stop, minima: Minima) -> storage.Run:
    """Carry a run to its end, from nothing or from what `folder/path.h5` holds, the caller alone in `folder`.

    minima: trains those that its ends need, when all else that it begins with is in order. Raises as `whole.run`.
    """
    session = _Session(asked, folder, watcher, stop, minima)
    with _device_faults(session._kept):
        return session.carry_out(asked.stretch)


class _Session:
    def __init__(self, asked: Asked, folder: Path, watcher: Watcher, stop: Stop, minima: Minima) -> None:
        self.settings, self.config_folder, self.watcher, self.stop = asked.settings, asked.folder, watcher, stop
        self.train = minima
        self.file = folder / "path.h5"
        self.config = asked.settings.model_dump(mode="json")
        self.history = History()
        self.profiles: dict[str, storage.Arrays] = {}
        self.summary: dict[str, Any] = {}
        self.outside: Outside = {}
        self.minima: list[dict[str, Any]] = []  # those that the path joins
        self.writers: list[dict[str, Any]] = []  # this process is the last of them
        self.shared = Shared()  # by all points of the path
        self.own: dict[str, dict[str, Any]] = {}  # what endpoints brought that they do not share, by side
        self.last: State | None = None  # of the search, once that is over
        self.guess: list[Brought] = []  # what the search begins with
        self.used: dict[str, Minimum] = {}  # in it
        self.ready: aligning.Ready | None = None
        self.aligned = aligning.Aligned()
        self.points: measure.Known = {}  # measured so far
        self.reached = (0, 0)  # steps, points: what a loss of vectors may undo, not for ever
        self.saved = self.paced = time.monotonic()
        self.counted = self.saved  # until when device-seconds are
        self.part = "search"  # that the run is in
        self.slowest = self.saving = 0.0  # seconds of a step or a measured point, of a checkpoint

    def carry_out(self, stretch: bool) -> storage.Run:
        storage.sweep(self.file)
        kept = past.past(self.file, self.settings, self.config_folder, stretch)
        if kept is not None and kept.state == "finished" and not past.beyond(kept, self.settings):
            return kept
        settings, folder = self.settings, self.config_folder
        size = placement.size(settings, folder)
        self.place = placement.placed(settings, size)
        recipe = Recipe(settings, size, self.place.device, folder.resolve(), Path.cwd())
        holder = settings.holder.at(self.place.holder, self.place.device)
        with ExitStack() as stack:
            self.objective = coordinator.opened(recipe, holder, self.stop, stack)
            self._prepare(kept)
            elsewhere = replace(recipe, shared=self.shared).elsewhere
            self.holder = stack.enter_context(closing(opened(holder, self.objective, elsewhere, self.watcher.log)))
            return self._persist()

    def _prepare(self, kept: storage.Run | None) -> None:
        """Have the objective ready to begin, or to go on from what is kept."""
        settings = self.settings
        self.stages = invalid.stages_of(settings, self.objective)
        if kept is None:
            self._first_guess()
        else:
            if kept.groups["parameters"]["name"].tolist() != [name for name, _ in self.objective.table]:
                raise PathsearchError(f"{self.file} holds a path of other parameters: name another folder with --out")
            with storage.stored(self.file) as stored:
                adopt(of_file(stored), str(self.file), self.objective)
        self.shared = shared(self.objective)

    def _persist(self) -> storage.Run:
        """Search and measure; where vectors are lost, go on from the last checkpoint as long as that gets further."""
        furthest, lost = (-1, 0), 0
        while True:
            try:
                if lost:
                    self.holder.revive()
                state = self._continue() if self.file.exists() else self._begin()
                self.counted, self.part = time.monotonic(), "search"
                self._measure(self._search(state))
                return storage.read(self.file)
            except HolderLost as error:
                self._raise_if_stopped("the loss of an actor")  # which the same signal may have ended
                lost = 1 if self.reached > furthest else lost + 1
                if lost > RETRIES:
                    raise PathsearchError(f"{error}, {lost} times without getting further; {self._kept()}") from error
                furthest = max(furthest, self.reached)
                self.watcher.log(f"{error}; goes on from the last checkpoint")

    def _kept(self) -> str:
        if not self.file.exists():
            return "nothing was kept yet"
        return f"the last checkpoint is kept in {self.file}: run the same command again to continue from it"

    def _settle_gradients(self) -> None:
        """Settle how gradients are evaluated, once a run, since last bits depend on it."""
        asked = self.settings.holder.gradients
        how = self.summary.get("gradients", "auto") if asked == "auto" else asked
        self.summary["gradients"] = self.holder.prepare_gradients(how)

    def _first_guess(self) -> None:
        """Read what the endpoints bring, all that the run will ever need of them."""
        self.outside = outside(self.config, self.config_folder)

        def trained() -> dict[str, Minimum]:
            # a network that cannot be understood is not to be trained for hours first
            self._look_at_symmetries()
            return self.train()

        points, self.used = endpoints.first_guess(self.settings, self.objective, self.config_folder, trained)
        ends = {"start": points[0], "end": points[-1]}
        self.minima = [written(side, minimum, ends[side].weights) for side, minimum in self.used.items()]
        self.guess = points if self.stages else [points[0], points[-1]]  # a line is not bent

    def _look_at_symmetries(self) -> None:
        how = self.settings.endpoints.align if self.settings.endpoints else NotAligned()
        if not isinstance(how, NotAligned) and isinstance(self.objective, NetworkObjective):
            self.ready = aligning.ready(self.objective, how, self._begin_to)

    def _align(self, points: list[Brought]) -> list[Brought]:
        """The same points, aligned where that is asked for."""
        if self.ready is None or not isinstance(self.objective, NetworkObjective):
            return points
        telling = aligning.Telling(self._begin_to, self.watcher.log, self.watcher.phase, self._tick_before)
        ready, weights = self.ready, {"start": points[0].weights, "end": points[-1].weights}
        with shelf(self.used, weights, self.settings, ready.symmetries, self.watcher.log, self.stop) as place:
            points, self.aligned = aligning.aligned(ready, points, self.objective, self.holder, telling, place)
        self.ready = None
        return points

    def _begin_to(self, what: str) -> None:
        """A stretch of work begins before anything is kept."""
        self.watcher.phase(what, 1)
        self._tick_before(0)

    def _tick_before(self, count: int) -> None:
        self.watcher.tick(count)
        self.stop.due(0.0)
        self._raise_if_stopped("aligning")

    def _begin(self) -> State:
        if not self.guess:
            self._first_guess()
        points, self.guess = self._align(self.guess), []  # the holder has it then
        self.own = {side: each.buffers for side, each in (("start", points[0]), ("end", points[-1])) if each.buffers}
        chain = [each.weights for each in points]
        self.holder.load(chain, [], {})
        self._settle_gradients()
        self.summary["device"] = self.holder.devices()
        self.writers = [writer(self.holder.devices())]
        self._pass_on()
        self.watcher.log(f"begins: {self.objective.size} parameters {self._where()}")
        return State(pivots=len(chain))

    def _continue(self) -> State:
        with storage.stored(self.file) as kept:
            run = kept.run
            state = State(**run.position)
            self.last = State(**run.last) if run.last else None
            more = past.beyond(run, self.settings)
            if more and self.last is not None:
                state, self.last = self.last, None
            rows, _ = self._moving(state)
            self.holder.load(kept.weights, rows, kept.states if rows else {})
        self.history = before(state, run.groups["history"], run.groups.get("looks", {}))
        self.summary, self.outside, self.minima = run.summary, run.outside, run.minima
        self.own, self.aligned = run.under("endpoints"), aligning.Aligned(run.alignment, run.under("alignment"))
        self.writers = self.writers or [*run.writers, writer(self.holder.devices())]
        self._settle_gradients()
        if not more:  # else they are of another path
            self.points = measure.known_points(run.groups.get("measured", {}))
            self.profiles = run.under("profiles")
        if self.stages and run.summary["steps"][-1] < self.stages[-1].steps:
            self.summary.setdefault("extended", run.summary["steps"][-1])
        if changed := past.rates(run, self.settings):
            self.summary.setdefault("rates", []).append([state.moves, self.stages[-1].steps])
            self.watcher.log(changed)
        self.watcher.log(f"continues after {state.moves} steps, from {self.file}, {self._where()}")
        begun, here = self.summary.setdefault("device", self.holder.devices()), self.holder.devices()
        if begun != here:
            self.watcher.log(f"warning: begun on {begun}, goes on on {here}, where last digits differ")
        return state

    def _moving(self, state: State) -> tuple[list[int], tuple[str, ...]]:
        """Pivots that have optimiser states, and the names of these; after the search, those of its last step."""
        at = state if state.begun else self.last
        if at is None or at.stage >= len(self.stages):
            return [], ()
        stage = self.stages[at.stage]
        return moving_pivots(state.pivots), stage.optimizer.state_names()

    def _where(self) -> str:
        """Where the vectors are, and why there if that was left open."""
        return self.holder.describe() + (f" (auto: {self.place.why})" if self.place.why else "")

    def _search(self, state: State) -> State:
        step = None
        if state.stage < len(self.stages):
            self.summary.pop("reached", None)  # of a goal that it goes beyond
        self.paced = time.monotonic()
        for step in self._steps(state):
            # a stage's first step too: what went before is not to be lost
            due = step.state.step == 0 or step.state.moves % self.settings.checkpoint.steps == 0
            if self._pause() or due:
                # before the row of this step is added: a run that continues from here takes the step again
                self._save(step.state, "running")
            self._raise_if_stopped(f"step {step.state.step} of {step.stage.name}")
            enough = self._look(step)
            self.history.add(step)
            self.watcher.step(step)
            self.reached = max(self.reached, (step.state.moves, 0))
            if enough:
                break
        if step is not None:
            state = replace(step.stage_done(), stage=len(self.stages))  # a goal ends all stages
            if (goal := self.settings.until) is not None and self.history.looks:
                metric, enough = until.column(goal, self.objective.metrics), "reached" in self.summary
                self.watcher.log(until.outcome(goal, metric, self.history.looks[-1], enough))
            self.last = step.state
            self._save(state, "running")
        return state

    def _look(self, step: Step) -> bool:
        """Look whether the path is good enough, where it is time to; whether it is."""
        goal = self.settings.until
        if goal is None or not until.due(goal, step, len(self.stages)):
            return False
        at, metric = step.state, until.column(goal, self.objective.metrics)
        heed = partial(self._heed, at, f"the look at step {at.moves}")
        points, barriers = until.look(goal, self.holder, self.objective, self.settings.method.curve, at, heed)
        self.history.look(step, points, barriers)
        if found := until.reached(goal, metric, step, barriers):
            self.summary["reached"] = found
        return bool(found)

    def _steps(self, state: State) -> Iterator[Step]:
        """The search; an error that ends it says where its last state is kept."""
        try:
            yield from search(self.holder, self.stages, state, self.settings.seed, self.objective.stochastic)
        except HolderLost:
            raise
        except PathsearchError as error:
            raise PathsearchError(f"{error}; {self._kept()}") from error

    def _raise_if_stopped(self, where: str) -> None:
        if self.stop.number is not None:
            kept = f"kept in {self.file}" if self.file.exists() else "nothing was kept yet"
            raise Interrupted(
                f"stopped by {self.stop.reason} at {where}: {kept}; run the same command again to continue",
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
        """Log the remarks of this process's objective; the holder passes on those of actors."""
        for line in remarked(self.objective):
            self.watcher.log(line)

    def _tick(self, state: State, count: int) -> None:
        self.watcher.tick(count)
        self.reached = max(self.reached, (self.reached[0], len(self.points)))
        self._heed(state, "measuring")

    def _heed(self, state: State, where: str) -> None:
        """Between two points that are measured: pass on remarks, keep what there is, stop, each if it is time to."""
        self._pass_on()
        if self._pause():
            self._save(state, "running")
        self._raise_if_stopped(where)

    def _measure(self, state: State) -> None:
        self.part = "measure"
        if isinstance(self.settings.method, Train):
            self._measure_minimum()
        else:
            self._measure_path(state)
        self.summary.pop("extended", None)
        self._pass_on()
        self.points.clear()
        self._save(state, "finished")

    def _measure_minimum(self) -> None:
        self.watcher.phase("measure the minimum", 1)
        (self.summary["minimum"],) = self.holder.ask("measure", np.ones((1, 1)))
        if odd := [
            metric for metric in ("train_loss", "test_loss") if not np.isfinite(self.summary["minimum"][metric])
        ]:
            self.watcher.log(f"warning: {odd[0]} of the minimum is not finite")

    def _measure_path(self, state: State) -> None:
        options, curve = self.settings.measure, self.settings.method.curve
        products = self.holder.inner_products()
        if products[-1, -1] == 0.0:
            raise PathsearchError("the endpoints are identical: train them from different seeds, or give two minima")
        self.paced = time.monotonic()
        holder = measure.Remembered(self.holder, self.points, partial(self._tick, state))
        known = list(self.profiles)
        for groups, figures, warning in measuring.profiles(holder, curve, products, options, known, self.watcher.phase):
            self.profiles |= groups
            self.summary |= figures
            if warning:
                self.watcher.log(warning)
            if figures:  # else it comes last, and is kept with the rest
                self._save(state, "running")
        self.summary["chord"] = float(np.sqrt(products[-1, -1]))
        self.summary |= measuring.ends(self.holder, state.pivots, self.own)

    def _save(self, state: State, status: str) -> None:
        rows, names = self._moving(state)
        self._count()
        kept = storage.Kept(
            state=status,
            config=self.config,
            position=asdict(state),
            last=asdict(self.last) if self.last else {},
            summary={
                **self.summary,
                **measuring.described(self.objective),
                "stages": [stage.name for stage in self.stages],
                "steps": [stage.steps for stage in self.stages],
            },
            curve=self.settings.method.curve,
            minima=self.minima,
            outside=self.outside,
            place={"here": str(Path.cwd()), "folder": str(self.config_folder.resolve())},
            writers=self.writers,
            weights=keeping.weights(self.objective, self.holder, state.pivots),
            moving=rows,
            optimizer=keeping.states(self.objective, self.holder, rows, names),
            tensors=self.objective.table,
            buffers=self.shared.brought,
            made=self.shared.made,
            history=self.history.arrays(),
            looks=self.history.look_arrays(),
            measured=measure.kept_points(self.points, state.pivots) if self.points else {},
            endpoints=self.own,
            alignment=self.aligned.said,
            aligned=self.aligned.arrays,
            profiles=self.profiles,
        )
        begun = time.monotonic()
        storage.write(self.file, kept)
        self.saved = self.paced = time.monotonic()
        self.saving = max(self.saving, self.saved - begun)

    def _count(self) -> None:
        """Add what devices have worked since the last time to what this process says of itself."""
        now = time.monotonic()
        spent = self.writers[-1].setdefault("device_seconds", {"search": 0.0, "measure": 0.0})
        spent[self.part] += (now - self.counted) * self.holder.count()
        self.counted = now


@contextmanager
def _device_faults(kept: Callable[[], str]) -> Iterator[None]:
    """Raise MachineLost where a device failed: this process can use it no more, another one may."""
    try:
        yield
    except Exception as error:
        fault = device_fault(error)
        if not fault:
            raise
        said = str(error) if isinstance(error, PathsearchError) else fault
        raise MachineLost(f"{said.removesuffix(f'; {kept()}')}; {kept()}") from error
