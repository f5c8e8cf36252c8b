"""How to make a run's objective anew, in this process or in another one."""

import os
from dataclasses import dataclass, field
from pathlib import Path

from pathsearch.errors import PathsearchError
from pathsearch.machine import device_of
from pathsearch.objectives import NetworkSettings, opening
from pathsearch.objectives.data import Data
from pathsearch.objectives.imports import import_from
from pathsearch.objectives.protocol import Objective
from pathsearch.run.settings import RunSettings
from pathsearch.run.shared import Shared, adopt


@dataclass(frozen=True)
class Recipe:
    """All that an objective follows from; small and picklable. `device` as in the settings.

    `folder` is the configuration's, where a user's modules lie; `here` the one that relative file names start from.
    """

    settings: RunSettings
    size: int | None
    device: str
    folder: Path
    here: Path
    shared: Shared = field(default_factory=Shared)

    def open(self) -> Objective:
        """The live objective; raises PathsearchError where model, data or device are not to be had."""
        settings = self.settings
        objective = settings.objective.open(self.size, device_of(self.device), self.folder, settings.measure)
        adopt(self.shared, "this run", objective)
        return objective

    def elsewhere(self) -> Objective:
        """As `open`, in a fresh process that is to stand where this one stood."""
        self._stand()
        return self.open()

    def glimpsed(self, network: NetworkSettings) -> Data:
        """A glimpse of a network's data, in a fresh process that is to stand where this one stood."""
        self._stand()
        return opening.glimpsed(network, device_of(self.device), self.folder, self.settings.measure)

    def _stand(self) -> None:
        if not self.here.is_dir():
            raise PathsearchError(f"folder {self.here} cannot be seen here: start the run in one that all nodes share")
        os.chdir(self.here)
        import_from(self.folder)
