"""A run with the minima it needs: those that its store lacks are trained first, by one process if several want them."""

from collections.abc import Callable
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path

import torch

from pathsearch import storage
from pathsearch.errors import PathsearchError
from pathsearch.locks import alone
from pathsearch.objectives import importable
from pathsearch.run import minima, placement, session
from pathsearch.run.minima import Minimum
from pathsearch.run.session import Watcher
from pathsearch.run.settings import Asked, RunSettings
from pathsearch.run.stop import Stop


def run(
    asked: Asked, folder: Path, watcher: Watcher, stop: Stop, waiting: Callable[[], None] | None = None
) -> storage.Run:
    """Carry a run to its end, from nothing or from what `folder/path.h5` holds.

    waiting: what to call while another process works in the folder, see `locks.alone`.
    Raises PathsearchError where it cannot go on, Interrupted where `stop` was due, MachineLost where a device failed;
    what was found is kept.
    """
    with importable(asked.folder), alone(folder, waiting), ExitStack() as stack:
        used: dict[str, Minimum] = {}
        if not (folder / "path.h5").exists():  # which holds the weights of the minima it joins
            used = minima.needed(asked.settings, asked.folder, asked.store or minima.beside(folder))

        def trained() -> dict[str, Minimum]:
            if used:
                minima.note(folder, used.values())
            train(list(used.values()), asked.settings, asked.folder, watcher, stop, stack)
            return used

        return session.carry_out(asked, folder, watcher, stop, trained)


def train(
    wanted: list[Minimum], settings: RunSettings, config_folder: Path, watcher: Watcher, stop: Stop, stack: ExitStack
) -> list[Minimum]:
    """Train those minima that are not there yet, at the same time where `settings` have several devices.

    A Ray that is started for it ends with `stack`. Returns those that were trained; raises as `run` does.
    """
    missing = []
    for each in wanted:
        if minima.kept(each, config_folder):
            watcher.log(f"takes {each.folder}")
        else:
            missing.append(each)
    if missing and several_devices(settings, config_folder):  # one alone, too: there may be no GPU here
        from pathsearch.run import tasks  # Ray takes a second to import, and may not be installed

        watcher.phase("train minima", len(missing))
        watcher.log(f"trains as many at once as there is room for: {', '.join(each.name for each in missing)}")
        asked = {each.folder: Asked(each.settings, config_folder) for each in missing}
        failed = []
        for place, said in tasks.carry_out(asked, settings.holder.at("ray", settings.device), stop, stack):
            watcher.log(f"failed: {place}: {said}" if said else f"trained {place}")
            watcher.tick(1)
            failed += [f"{place}: {said}"] if said else []
        if failed:
            raise PathsearchError("; ".join(failed))
        return missing
    trained = []
    for each in missing:
        with alone(each.folder, minima.waiting(each.folder, watcher.log, stop)):
            if minima.kept(each, config_folder):  # another process trained it meanwhile
                continue
            watcher.log(f"trains {each.folder}")
            trained.append(each)
            session.carry_out(Asked(each.settings, config_folder), each.folder, watcher, stop, dict)
    return trained


def several_devices(settings: RunSettings, config_folder: Path) -> bool:
    """Whether minima can be trained at the same time: on actors' devices, or on several GPUs here."""
    if settings.holder.name == "serial" or find_spec("ray") is None:
        return False
    place = placement.placed(settings, placement.size(settings, config_folder))
    gpus = torch.cuda.device_count() if settings.device != "cpu" and torch.cuda.is_available() else 0
    return place.holder == "ray" or gpus > 1
