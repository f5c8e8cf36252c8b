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

from pathsearch.datasets import dataset
from pathsearch.errors import PathsearchError
from pathsearch.numerics import layers
from pathsearch.numerics.curves import CURVES
from pathsearch.numerics.profiles import measuring_points

if TYPE_CHECKING:
    from torch import nn
    from xarray import Dataset

    from pathsearch.objectives.network import NetworkObjective


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
    """A path γ(t), t in [0, 1] from its start to its end."""

    @abstractmethod
    def _held(self) -> AbstractContextManager[Held]:
        """The path, as long as it is needed."""

    @abstractmethod
    def _network(self) -> AbstractContextManager["NetworkObjective"]:
        """What is minimised, on its data; raises PathsearchError where that is no network."""

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
