"""What a run will take, reckoned where no GPU is: its operations, counted on a few examples."""

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode

from pathsearch.cost.forecast import forecasts
from pathsearch.numerics.seeds import Key
from pathsearch.objectives import NetworkSettings, importable, opening
from pathsearch.objectives.data import Data
from pathsearch.objectives.data.room import room
from pathsearch.objectives.images import Scaling
from pathsearch.objectives.users_code import errors_named
from pathsearch.run.settings import RunSettings

CPU = torch.device("cpu")
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
    network = settings.objective
    if not isinstance(network, NetworkSettings):
        return None
    with importable(folder):
        objective = opening.on_data(network, _at_hand(network, folder), CPU, folder, settings.measure)
    some = min(EXAMPLES, objective.train.size)
    weights, key = objective.initial(0), Key(0, 0, some)
    with FlopCounterMode(display=False) as backward:
        objective.loss_and_gradient(weights, key)
    with FlopCounterMode(display=False) as forward:
        objective.loss(weights, key)
    # a point: what is measured of the training set twice, for its batch norm and its loss, and of the test set
    examples = 2 * objective.train.measured + objective.test.measured
    return Operations(
        backward.get_total_flops() / some * objective.train.size, forward.get_total_flops() / some * examples
    )


def _at_hand(network: NetworkSettings, folder: Path) -> Data:
    """The data without processes that read ahead, for a small mini-batch, and without a pass over all pictures."""
    with errors_named("objective.data", passing=()):
        data = network.data.load(folder, room(CPU))
    dtype = getattr(torch, network.dtype)
    some = Scaling(torch.zeros((), dtype=dtype), torch.ones((), dtype=dtype))
    return replace(data, workers=0, scaling=some if data.standardise else None)


def estimate(settings: RunSettings, counted: Operations, gpus: int, tflops: float, trains: bool = True) -> Estimate:
    """A run's at so many 10¹² operations a second and GPU; `trains`: with the minima that it needs."""
    speed = tflops * 1e12
    alone, together = forecasts(settings, counted.gradient / speed, 0.0, counted.point / speed, (1, gpus), trains)
    return Estimate(alone.device_hours * 3600 * speed, together.wall_hours, together.device_hours)
