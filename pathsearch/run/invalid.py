"""What is wrong with options beyond what their declaration tells: it shows once network and data are opened."""

from pathlib import Path

from pathsearch.alignment.settings import NotAligned
from pathsearch.methods.stages import Stage
from pathsearch.objectives.imports import importable
from pathsearch.objectives.network import NetworkObjective
from pathsearch.objectives.protocol import Objective
from pathsearch.run import aligning, endpoints, placement, until
from pathsearch.run.recipe import Recipe
from pathsearch.run.settings import RunSettings
from pathsearch.search import refuse_random


def stages_of(settings: RunSettings, objective: Objective) -> list[Stage]:
    """The stages of a search; raises PathsearchError where the objective does not go with them, or with the goal."""
    stages = settings.method.stages(settings.optimizer, settings.steps, settings.tolerance)
    refuse_random(stages, objective.stochastic)
    if settings.until is not None:
        until.column(settings.until, objective.metrics)
    return stages


def refuse_invalid(settings: RunSettings, folder: Path) -> None:
    """Raise PathsearchError as a new run with these settings would before it trains or searches anything.

    Everything is opened for it, on the CPU.
    """
    with importable(folder):
        endpoints.look_for(settings.endpoints, folder)
        size = placement.size(settings, folder)
        objective = Recipe(settings, size, "cpu", folder.resolve(), Path.cwd()).open()
        stages_of(settings, objective)
        how = settings.endpoints.align if settings.endpoints else NotAligned()
        if not isinstance(how, NotAligned) and isinstance(objective, NetworkObjective):
            aligning.ready(objective, how, lambda line: None)
