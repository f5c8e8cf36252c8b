"""Reading what a run has found, from Python, while it runs as well: every question reads the file as it is then."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pathsearch import report, storage
from pathsearch.along import Along, Held
from pathsearch.datasets import dataset
from pathsearch.errors import PathsearchError
from pathsearch.numerics.profiles import equally_apart
from pathsearch.run.past import recorded
from pathsearch.run.settings import RunSettings
from pathsearch.storage.layout import axes, shapes

if TYPE_CHECKING:
    from xarray import Dataset

    from pathsearch.ensembles import Ensemble, Watch
    from pathsearch.objectives.network import NetworkObjective
    from pathsearch.plots import Panels


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

    @property
    def summary(self) -> dict[str, Any]:
        """The figures that `pathsearch show --json` prints."""
        return report.figures(self.run)

    @property
    def profile(self) -> "Dataset":
        """Every metric [t] along the path, and the arc length in weight space."""
        return self._dataset("profiles/path")

    @property
    def line(self) -> "Dataset":
        """The same along the straight line between the endpoints."""
        return self._dataset("profiles/linear")

    @property
    def history(self) -> "Dataset":
        """What the search saw, a row a step, as far as it is kept: `t` and `loss` [row, point], NaN beyond a row's
        points.
        """
        return self._dataset("history")

    def evenly(self, points: int) -> NDArray[np.float64]:
        """Values of t [points], the ends among them, between which the measured path has equal lengths.

        Raises PathsearchError where it is not measured yet, and for fewer than two.
        """
        if points < 2:
            raise PathsearchError(f"points is to be a whole number at least 2, not {points}")
        path = self._measured("profiles/path")
        return equally_apart(path["t"], path["arc_length"], points)

    def ensemble(
        self, points: int = 5, keep: bool = False, watch: "Watch" = lambda what, done, total: None
    ) -> "Ensemble":
        """What networks at so many equal lengths along the path, the ends among them, predict of the test set: one by
        one, together, and with their weights averaged; see `ensembles.Ensemble`.

        keep: the probabilities, too. watch: is told (what, done, total) as it goes on. Raises PathsearchError where the
        path is not measured yet, the loss gives no probabilities of classes, or model or data are not to be had.
        """
        from pathsearch import ensembles

        ensembles.refuse_others(self.settings.objective)
        t = self.evenly(points)
        weights = [self.weights(at) for at in t.tolist()]
        with self._network() as network:
            return ensembles.ensemble(network, t, weights, keep, watch)

    @property
    def plot(self) -> "Panels":
        """Pictures: `plot.profile(ax)`, `plot.plane(ax)`, … draw a panel on matplotlib axes; `plot()`, all of them."""
        from pathsearch.plots import Panels

        return Panels(lambda: self.run)

    def __repr__(self) -> str:
        return repr(self.run).replace("Run", type(self).__name__, 1)

    def _measured(self, group: str) -> storage.Arrays:
        run = self.run
        if group not in run.groups:
            minimum = run.config["method"]["name"] == "train"
            why = "it is a minimum, its metrics are in `summary`" if minimum else "not measured yet, see `history`"
            raise PathsearchError(f"{self.file} has no {group}: {why}")
        return run.groups[group]

    def _dataset(self, group: str) -> "Dataset":
        arrays = self._measured(group)
        what = f"a dataset of {self.file}"
        return dataset(what, {name: (axes(group, name, values), values) for name, values in arrays.items()})

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
