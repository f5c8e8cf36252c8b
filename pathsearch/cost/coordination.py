"""What a step of many actors costs beside its gradients. An objective that only sleeps stands for a GPU."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch

from pathsearch.cost.actors import MISSING, installed, on_actors
from pathsearch.errors import PathsearchError
from pathsearch.holders import SerialHolder
from pathsearch.holders.protocol import Holder
from pathsearch.machine import cores, prepare_torch
from pathsearch.methods import Neb
from pathsearch.objectives.protocol import Objective
from pathsearch.objectives.sleep import SleepObjective
from pathsearch.optimizers import Sgd
from pathsearch.search import State, search

IMAGES = 4  # an actor
SECONDS = 0.05  # an image
SIZES = (1_000, 270_000, 5_000_000)
WARM = 4  # steps before the clock counts
BANDS = {"springs": Neb(images=1, spring=1.0), "re-spaced": Neb(images=1, spring="inf")}


@dataclass(frozen=True)
class Coordination:
    """One case; `ratio` is a step's median time over the time its gradients sleep, with springs and re-spaced."""

    actors: int
    parameters: int
    ratio: dict[str, float]
    arithmetic: float
    """the share of a step that goes to the vectors: forces and moves of an actor's images as timed on one core without
    actors, times the actors that share a core, over the time that gradients sleep"""
    coordinator_bytes: float
    """through the coordinator in a step with springs, an image"""
    actor_bytes: float
    """into the busiest actor in such a step"""


def coordination(counts: list[int], steps: int, progress: Callable[[str], None]) -> list[Coordination]:
    """Every count of actors with every network size; the largest size for the smallest count above 1 alone.

    Raises PathsearchError where Ray is not installed.
    """
    if not installed():
        raise PathsearchError(MISSING)
    prepare_torch("float32")
    large = min([count for count in counts if count > 1] or counts)
    cases = [(n, size) for size in SIZES for n in counts if size < SIZES[-1] or n == large]
    found = []
    for actors, parameters in cases:
        progress(f"{actors} actors, {parameters:,} parameters")
        found.append(_case(actors, parameters, steps))
    return found


def lines(found: list[Coordination]) -> list[str]:
    """The table as text."""
    said = [
        f"{IMAGES} images an actor, each gradient sleeps {1000 * SECONDS:g} ms; {cores()} cores; a step's time "
        "over its gradients':",
        f"{'actors':>6} {'parameters':>11} {'springs':>8} {'re-spaced':>10} {'of it vectors':>14} "
        f"{'coordinator B/image':>20} {'into an actor, MB':>18}",
    ]
    for case in found:
        said.append(
            f"{case.actors:6} {case.parameters:11,} {case.ratio['springs']:8.3f} {case.ratio['re-spaced']:10.3f} "
            f"{case.arithmetic:14.3f} {case.coordinator_bytes:20.0f} {case.actor_bytes / 1e6:18.3f}"
        )
    return said


def _case(actors: int, parameters: int, steps: int) -> Coordination:
    make = partial(_sleeper, parameters, SECONDS)
    holder = on_actors(make(), make, actors, cpus=1, gpus=0)
    try:
        ratios, traffic = {}, {}
        for name in BANDS:
            seconds, coordinator, actor = _steps(holder, name, actors, parameters, steps)
            ratios[name], traffic[name] = seconds / (IMAGES * SECONDS), (coordinator, actor)
    finally:
        holder.close()
    coordinator, actor = traffic["springs"]
    crowd = max(1.0, actors / cores())
    arithmetic = crowd * _arithmetic(parameters, steps) / (IMAGES * SECONDS)
    return Coordination(actors, parameters, ratios, arithmetic, coordinator / (IMAGES * actors), actor)


def _steps(holder: Holder, band: str, actors: int, parameters: int, steps: int) -> tuple[float, float, float]:
    """Median seconds of a step, and of its bytes through the coordinator and into the busiest actor."""
    ends = np.random.default_rng(0).normal(size=(2, parameters)).astype(np.float32)
    holder.load(ends, [], {})
    method = BANDS[band].model_copy(update={"images": IMAGES * actors})
    rows = []
    begun = time.perf_counter()
    for step in search(holder, method.stages(Sgd(lr=1e-3), WARM + steps, None), State(2), 0, False):
        rows.append((time.perf_counter() - begun, step.traffic.coordinator, step.traffic.actor))
        begun = time.perf_counter()
    seconds, coordinator, actor = np.median(rows[WARM:], axis=0)
    return float(seconds), float(coordinator), float(actor)


def _arithmetic(parameters: int, steps: int) -> float:
    """Seconds of the same steps of one actor's images on one core, with nobody to wait for."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return _steps(SerialHolder(_sleeper(parameters, 0.0)), "springs", 1, parameters, steps)[0]
    finally:
        torch.set_num_threads(threads)


def _sleeper(parameters: int, seconds: float) -> Objective:
    prepare_torch("float32")
    return SleepObjective(parameters, seconds, torch.float32, torch.device("cpu"))
