"""What a run will take on so many devices, from measured seconds."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from pathsearch.methods.stages import Stage, pivot_counts
from pathsearch.numerics.balance import LOSS
from pathsearch.optimizers import DETERMINISTIC
from pathsearch.run.placement import first_pivots
from pathsearch.run.settings import RunSettings, Trained
from pathsearch.search import moving_pivots

DEVICES = (1, 2, 4, 8)


@dataclass(frozen=True)
class Forecast:
    """Hours by the clock, and times the devices; an upper bound where a search may converge before its last step."""

    devices: int
    wall_hours: float
    device_hours: float


def forecasts(
    settings: RunSettings,
    gradient: float,
    outside: float,
    measuring: float,
    counts: Sequence[int] = DEVICES,
    trains: bool = True,
) -> list[Forecast]:
    """For so many devices each. gradient: seconds of an image's; outside: share of a step beside those; measuring:
    seconds of one point; trains: with the minima that the run needs.
    """
    stages = settings.method.stages(settings.optimizer, settings.steps, settings.tolerance)
    ends = (settings.endpoints.start, settings.endpoints.end) if settings.endpoints else ()
    trainings = [end.train.steps for end in ends if isinstance(end, Trained) and trains]
    points = 2 * settings.measure.points + settings.measure.plane**2
    found = []
    for devices in counts:
        searching = sum(
            _slowest(stage, pivots, devices) * stage.steps
            for stage, pivots in zip(stages, pivot_counts(stages, first_pivots(settings)))
        )
        # each is trained on one device
        training = max(trainings, default=0) if devices > 1 else sum(trainings)
        seconds = (training + searching) * gradient / (1.0 - outside) + math.ceil(points / devices) * measuring
        found.append(Forecast(devices, seconds / 3600, devices * seconds / 3600))
    return found


def _slowest(stage: Stage, pivots: int, devices: int) -> float:
    """Gradients, or as much of them as losses cost, that the busiest device works out in a step."""
    fixed = isinstance(stage.optimizer, DETERMINISTIC)
    sample = stage.method.sample(pivots, moving_pivots(pivots), 0, 0, fixed)
    gradients = int(sample.with_gradient.sum())
    losses = len(sample.t) - gradients
    return math.ceil(gradients / devices) + LOSS * losses / min(devices, max(losses, 1))
