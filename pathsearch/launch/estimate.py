"""What a run will take, reckoned where no GPU is: its operations, counted on a few examples."""

from dataclasses import dataclass
from pathlib import Path

from torch.utils.flop_counter import FlopCounterMode

from pathsearch.launch.forecast import forecasts
from pathsearch.launch.recipe import Recipe
from pathsearch.launch.settings import RunSettings
from pathsearch.numerics.seeds import Key
from pathsearch.objectives import importable
from pathsearch.objectives.network import NetworkObjective

EXAMPLES = 8
TFLOPS = 5.0  # what small networks get out of a GPU of these years, in float32


@dataclass(frozen=True)
class Estimate:
    """Floating-point operations of the whole run at most, hours by the clock and times the GPUs."""

    operations: float
    wall_hours: float
    gpu_hours: float


def estimate(settings: RunSettings, folder: Path, gpus: int, tflops: float) -> Estimate | None:
    """At so many 10¹² operations a second and GPU; None where the objective is no network.

    Raises PathsearchError where its model or data are not to be had here.
    """
    with importable(folder):
        objective = Recipe(settings, None, "cpu", folder.resolve(), Path.cwd()).open()
    if not isinstance(objective, NetworkObjective):
        return None
    weights, key = objective.initial(0), Key(0, 0, min(EXAMPLES, objective.train.size))
    with FlopCounterMode(display=False) as backward:
        objective.loss_and_gradient(weights, key)
    with FlopCounterMode(display=False) as forward:
        objective.loss(weights, key)
    one, examples = min(EXAMPLES, objective.train.size), objective.train.size
    gradient = backward.get_total_flops() / one * examples
    # a point: the training set twice, for its batch norm and its loss, and the test set
    point = forward.get_total_flops() / one * (2 * len(objective.train) + len(objective.test))
    speed = tflops * 1e12
    alone, together = forecasts(settings, gradient / speed, 0.0, point / speed, (1, gpus))
    return Estimate(alone.device_hours * 3600 * speed, together.wall_hours, together.device_hours)
