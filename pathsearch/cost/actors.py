"""Actors to be timed on this machine, where Ray is installed."""

from collections.abc import Callable
from importlib import import_module

from pathsearch.holders import Holder, HolderSettings, opened
from pathsearch.machine import cores
from pathsearch.objectives.protocol import Objective

MISSING = "Ray is not installed: no actors timed (pip install ray)"


def installed() -> bool:
    """Whether there can be actors."""
    try:
        import_module("pathsearch.holders.ray")
    except ImportError:
        return False
    return True


def on_actors(
    objective: Objective, make: Callable[[], Objective], count: int, cpus: float, gpus: float | None
) -> Holder:
    """So many actors of a Ray of their own; each with so many cores, and GPUs as in `HolderSettings`."""
    options = HolderSettings(name="ray", actors=count, cpus_per_actor=cpus, gpus_per_actor=gpus, address="local")
    return opened(options, objective, make, lambda line: None)


def cores_each(count: int) -> int:
    """Cores for each of so many actors that share this machine."""
    return max(1, cores() // count)
