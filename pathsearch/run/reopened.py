"""The network of a run that is kept, on its data, for those who read what it found."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pathsearch.errors import PathsearchError
from pathsearch.machine import device_of
from pathsearch.objectives import NetworkSettings, opening
from pathsearch.objectives.network import NetworkObjective
from pathsearch.run.outside import METRICS, changed, named, outside, source
from pathsearch.run.settings import RunSettings
from pathsearch.run.shared import adopt, of_file
from pathsearch.storage import stored


def reopened(file: Path, settings: RunSettings) -> NetworkObjective:
    """The network of the run in a file, with what its points share; settings: the run's.

    To be called while this process is `standing` where the run was begun. Raises PathsearchError where the run has no
    network, where model or data are not to be had, and where the model is no longer what it was.
    """
    if not isinstance(settings.objective, NetworkSettings):
        raise PathsearchError(f"{file}: objective {settings.objective.name} has no model, only a network has")
    with stored(file) as kept:
        run, shared = kept.run, of_file(kept)
    folder = Path(run.place.get("folder", "."))
    now = outside(settings.model_dump(mode="json", exclude={"endpoints"}), folder)
    now = {option: value for option, value in now.items() if not option.startswith(METRICS)}
    if other := changed(run.outside, now):
        raise PathsearchError(f"{file}: {', '.join(other)} changed since it was begun: put back what was there")
    _refuse_namesakes(settings, folder)
    network = opening.declared(settings.objective, device_of(settings.device), folder, settings.measure)
    adopt(shared, str(file), network)
    if run.groups["parameters"]["name"].tolist() != network.names or run.shape[1] != network.size:
        raise PathsearchError(f"{file} is a path of other parameters than the model has now: put back what it was")
    return network


def _refuse_namesakes(settings: RunSettings, folder: Path) -> None:
    """Raise PathsearchError where this process has imported another module of a name that the run has, as of a run in
    another folder.
    """
    for option, target in named(settings.model_dump(mode="json")["objective"]).items():
        module, _, _ = target.partition(":")
        own, there = source(module, folder), getattr(sys.modules.get(module), "__file__", None)
        if own is not None and there is not None and not own.samefile(there):
            raise PathsearchError(
                f"{option} {target}: {there} is imported already, not {own}: open this run in a new process"
            )


@contextmanager
def standing(place: str) -> Iterator[None]:
    """Have `place`, where a run was begun, as working folder, if it is there: names of files start from it."""
    here = os.getcwd()
    try:
        with suppress(OSError):  # moved, or on another machine: names may be found from here
            os.chdir(place)
        yield
    finally:
        os.chdir(here)
