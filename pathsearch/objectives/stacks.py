"""Ways to work out the gradients of several images on one device. One line a way in the table."""

import time
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby

import torch
from torch import Tensor

from pathsearch.errors import PathsearchError
from pathsearch.numerics.seeds import Key
from pathsearch.objectives.network import NetworkObjective
from pathsearch.objectives.protocol import Objective

Points = Iterable[tuple[Tensor, Key]]
Gradients = Iterator[tuple[Tensor, Tensor]]

ROUNDS = 3  # of a calibration, after one that does not count
WORTH = 0.95  # of the loop's time at which another way is worth taking


def loop(objective: Objective, points: Points) -> Gradients:
    """One after another."""
    return (objective.loss_and_gradient(point, key) for point, key in points)


def vmap(objective: Objective, points: Points) -> Gradients:
    """All that share a mini-batch at once; where they do not fit in memory, half of them, from then on."""
    if not isinstance(objective, NetworkObjective):
        yield from loop(objective, points)
        return
    for key, group in groupby(points, key=lambda point: point[1]):
        waiting = [point for point, _ in group]
        while waiting:
            together = waiting[: objective.together]
            try:
                losses, gradients = objective.losses_and_gradients(torch.stack(together), key)
            except (MemoryError, torch.OutOfMemoryError):
                if len(together) == 1:
                    raise
                objective.together = len(together) // 2
                continue
            yield from zip(losses, gradients)
            waiting = waiting[len(together) :]


def compiled(objective: Objective, points: Points) -> Gradients:
    """One after another, by kernels that torch.compile makes for this network."""
    if not isinstance(objective, NetworkObjective):
        return loop(objective, points)
    return (objective.loss_and_gradient(point, key, objective.compiled) for point, key in points)


STACKS: dict[str, Callable[[Objective, Points], Gradients]] = {"loop": loop, "vmap": vmap, "compiled": compiled}


def calibrated(objective: Objective, images: int) -> dict[str, float]:
    """Seconds an image in each way, for so many at once: the least of a few rounds.

    Left out is a way that fails here, and compiling for a CPU, which takes minutes. Points are untrained networks.
    """
    seconds: dict[str, float] = {}
    points = [(objective.initial(seed), Key(0, 0)) for seed in range(images)]
    for name, way in STACKS.items():
        if name == "compiled" and objective.device.type == "cpu":
            continue
        try:
            times = []
            for _ in range(1 + ROUNDS):
                begun = now(objective.device)
                for _ in way(objective, points):
                    pass
                times.append(now(objective.device) - begun)
        except (PathsearchError, RuntimeError):  # what torch raises for networks that a way does not fit
            if name == "loop":
                raise
            continue
        seconds[name] = min(times[1:]) / images
    return seconds


def fastest(seconds: dict[str, float]) -> str:
    """The way to take: the loop, unless another is clearly faster."""
    best = min(seconds, key=lambda name: seconds[name])
    return best if seconds[best] < WORTH * seconds["loop"] else "loop"


def chosen(objective: Objective, way: str, images: int) -> str:
    """The way that `way` names for so many images on one device; auto: by calibration where that is of use."""
    if way != "auto":
        return way
    # a CPU gains nothing by the others (`pathsearch bench` shows it), and timing must not decide about bits there
    if objective.device.type == "cpu" or images < 2 or not isinstance(objective, NetworkObjective):
        return "loop"
    return fastest(calibrated(objective, images))


def now(device: torch.device) -> float:
    """Seconds, once the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()
