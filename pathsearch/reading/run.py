"""Reading what a run has found, from Python, while it runs as well: every question reads the file as it is then."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pathsearch import storage
from pathsearch.along import Along, Held
from pathsearch.errors import PathsearchError
from pathsearch.run.past import recorded
from pathsearch.run.settings import RunSettings
from pathsearch.storage.layout import shapes

if TYPE_CHECKING:
    from pathsearch.objectives.network import NetworkObjective


class Opened(Along):
    """A run's path, read only; nothing is kept open, and pivots are read one after another where they are needed."""

    def __init__(self, where: str | Path) -> None:
        self.file = storage.read(where).file.resolve()
        self._live: tuple[RunSettings, NetworkObjective] | None = None

    @property
    def run(self) -> storage.Run:
        """All but the long vectors, as it is now."""
        return storage.read(self.file)

    @property
    def settings(self) -> RunSettings:
        """Every option; those that the run's program did not have get their defaults."""
        return recorded(self.run)

    def __repr__(self) -> str:
        return repr(self.run).replace("Run", type(self).__name__, 1)

    def _measured(self, group: str) -> storage.Arrays:
        run = self.run
        if group not in run.groups:
            minimum = run.config["method"]["name"] == "train"
            why = "it is a minimum, its metrics are in `summary`" if minimum else "not measured yet, see `history`"
            raise PathsearchError(f"{self.file} has no {group}: {why}")
        return run.groups[group]

    @contextmanager
    def _held(self) -> Iterator[Held]:
        with storage.stored(self.file) as kept:
            tensors = kept.run.groups["parameters"]
            yield Held(kept.run.curve, kept.weights, list(zip(tensors["name"].tolist(), shapes(tensors["shape"]))))

    @contextmanager
    def _network(self) -> "Iterator[NetworkObjective]":
        from pathsearch.run.reopened import reopened, standing

        settings = self.settings
        with standing(self.run.place.get("here", ".")):
            if self._live is None or self._live[0] != settings:  # the data are read once
                self._live = settings, reopened(self.file, settings)
            yield self._live[1]
