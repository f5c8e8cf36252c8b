"""How fast every evaluator of several images' gradients is on this device, and what it takes once."""

import time
from dataclasses import dataclass

import torch

from pathsearch.errors import PathsearchError
from pathsearch.numerics.seeds import Key
from pathsearch.objectives.gradients import EVALUATORS, prepared
from pathsearch.objectives.network import NetworkObjective

ROUNDS = 3  # of which the least counts
WORTH = 0.95  # of the loop's time at which another evaluator is worth naming


@dataclass(frozen=True)
class Timed:
    """Seconds an image, and those that it takes once a run, for compiling; or why it does not work here."""

    seconds: float | None
    once: float | None
    said: str = ""


def timed(objective: NetworkObjective, images: int) -> dict[str, Timed]:
    """Every evaluator, for so many images at once. Points are untrained networks."""
    points = [(objective.initial(seed), Key(0, 0)) for seed in range(images)]
    found: dict[str, Timed] = {}
    for name in EVALUATORS:
        if name == "compiled" and objective.device.type == "cpu":
            found[name] = Timed(None, None, "not timed on a CPU: compiling takes minutes and gains little")
            continue
        try:
            begun = now(objective.device)
            evaluator = prepared(objective, name)
            times = [now(objective.device) - begun]
            for _ in range(1 + ROUNDS):  # the first does not count: memory is asked for, kernels are chosen
                begun = now(objective.device)
                for _ in evaluator(objective, points):
                    pass
                times.append(now(objective.device) - begun)
        except PathsearchError as error:
            if name == "loop":
                raise
            found[name] = Timed(None, None, str(error))
        else:
            found[name] = Timed(min(times[2:]) / images, times[0])
    return found


def advised(found: dict[str, Timed]) -> str:
    """The evaluator to ask for: the loop, unless another is clearly faster."""
    seconds = {name: each.seconds for name, each in found.items() if each.seconds is not None}
    best = min(seconds, key=lambda name: seconds[name])
    return best if seconds[best] < WORTH * seconds["loop"] else "loop"


def table_of(found: dict[str, Timed]) -> list[str]:
    """The table as text, and what to do."""
    said = [f"{'gradients':14}{'s an image':>12}{'over loop':>11}{'s once':>9}"]
    for name, each in found.items():
        if each.seconds is None:
            said.append(f"{name:14}{'–':>12}  {each.said}")
        else:
            over = each.seconds / (found["loop"].seconds or each.seconds)
            said.append(f"{name:14}{each.seconds:12.4g}{over:11.2f}{each.once:9.2g}")
    best = advised(found)
    advice = f"set holder.gradients={best}" if best != "loop" else "the loop, which auto takes, is the one to take"
    return [*said, advice]


def now(device: torch.device) -> float:
    """Seconds, once the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()
