"""Reading a landscape, from Python, while it is explored as well: every question reads the file as it is then."""

from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from pathsearch import report_landscape
from pathsearch.datasets import dataset
from pathsearch.errors import PathsearchError
from pathsearch.numerics import tree
from pathsearch.reading.run import Opened
from pathsearch.settings import one_of
from pathsearch.storage import landscape as stored
from pathsearch.storage.landscape import Landscape

if TYPE_CHECKING:
    from xarray import Dataset

    from pathsearch.plots.figure import Panels


class Edge(NamedTuple):
    """A path that joins two minima, by their names; folder: of its run."""

    one: str
    other: str
    saddle: float
    folder: Path


class OpenedLandscape:
    """Many minima and the paths between them, read only; nothing is kept open."""

    def __init__(self, where: str | Path) -> None:
        self.file = stored.read(where).file.resolve()

    @property
    def landscape(self) -> Landscape:
        """All that its file holds, as it is now."""
        return stored.read(self.file)

    @property
    def minima(self) -> "Dataset":
        """The `value` [minimum] of every minimum, by name; NaN where it is not known."""
        found = self.landscape
        values = np.where(np.isfinite(found.values), found.values, np.nan)
        arrays = {"minimum": (("minimum",), np.array(found.names)), "value": (("minimum",), values)}
        return dataset(f"a dataset of {self.file}", arrays)

    @property
    def pairs(self) -> "Dataset":
        """Figures of all pairs [one, other], NaN where no path is known.

        Of the path that joins two: `saddle`, its barrier by every convention, `length`, `chord`, `gradients`. Of the
        lowest way over any minima: `minimax`, its highest saddle, and `minimax_barrier`, how far that stands above the
        higher of the two.
        """
        found = self.landscape
        sides = ("one", "other")
        arrays: dict[str, tuple[tuple[str, ...], Any]] = {side: ((side,), np.array(found.names)) for side in sides}
        arrays |= {name: (sides, table) for name, table in report_landscape.pairs(found).items()}
        return dataset(f"a dataset of {self.file}", arrays)

    @property
    def tree(self) -> list[Edge]:
        """The paths of the minimum spanning tree, the lowest saddle first."""
        found = self.landscape
        return [_edge(found, way.one, way.other) for way in report_landscape.spanning(found)]

    def route(self, one: str | int, other: str | int) -> list[Edge]:
        """The lowest way from one minimum to another, by name or number: path after path, each from the one before.

        Raises PathsearchError where there are no such minima, or no paths join them.
        """
        found = self.landscape
        u, v = _two(found, one, other)
        passed = tree.route(found.saddles, u, v)
        if not passed:
            raise PathsearchError(
                f"no paths join {found.names[u]} and {found.names[v]} in {self.file}: explore further"
            )
        return [_edge(found, *step) for step in pairwise(passed)]

    def run(self, one: str | int, other: str | int) -> Opened:
        """The run that joins two minima, by name or number, as `pathsearch.open` gives it.

        Raises PathsearchError where there are no such minima, no run joins them, or its folder is gone.
        """
        found = self.landscape
        u, v = _two(found, one, other)
        if np.isinf(found.saddles[u, v]):
            passed = [found.names[n] for n in tree.route(found.saddles, u, v)]
            way = f"the lowest way is {' – '.join(passed)}, see `route`" if passed else "nor do others: explore further"
            raise PathsearchError(f"no run joins {found.names[u]} and {found.names[v]} in {self.file}: {way}")
        return Opened(found.folder(found.way(u, v)))

    @property
    def summary(self) -> dict[str, Any]:
        """The figures that `pathsearch show --json` prints."""
        return report_landscape.figures(self.landscape)

    @property
    def plot(self) -> "Panels":
        """Pictures: `plot.disconnectivity(ax)`, `plot.tree(ax)`, … draw a panel on matplotlib axes; `plot()`, all."""
        from pathsearch.plots import landscape

        return landscape.panels(lambda: self.landscape)

    def __repr__(self) -> str:
        return f"OpenedLandscape({self.file}: {report_landscape.headline(self.landscape)})"


def _edge(found: Landscape, u: int, v: int) -> Edge:
    way = found.way(u, v)
    return Edge(found.names[u], found.names[v], way.figures["saddle"], found.file.parent / way.folder)


def _two(found: Landscape, one: Any, other: Any) -> tuple[int, int]:
    """The numbers of two different minima."""
    numbers = [_number(found, each) for each in (one, other)]
    if numbers[0] == numbers[1]:
        raise PathsearchError(f"name two minima, not {found.names[numbers[0]]} twice")
    return numbers[0], numbers[1]


def _number(found: Landscape, said: Any) -> int:
    """The number of a minimum, from that or its name."""
    if isinstance(said, (int, np.integer)) and not isinstance(said, bool):
        if 0 <= said < len(found.names):
            return int(said)
        raise PathsearchError(f"{found.file} has no minimum {said}: there are 0 to {len(found.names) - 1}")
    if said not in found.names:
        raise PathsearchError(f"{found.file} has no minimum {one_of(said, found.names)}")
    return found.names.index(said)
