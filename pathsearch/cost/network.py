"""How fast a run's steps are on this machine, against a bare forward–backward loop of the same network."""

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pathsearch import storage
from pathsearch.cost import actors
from pathsearch.cost.evaluators import Timed, now, table_of, timed
from pathsearch.cost.forecast import Forecast, forecasts
from pathsearch.cost.rounding import rounded
from pathsearch.errors import PathsearchError
from pathsearch.holders import HolderSettings, SerialHolder
from pathsearch.holders.protocol import Holder
from pathsearch.methods import Neb
from pathsearch.numerics.messages import Traffic
from pathsearch.numerics.seeds import Key
from pathsearch.objectives.gradients import Evaluator, Gradients, Points
from pathsearch.objectives.nests import leaves
from pathsearch.objectives.network import NetworkObjective
from pathsearch.optimizers import Sgd
from pathsearch.run.recipe import Recipe
from pathsearch.run.settings import RunSettings
from pathsearch.search import State, search

IMAGES = 4
WARM = 2  # rounds before the clock counts: caches fill, kernels are chosen


@dataclass(frozen=True)
class OnActors:
    """The same band on actors: steps timed in turn with those of the serial holder."""

    actors: int
    step_seconds: float
    speed: float
    """the serial holder's step over this one, median of the rounds' ratios"""
    coordinator_bytes: float
    actor_bytes: float


@dataclass(frozen=True)
class Bench:
    """Seconds are medians over rounds in which everything was timed in turn; shares are of 1."""

    device: str
    threads: int
    parameters: int
    batch: int
    images: int
    rounds: int
    bare_seconds: float
    """one forward and backward of the module, on a mini-batch that is ready, in the fastest memory layout"""
    gradient_seconds: float
    """one loss and gradient of an image inside a band step, its batch drawn and augmented, as `gradients` says"""
    step_seconds: float
    """one band step: gradients of the images, losses of the two ends, forces, optimiser, re-spacing"""
    speed: float
    """bare over gradient, median of the rounds' ratios"""
    outside: float
    """share of a band step spent outside loss and gradient, median of the rounds"""
    gradients: str
    """how gradients were evaluated, as configured (`objectives/gradients.py`)"""
    measuring_seconds: float
    """one point of a profile, reckoned from a mini-batch's forward pass: all metrics on all that is measured"""
    checkpoint_seconds: float
    checkpoint_megabytes: float
    evaluators: dict[str, Timed]
    """all of them, beside each other"""
    actors: list[OnActors]
    actors_missing: str
    """why none were timed"""
    forecast: list[Forecast]

    def lines(self) -> list[str]:
        """What was measured, as text."""
        plain = rounded(self)
        said = [
            f"{name.replace('_', ' '):22}{value}"
            for name, value in plain.items()
            if name not in ("evaluators", "actors", "actors_missing", "forecast")
        ]
        said += ["gradients of several images on one device:", *("  " + line for line in table_of(self.evaluators))]
        for case in plain["actors"]:
            said.append(
                f"{case['actors']} actors: {case['step_seconds']} s a step, {case['speed']} × the serial holder; "
                f"{case['coordinator_bytes'] / self.images:.0f} B an image through the coordinator, "
                f"{case['actor_bytes'] / 1e6:.3g} MB into the busiest actor"
            )
        if self.actors_missing:
            said.append(self.actors_missing)
        said.append("the run as configured, at most:")
        for case in plain["forecast"]:
            hours, used = case["wall_hours"], case["device_hours"]
            said.append(f"  {case['devices']} × this device: {hours} h by the clock, {used} device hours")
        return said


def bench(settings: RunSettings, folder: Path, counts: list[int], rounds: int) -> Bench:
    """Time band steps of a configuration's network, whatever its method; raises PathsearchError without a network.

    counts: numbers of actors that are timed as well, on this machine's cores or GPUs, where Ray is installed.
    """
    recipe = Recipe(settings, None, settings.device, folder.resolve(), Path.cwd())
    objective = recipe.open()
    if not isinstance(objective, NetworkObjective):
        raise PathsearchError("bench measures networks: name a configuration whose objective is one")
    bare = _bare_loop(objective)
    rows: list[list[float]] = []
    serial = SerialHolder(objective)
    how = serial.prepare_gradients(settings.holder.gradients)
    clock = _Clock(objective, serial.block.evaluator)
    serial.block.objective, serial.block.evaluator = clock, clock.evaluate
    for step, _ in _steps(serial, objective, rounds):
        rows.append([bare(), clock.gradients / IMAGES, step, clock.gradients + clock.losses, clock.losses / 2])
        clock.losses, clock.gradients = 0.0, 0.0
    saving, megabytes = _checkpoint(serial)
    table = np.array(rows[WARM : WARM + rounds])
    medians = np.median(table, axis=0)
    outside = float(np.median(1.0 - table[:, 3] / table[:, 2]))
    batches = (2 * objective.train.measured + objective.test.measured) / objective.train.size
    measuring = float(medians[4] * batches)
    return Bench(
        device=torch.cuda.get_device_name() if objective.device.type == "cuda" else "cpu",
        threads=torch.get_num_threads(),
        parameters=objective.size,
        batch=objective.train.size,
        images=IMAGES,
        rounds=len(table),
        bare_seconds=float(medians[0]),
        gradient_seconds=float(medians[1]),
        step_seconds=float(medians[2]),
        speed=float(np.median(table[:, 0] / table[:, 1])),
        outside=outside,
        gradients=how,
        measuring_seconds=measuring,
        checkpoint_seconds=saving,
        checkpoint_megabytes=megabytes,
        evaluators=timed(objective, IMAGES),
        actors=[_beside(recipe, objective, count, rounds) for count in counts] if actors.installed() else [],
        actors_missing="" if actors.installed() else actors.MISSING,
        forecast=forecasts(settings, float(medians[1]), outside, measuring),
    )


def _steps(holder: Holder, objective: NetworkObjective, rounds: int) -> Iterator[tuple[float, Traffic]]:
    """Seconds and traffic of band steps between two untrained networks, taken when asked for."""
    holder.load([objective.initial(seed).cpu().numpy() for seed in (0, 1)], [], {})
    stages = Neb(images=IMAGES).stages(Sgd(lr=1e-3), rounds + WARM, None)
    begun = now(objective.device)
    for step in search(holder, stages, State(2), 0, objective.stochastic):
        yield now(objective.device) - begun, step.traffic
        begun = now(objective.device)


def _beside(recipe: Recipe, objective: NetworkObjective, count: int, rounds: int) -> OnActors:
    """Steps on actors and on the serial holder in turn."""
    elsewhere = replace(recipe, device=recipe.settings.device).elsewhere
    gpus = HolderSettings().at("ray", recipe.device).gpus_per_actor
    with closing(actors.on_actors(objective, elsewhere, count, actors.cores_each(count), gpus)) as holder:
        serial = SerialHolder(objective)
        for each in (serial, holder):
            each.prepare_gradients(recipe.settings.holder.gradients)
        both = zip(_steps(serial, objective, rounds), _steps(holder, objective, rounds))
        rows = [(one[0], other[0], other[1].coordinator, other[1].actor) for one, other in both]
    table = np.array(rows[WARM : WARM + rounds])
    _, seconds, coordinator, actor = np.median(table, axis=0).tolist()
    return OnActors(count, seconds, float(np.median(table[:, 0] / table[:, 1])), coordinator, actor)


def _checkpoint(holder: SerialHolder) -> tuple[float, float]:
    """Seconds that keeping the band and its momentum takes, and their size, in the working folder's file system."""
    block = holder.block
    pivots = np.stack([holder.pivot(row) for row in block.own])
    velocity = np.stack([holder.optimizer_state("velocity", row) for row in block.moving])
    kept = storage.Kept(weights=pivots, moving=block.moving, optimizer={"velocity": velocity})
    with tempfile.TemporaryDirectory(dir=".") as folder:
        begun = time.perf_counter()
        storage.write(Path(folder) / "path.h5", kept)
        return time.perf_counter() - begun, (pivots.nbytes + velocity.nbytes) / 1e6


class _Clock:
    """The objective and an evaluator of its gradients, with the seconds that they take in a step."""

    def __init__(self, objective: NetworkObjective, evaluator: Evaluator) -> None:
        self._objective, self._evaluator = objective, evaluator
        self.losses, self.gradients = 0.0, 0.0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._objective, name)

    def loss(self, weights: torch.Tensor, key: Key) -> torch.Tensor:
        begun = now(weights.device)
        found = self._objective.loss(weights, key)
        self.losses += now(weights.device) - begun
        return found

    def evaluate(self, _: Any, points: Points) -> Gradients:
        found = self._evaluator(self._objective, points)
        while True:
            begun = now(self._objective.device)
            both = next(found, None)
            self.gradients += now(self._objective.device) - begun
            if both is None:
                return
            yield both


def _bare_loop(objective: NetworkObjective) -> Callable[[], float]:
    """Seconds of a plain forward and backward of the module as torch runs it, on a mini-batch that is ready.

    The mini-batch comes in the pieces that `objective.micro_batch` makes of it.
    """
    module = objective.make().to(objective.device, objective.dtype).train()
    pieces = list(objective.train.draw(Key(0, 0)))
    if any(each.ndim == 4 and not each.is_contiguous() for each in leaves(pieces)):
        module = module.to(memory_format=torch.channels_last)
    rounded = partial(torch.autocast, objective.device.type, torch.bfloat16)
    rounding = rounded if objective.options.precision == "bfloat16" else nullcontext

    def once() -> float:
        begun = now(objective.device)
        module.zero_grad(set_to_none=True)
        for batch in pieces:
            with rounding():
                total, count = objective.task.loss(module, batch)
            (total / count / len(pieces)).backward()
        return now(objective.device) - begun

    return once
