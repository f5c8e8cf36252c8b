"""The objective of a process whose vectors are on actors, which sees one at a time, and no data of a network."""

from contextlib import ExitStack
from dataclasses import replace
from functools import partial

from pathsearch.errors import Interrupted, needed
from pathsearch.holders import HolderSettings
from pathsearch.machine import device_of
from pathsearch.objectives import NetworkSettings, Objective, opening
from pathsearch.run.recipe import Recipe
from pathsearch.run.stop import Stop


def opened(recipe: Recipe, holder: HolderSettings, stop: Stop, stack: ExitStack) -> Objective:
    """The live objective as this process needs it; actors make theirs by the recipe.

    With actors it is on the CPU, for there may be no GPU here. Nor may the data: a process of the cluster reads a few
    examples of a network's. Where a Ray is started for that, it ends with `stack`. Raises as `Recipe.open`, and
    Interrupted where `stop` is due.
    """
    settings = recipe.settings
    if holder.name == "serial":
        return recipe.open()
    if not isinstance(settings.objective, NetworkSettings):
        return replace(recipe, device="cpu").open()
    with needed("ray", "holder=ray"):
        from pathsearch.holders.ray import cluster, once  # takes a second to import, and may not be installed

    def look() -> None:
        if stop.due(cluster.LOOK) and stop.number is not None:
            raise Interrupted(f"stopped by {stop.reason} before it began; run the same command again", stop.number)

    stack.callback(cluster.join(holder))
    data = once.once(partial(recipe.glimpsed, settings.objective), "objective.data", holder, look)
    network = opening.on_data(settings.objective, data, device_of("cpu"), recipe.folder, settings.measure)
    network.remarks.clear()  # actors have the same to say
    return network
