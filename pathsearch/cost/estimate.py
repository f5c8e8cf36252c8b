"""What a run will take, reckoned where no GPU is: its operations, counted on a few examples."""

from dataclasses import dataclass
from pathlib import Path

from torch.utils.flop_counter import FlopCounterMode

from pathsearch.cost.forecast import forecasts
from pathsearch.numerics.seeds import Key
from pathsearch.objectives import importable
from pathsearch.objectives.network import NetworkObjective
from pathsearch.run.recipe import Recipe
from pathsearch.run.settings import RunSettings

EXAMPLES = 8
TFLOPS = 5.0  # what small networks get out of a GPU of these years, in float32


@dataclass(frozen=True)
class Estimate:
    """Floating-point operations of the whole run at most, hours by the clock and times the GPUs."""

    operations: float
    wall_hours: float
    gpu_hours: float


@dataclass(frozen=True)
class Operations:
    """Floating-point operations of one gradient on a mini-batch, and of one measured point."""

    gradient: float
    point: float


def operations(settings: RunSettings, folder: Path) -> Operations | None:
    """Count them; None where the objective is no network. Raises PathsearchError where its data are not here."""
    with importable(folder):
        objective = Recipe(settings, None, "cpu", folder.resolve(), Path.cwd()).open()
    if not isinstance(objective, NetworkObjective):
        return None
    some = min(EXAMPLES, objective.train.size)
    weights, key = objective.initial(0), Key(0, 0, some)
    with FlopCounterMode(display=False) as backward:
        objective.loss_and_gradient(weights, key)
    with FlopCounterMode(display=False) as forward:
        objective.loss(weights, key)
    # a point: the training set twice, for its batch norm and its loss, and the test set
    examples = 2 * len(objective.train) + len(objective.test)
    return Operations(
        backward.get_total_flops() / some * objective.train.size, forward.get_total_flops() / some * examples
    )


def estimate(settings: RunSettings, counted: Operations, gpus: int, tflops: float, trains: bool = True) -> Estimate:
    """A run's at so many 10¹² operations a second and GPU; `trains`: with the minima that it needs."""
    speed = tflops * 1e12
    alone, together = forecasts(settings, counted.gradient / speed, 0.0, counted.point / speed, (1, gpus), trains)
    return Estimate(alone.device_hours * 3600 * speed, together.wall_hours, together.device_hours)
