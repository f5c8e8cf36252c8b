"""What can be asked of a path γ(t), whether it lies in a file or has just been found."""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pathsearch import report, storage
from pathsearch.datasets import dataset
from pathsearch.errors import PathsearchError
from pathsearch.numerics import layers
from pathsearch.numerics.curves import CURVES
from pathsearch.numerics.profiles import equally_apart, measuring_points
from pathsearch.storage.layout import axes

if TYPE_CHECKING:
    from torch import nn
    from xarray import Dataset

    from pathsearch.ensembles import Ensemble, Watch
    from pathsearch.objectives.network import NetworkObjective
    from pathsearch.plots import Panels


POINTS = 61  # of a dataset of layers, at least: as many as a profile begins with


class Rows(Protocol):
    """Vectors [N, M]: an array, or a file's, which are read when they are asked for."""

    def __len__(self) -> int:
        """N"""

    def __getitem__(self, index: Any, /) -> NDArray[Any]:
        """As an array's."""


@dataclass(frozen=True)
class Held:
    """The curve through pivots, a name of `numerics.curves`, and the pivots.

    table: names and shapes of the parameters that a vector consists of, in their order.
    """

    curve: str
    pivots: Rows
    table: Sequence[tuple[str, tuple[int, ...]]]


class Along(ABC):
    """A path γ(t), t in [0, 1] from its start to its end, and all that was found of it."""

    @property
    @abstractmethod
    def run(self) -> storage.Run:
        """All but the long vectors, as it is now."""

    @abstractmethod
    def _measured(self, group: str) -> storage.Arrays:
        """The arrays of a group of `run`; raises PathsearchError where they are not measured."""

    @abstractmethod
    def _held(self) -> AbstractContextManager[Held]:
        """The path, as long as it is needed."""

    @abstractmethod
    def _sought(self) -> Any:
        """What is minimised, as far as it is known without its data: its settings, or itself where it has none."""

    @abstractmethod
    def _network(self) -> AbstractContextManager["NetworkObjective"]:
        """What is minimised, on its data; raises PathsearchError where that is no network."""

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
        if not isinstance(points, (int, np.integer)) or points < 2:
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

        ensembles.refuse_others(self._sought())  # before its data are read
        t = self.evenly(points)
        weights = [self.weights(at) for at in t.tolist()]
        with self._network() as network:
            return ensembles.ensemble(network, t, weights, keep, watch)

    @property
    def plot(self) -> "Panels":
        """Pictures: `plot.profile(ax)`, `plot.plane(ax)`, … draw a panel on matplotlib axes; `plot()`, all of them."""
        from pathsearch.plots import Panels

        return Panels(lambda: self.run)

    def weights(self, t: float) -> NDArray[Any]:
        """The weights [M] at t in [0, 1], in the path's precision; raises PathsearchError elsewhere.

        Pivots are read one after another, those alone that the point is made of.
        """
        at = position(t)
        with self._held() as held:
            mixture = CURVES[held.curve](np.array([at]), len(held.pivots))[0]
            parts = (held.pivots[int(k)] * float(mixture[k]) for k in np.flatnonzero(mixture))
            return np.asarray(reduce(np.add, parts))

    def model(self, t: float) -> "nn.Module":
        """The network at t in [0, 1], a module of its own in evaluation mode.

        It has the weights of the point, what all points share, and statistics, as batch norm's, averaged over what is
        measured of the training set, as in measuring. Raises PathsearchError where t lies elsewhere, the objective is
        no network, or its model or data are not to be had.
        """
        import torch

        from pathsearch.machine import prepare_torch

        weights = torch.from_numpy(self.weights(t))
        with self._network() as network:
            prepare_torch(*network.arithmetic)
            return network.at(weights.to(network.device, network.dtype))

    @property
    def layers(self) -> "Dataset":
        """Where the path is in the space of each parameter: `norm`, `distance` and `angle` [t, parameter], see
        `numerics.layers.geometry`, at evenly spaced t with the pivots of a polygon among them; `chord` [parameter] is
        how far the end is from the start. Lengths are Euclidean in weight space.

        Reads all pivots, a part of each at a time. Raises PathsearchError where the path is a single point, and where
        xarray is not installed.
        """
        with self._held() as held:
            count = len(held.pivots)
            if count < 2:
                raise PathsearchError("a minimum is a point, it has no chord: open a run that joins two")
            products = layers.grams(held.pivots, [math.prod(shape) for _, shape in held.table])
        t = measuring_points(count, POINTS)
        along = ("t", "parameter")
        arrays = {
            "t": (("t",), t),
            "parameter": (("parameter",), np.array([name for name, _ in held.table])),
            "chord": (("parameter",), np.sqrt(products[:, -1, -1])),
        }
        found = layers.geometry(products, CURVES[held.curve](t, count))
        return dataset("a dataset of layers", arrays | {name: (along, values) for name, values in found.items()})

    def _dataset(self, group: str) -> "Dataset":
        arrays = self._measured(group)
        what = "a dataset of a path"
        return dataset(what, {name: (axes(group, name, values), values) for name, values in arrays.items()})


def position(t: Any) -> float:
    """A number in [0, 1]; raises PathsearchError where t is none."""
    try:
        at = np.asarray(t, dtype=float)
    except (TypeError, ValueError):
        at = np.empty(0)
    if at.ndim or not 0.0 <= at <= 1.0:  # what is no number, too
        said = f"{at:g}" if not at.ndim else f"{type(t).__name__}"
        raise PathsearchError(f"t is to be a number in [0, 1], not {said}")
    return float(at)
