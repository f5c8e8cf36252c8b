"""The layout of `path.h5`, format version 2: what writer and reader share.

Every array has dimension scales, so `xarray.open_dataset("path.h5", group=…, engine="h5netcdf")` names its axes.

    /                       attributes: format, format_version, and those of `Attributes`, which are JSON where they are
                            no text
    /buffers/<name>         what all points share and is no coordinate: frozen parameters, buffers but statistics
    /endpoints/start, end/<name>   statistics an endpoint was saved with, where its file had all of the network's
    /path/weights           [pivot, parameter]   the pivots, endpoints first and last
    /optimizer/<state>      [moving, parameter]  the optimiser's vectors of the moving pivots; `moving` = pivot index;
                            those of the last step stay when the search is over, for more steps
    /parameters/name        [tensor]             names of the network's parameters, in the order of the vector
    /parameters/shape       [tensor]             their shapes, as "64x3x3x3"
    /parameters/offset      [tensor]             where each begins
    /history/stage          [row]                which stage a step belongs to; names in the root's summary
    /history/step, force, length, evaluations    [row]
    /history/coordinator_bytes, actor_bytes      [row]   in and out of the coordinator; into the busiest actor
    /history/t, loss        [row, point]         losses as the search saw them; NaN beyond a row's points
    /measured               mixture [point, pivot]; every metric [point]   of profiles under way, gone when finished
    /profiles/path          t [t]; arc_length and every metric [t]      whole data set
    /profiles/linear        the same on the straight line
    /profiles/plane         x [x], y [y]; every metric [y, x]
    /profiles/shadow        path_x, path_y [point]; pivots_x, pivots_y [pivot]   the path projected onto the plane
                            path_off, pivots_off   distances from the plane; pivots_loss   the pivots' own loss

Arrays of a megabyte and more of a network's tensors and of the path's vectors are *long*: kept in chunks (of a pivot or
of part of one), uncompressed (random weights do not compress), each with a Fletcher-32. `seal` says how all else is
checked before any of it is believed. Losses and errors are as the objective defines them (errors are shares of 1),
lengths are Euclidean in weight space.

`version1` turns what is read of a file of format version 1 into this.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = dict[str, NDArray[Any]]

ANY = "*"  # every other array of its group

DIMENSIONS: dict[str, dict[str, tuple[str, ...]]] = {
    "path": {"pivot": ("pivot",), "weights": ("pivot", "parameter")},
    "optimizer": {"moving": ("moving",), ANY: ("moving", "parameter")},
    "parameters": {ANY: ("tensor",)},
    "history": {"t": ("row", "point"), "loss": ("row", "point"), ANY: ("row",)},
    "measured": {"mixture": ("point", "pivot"), ANY: ("point",)},
    "profiles/path": {ANY: ("t",)},
    "profiles/linear": {ANY: ("t",)},
    "profiles/plane": {"x": ("x",), "y": ("y",), ANY: ("y", "x")},
    "profiles/shadow": {**{f"pivots_{what}": ("pivot",) for what in ("x", "y", "off", "loss")}, ANY: ("point",)},
}
"""Names of the axes of a group's arrays. The other groups hold a network's tensors, whose axes are their own."""


@dataclass(frozen=True)
class Rows:
    """An array [n, M] whose rows are asked for one after another as they are written."""

    shape: tuple[int, int]
    dtype: np.dtype[Any]
    row: Callable[[int], NDArray[Any]]

    @property
    def nbytes(self) -> int:
        return self.shape[0] * self.shape[1] * self.dtype.itemsize


Groups = dict[str, dict[str, NDArray[Any] | Rows]]


@dataclass(frozen=True, kw_only=True)
class Attributes:
    """What the root of a file says of its run."""

    state: str = "running"
    """running or finished"""
    config: dict[str, Any] = field(default_factory=dict)
    """The configuration, every option."""
    position: dict[str, Any] = field(default_factory=dict)
    """Where the search stands: a `search.State`."""
    last: dict[str, Any] = field(default_factory=dict)
    """Where the search ended, to go on from; empty before, and where nothing was searched."""
    summary: dict[str, Any] = field(default_factory=dict)
    """`stages`, their names, and `steps`, how many each may take; figures; how gradients are evaluated."""
    curve: str = ""
    """The kind of curve through the pivots, a name of `numerics.curves`."""
    minima: list[dict[str, Any]] = field(default_factory=list)
    """Which minima the path joins."""
    outside: dict[str, Any] = field(default_factory=dict)
    """What the run took from other files, by option: which, and its SHA-256."""
    place: dict[str, str] = field(default_factory=dict)
    """`here`, the working folder, and `folder`, the configuration's."""
    writers: list[dict[str, Any]] = field(default_factory=list)
    """The processes that wrote to the file, one after another: see `run.versions.writer`."""


TEXTS = ("state", "curve")
"""Attributes that are kept as they are; all others are JSON."""


@dataclass(frozen=True, kw_only=True)
class Kept(Attributes):
    """What a run keeps: attributes, and arrays, of which the long ones may be fetched as they are written."""

    weights: NDArray[Any] | Rows
    """[pivot, parameter]"""
    moving: Sequence[int] = ()
    """Pivots that the optimiser has vectors of."""
    optimizer: Mapping[str, NDArray[Any] | Rows] = field(default_factory=dict)
    """The optimiser's vectors of these [moving, parameter], by name."""
    tensors: Sequence[tuple[str, tuple[int, ...]]] = ()
    """Names and shapes of the network's parameters, in the order of the vector."""
    buffers: Arrays = field(default_factory=dict)
    history: Arrays = field(default_factory=dict)
    measured: Arrays = field(default_factory=dict)
    endpoints: Mapping[str, Arrays] = field(default_factory=dict)
    """Statistics by side."""
    profiles: Mapping[str, Arrays] = field(default_factory=dict)

    def groups(self) -> Groups:
        """The arrays as they lie in the file."""
        counts = [int(np.prod(shape)) for _, shape in self.tensors]
        found: Groups = {
            "path": {"pivot": np.arange(self.weights.shape[0]), "weights": self.weights},
            "optimizer": {"moving": np.array(self.moving, dtype=np.int64), **self.optimizer},
            "parameters": {
                "name": np.array([name for name, _ in self.tensors], dtype=object),
                "shape": np.array(["x".join(map(str, shape)) for _, shape in self.tensors], dtype=object),
                "offset": np.cumsum([0, *counts[:-1]], dtype=np.int64)[: len(counts)],
            },
            "buffers": {**self.buffers},
            "history": {**self.history},
        }
        if self.measured:
            found["measured"] = {**self.measured}
        found |= {f"endpoints/{side}": {**arrays} for side, arrays in self.endpoints.items()}
        found |= {f"profiles/{name}": {**arrays} for name, arrays in self.profiles.items()}
        return found


def axes(group: str, name: str, array: NDArray[Any] | Rows) -> tuple[str, ...]:
    """Names of an array's axes."""
    if group in DIMENSIONS:
        known = DIMENSIONS[group]
        return known.get(name, known.get(ANY, ()))
    # no tensor has the name of these: what a dot follows is a layer
    return tuple(f"{name}.{axis}" for axis in range(len(array.shape)))
