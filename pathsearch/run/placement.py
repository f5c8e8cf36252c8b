"""Where a run works: the device and the holder that `auto` stands for."""

import os
from dataclasses import dataclass
from math import ceil
from pathlib import Path

import numpy as np
import torch

from pathsearch.holders import HolderSettings
from pathsearch.methods import Train
from pathsearch.methods.stages import pivot_counts
from pathsearch.objectives import SURFACES, CallableSettings, NetworkSettings
from pathsearch.optimizers import DETERMINISTIC
from pathsearch.run import endpoints
from pathsearch.run.settings import RunSettings
from pathsearch.search import moving_pivots

FEW = 100_000  # weights of a function up to which a CPU is done before a GPU has begun
MAIL = 0.5  # of a gradient: what a step takes longer where its points and pivots lie on several devices


@dataclass(frozen=True)
class Work:
    """What a run asks of a machine.

    `weights` of a function, None for a network, whose data make a GPU worth it; `steps`: for each stage how many, and
    how many gradients there are in one.
    """

    weights: int | None
    steps: list[tuple[int, int]]

    @property
    def light(self) -> bool:
        return self.weights is not None and self.weights <= FEW

    @property
    def points(self) -> int:
        return max(points for _, points in self.steps)


@dataclass(frozen=True)
class Place:
    """`holder` is serial or ray; `device` as in the settings, auto where actors are to see for themselves; `why` is
    empty where nothing was left to choose.
    """

    holder: str
    device: str
    why: str = ""


def size(settings: RunSettings, folder: Path) -> int | None:
    """How many weights a function has: its endpoints tell. None for a network, which knows its own."""
    if isinstance(settings.objective, NetworkSettings):
        return None
    if isinstance(settings.objective, CallableSettings):
        return endpoints.first_size(settings.endpoints, folder)
    return len(SURFACES[settings.objective.name].start)


def placed(settings: RunSettings, weights: int | None, gpus: int | None = None) -> Place:
    """Where a run is fastest, as far as its settings leave it open; weights: its `size`; gpus: default, those here."""
    if gpus is None:
        gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    work = Work(weights, gradients(settings))
    return place(settings.holder, settings.device, work, gpus, "RAY_ADDRESS" in os.environ)


def place(holder: HolderSettings, device: str, work: Work, gpus: int, cluster: bool) -> Place:
    """The same from plain values. cluster: whether this process was started for a Ray cluster."""
    gpus = 0 if device == "cpu" else gpus
    why = ""
    if holder.name != "auto":
        kind = holder.name
    elif (holder.actors or 1) > 1 or holder.address is not None or holder.gpus_per_actor:
        kind = "ray"
    elif work.light:
        kind, why = "serial", f"{work.weights} weights are few"
    elif cluster and (work.points > 1 or not gpus):
        kind, why = "ray", "on the cluster at $RAY_ADDRESS"
    elif gpus > 1 and shared(work.steps, gpus) < shared(work.steps, 1):
        kind, why = "ray", f"{work.points} points a step, {gpus} GPUs"
    else:
        kind, why = "serial", f"too few points a step for {gpus} GPUs" if gpus > 1 else "a GPU" if gpus else "no GPU"
    if device != "auto":
        return Place(kind, device, why if gpus > 1 else "")
    if work.light and not holder.gpus_per_actor:
        return Place(kind, "cpu", why)
    return Place(kind, "auto" if kind == "ray" else "cuda" if gpus else "cpu", why)


def shared(steps: list[tuple[int, int]], devices: int) -> float:
    """How long stages take on so many devices, in gradients one after another."""
    mail = MAIL if devices > 1 else 0.0
    return sum(count * (ceil(points / devices) + mail) for count, points in steps)


def first_pivots(settings: RunSettings) -> int:
    """How many pivots a run begins with: a minimum is one, a path two and those it is to pass."""
    return (
        1 if isinstance(settings.method, Train) else 2 + len(settings.endpoints.through if settings.endpoints else [])
    )


def gradients(settings: RunSettings) -> list[tuple[int, int]]:
    """Steps of each stage, and gradients in one of them; a run without stages counts the points that it measures."""
    stages = settings.method.stages(settings.optimizer, settings.steps, settings.tolerance)
    steps = []
    for stage, pivots in zip(stages, pivot_counts(stages, first_pivots(settings))):
        fixed = isinstance(stage.optimizer, DETERMINISTIC)
        sample = stage.method.sample(pivots, moving_pivots(pivots), 0, 0, fixed)
        steps.append((stage.steps, int(np.count_nonzero(sample.back.any(axis=1)))))
    return steps or [(1, settings.measure.points)]
