"""How fast a run's steps are on this machine, against a bare forward–backward loop of the same network."""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch

from pathsearch.errors import PathsearchError
from pathsearch.holders import SerialHolder
from pathsearch.launch.recipe import prepare_torch
from pathsearch.launch.settings import RunSettings
from pathsearch.methods import Neb
from pathsearch.numerics.seeds import Key
from pathsearch.objectives import device_of
from pathsearch.objectives.network import NetworkObjective
from pathsearch.optimizers import Sgd
from pathsearch.search import Position, search

IMAGES = 4
WARM = 2  # rounds before the clock counts: caches fill, kernels are chosen


@dataclass(frozen=True)
class Bench:
    """Seconds are medians over rounds in which all three were timed in turn; shares are of 1."""

    device: str
    threads: int
    parameters: int
    batch: int
    images: int
    rounds: int
    bare_seconds: float
    """one forward and backward of the module, on one batch that is ready, in the fastest memory layout"""
    gradient_seconds: float
    """one loss and gradient of an image inside a band step, its batch drawn and augmented"""
    step_seconds: float
    """one band step: gradients of the images, losses of the two ends, forces, optimiser, re-spacing"""
    speed: float
    """bare over gradient, median of the rounds' ratios"""
    outside: float
    """share of a band step spent outside loss and gradient, median of the rounds"""

    def lines(self) -> list[str]:
        """The figures as text."""
        return [f"{name.replace('_', ' '):18}{value}" for name, value in self.rounded().items()]

    def rounded(self) -> dict[str, Any]:
        """The figures, numbers to four digits."""
        return {k: float(f"{v:.4g}") if isinstance(v, float) else v for k, v in asdict(self).items()}


def bench(settings: RunSettings, rounds: int) -> Bench:
    """Time band steps of a configuration's network, whatever its method; raises PathsearchError without a network."""
    prepare_torch()
    objective = settings.objective.open(None, device_of(settings.device))
    if not isinstance(objective, NetworkObjective):
        raise PathsearchError("bench measures networks: name a configuration whose objective is one")
    clock = _Clock(objective)
    holder = SerialHolder(clock)
    holder.load(np.stack([objective.initial(seed).cpu().numpy() for seed in (0, 1)]), [], {})
    stages = Neb(images=IMAGES).stages(Sgd(lr=1e-3), rounds + WARM, None)
    bare = _bare_loop(objective)

    times: list[tuple[float, float, float, float]] = []
    begun = _now(objective.device)
    for _ in search(holder, stages, Position(2), 0, objective.stochastic):
        step = _now(objective.device) - begun
        times.append((bare(), clock.gradients / IMAGES, step, clock.gradients + clock.losses))
        clock.losses, clock.gradients = 0.0, 0.0
        begun = _now(objective.device)
    table = np.array(times[WARM : WARM + rounds])
    medians = np.median(table, axis=0)
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
        outside=float(np.median(1.0 - table[:, 3] / table[:, 2])),
    )


class _Clock:
    """The objective, with the seconds its two verbs of a step take."""

    def __init__(self, objective: NetworkObjective) -> None:
        self._objective = objective
        self.losses, self.gradients = 0.0, 0.0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._objective, name)

    def loss(self, weights: torch.Tensor, key: Key) -> torch.Tensor:
        begun = _now(weights.device)
        found = self._objective.loss(weights, key)
        self.losses += _now(weights.device) - begun
        return found

    def loss_and_gradient(self, weights: torch.Tensor, key: Key) -> tuple[torch.Tensor, torch.Tensor]:
        begun = _now(weights.device)
        found = self._objective.loss_and_gradient(weights, key)
        self.gradients += _now(weights.device) - begun
        return found


def _bare_loop(objective: NetworkObjective) -> Callable[[], float]:
    """Seconds of one plain forward and backward of the module as torch runs it, on a batch that is ready."""
    module, (inputs, targets) = (
        objective.make().to(objective.device, objective.dtype).train(),
        objective.train.draw(Key(0, 0)),
    )
    if inputs.ndim == 4:
        module = module.to(memory_format=torch.channels_last)

    def once() -> float:
        begun = _now(objective.device)
        module.zero_grad(set_to_none=True)
        (objective.loss_sum(module(inputs), targets) / len(targets)).backward()
        return _now(objective.device) - begun

    return once


def _now(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()
