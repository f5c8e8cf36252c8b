"""The layout of `path.h5`, format version 2: what writer and reader share.

Every array has dimension scales, so `xarray.open_dataset("path.h5", group=…, engine="h5netcdf")` names its axes.

    /                       attributes: format, format_version, and those of `Attributes`, which are JSON where they are
                            no text
    /buffers/<name>         what all points share and is no coordinate: frozen parameters, buffers but statistics; only
                            what an endpoint brought, and small buffers
    /made/name, shape, sha256   [tensor]         of the rest of it, which the network's constructor makes, the SHA-256
    /endpoints/start, end/<name>   statistics an endpoint was saved with, where its file had all of the network's
    /alignment/groups       name, size, within [group]   units that are permuted together; within: numbers of the groups
                            for each of whose units they have a permutation of their own
    /alignment/blocks       tensor, parts, shape, groups [block]   parts of tensors, a slice an axis; in this shape each
                            axis of a part has a group, or none (-)
    /alignment/end, through.N/<group>   the unit that came to each place, [sizes of the groups it lies within…, size]
    /alignment/line         as profiles/linear below, of the end as it came, before it was permuted
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
    /looks/stage, step, moves, evaluations, points   [look]   the path measured while it is searched for, see `until`:
                            at which step of a stage, and of all; gradients by then; points measured in it
    /looks/<metric>         [look]               the barrier of each metric, as measured there and then
    /measured               mixture [point, pivot]; every metric [point]   of profiles under way, gone when finished
    /profiles/path          t [t]; arc_length and every metric [t]      whole data set, or measure.examples of it
    /profiles/linear        the same on the straight line
    /profiles/plane         x [x], y [y]; every metric [y, x]
    /profiles/shadow        path_x, path_y [point]; pivots_x, pivots_y [pivot]   the path projected onto the plane
                            path_off, pivots_off   distances from the plane; pivots_loss   the pivots' own loss

Arrays of a megabyte and more of a network's tensors and of the path's vectors are *long*: kept in chunks (of a pivot or
of part of one), uncompressed (random weights do not compress), each with a Fletcher-32. `seal` says how all else is
checked before any of it is believed. Metrics are as the objective defines them, by split and name (`test_error`); what
the summary says of them is read by `metrics`. Lengths are Euclidean in weight space.

`version1` turns what is read of a file of format version 1 into this.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Arrays = dict[str, NDArray[Any]]

ANY = "*"  # every other array of its group

DIMENSIONS: dict[str, dict[str, tuple[str, ...]]] = {
    "path": {"pivot": ("pivot",), "weights": ("pivot", "parameter")},
    "optimizer": {"moving": ("moving",), ANY: ("moving", "parameter")},
    "made": {ANY: ("tensor",)},
    "parameters": {ANY: ("tensor",)},
    "history": {"t": ("row", "point"), "loss": ("row", "point"), ANY: ("row",)},
    "looks": {ANY: ("look",)},
    "measured": {"mixture": ("point", "pivot"), ANY: ("point",)},
    "alignment/groups": {ANY: ("group",)},
    "alignment/blocks": {ANY: ("block",)},
    "alignment/line": {ANY: ("t",)},
    "profiles/path": {ANY: ("t",)},
    "profiles/linear": {ANY: ("t",)},
    "profiles/plane": {"x": ("x",), "y": ("y",), ANY: ("y", "x")},
    "profiles/shadow": {**{f"pivots_{what}": ("pivot",) for what in ("x", "y", "off", "loss")}, ANY: ("point",)},
}
"""Names of the axes of a group's arrays. The other groups hold tensors and permutations, whose axes are their own."""


@dataclass(frozen=True)
class Rows:
    """An array [n, M] whose rows are asked for one after another as they are written."""

    shape: tuple[int, int]
    dtype: np.dtype[Any]
    row: Callable[[int], NDArray[Any]]

    @property
    def nbytes(self) -> int:
        return self.shape[0] * self.shape[1] * self.dtype.itemsize


class Made(NamedTuple):
    """A tensor that a network's constructor makes: its name, shape and SHA-256."""

    name: str
    shape: tuple[int, ...]
    sha256: str


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
    """`stages`, their names, and `steps`, how many each may take; figures; how gradients are evaluated.

    `reached`, where the search ended since its goal was met: which `metric` had which `barrier`, after which `step` of
    all and of which `stage`, and how many `evaluations`, gradients.

    Of a network, `described`: what is measured besides the loss, by name without split, with `higher`, whether more is
    better, and `share`, whether it is one of 1; `measured`: examples measured, `train` and `test`, of those that there
    are, `train_of` and `test_of`.
    """
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
    alignment: dict[str, Any] = field(default_factory=dict)
    """How points were permuted towards the start; empty where they were not.

    `how`, the options; `groups` and `units`, how many may be permuted; `sides`, of each point: `side`; `metric`, whose
    barriers are compared; `distance` to the start and `barrier` of the straight line from it, `before` and `after`;
    `moved`, how many `groups` and `units` change places; `identity`, whether it was left as it came all the same.
    """


TEXTS = ("state", "curve")
"""Attributes that are kept as they are; all others are JSON."""
LATER = ("alignment",)
"""Attributes that files of earlier programs lack."""


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
    made: Sequence[Made] = ()
    history: Arrays = field(default_factory=dict)
    looks: Arrays = field(default_factory=dict)
    measured: Arrays = field(default_factory=dict)
    endpoints: Mapping[str, Arrays] = field(default_factory=dict)
    """Statistics by side."""
    aligned: Mapping[str, Arrays] = field(default_factory=dict)
    """The arrays of `alignment`, by their names in it."""
    profiles: Mapping[str, Arrays] = field(default_factory=dict)

    def groups(self) -> Groups:
        """The arrays as they lie in the file."""
        counts = [int(np.prod(shape)) for _, shape in self.tensors]
        found: Groups = {
            "path": {"pivot": np.arange(self.weights.shape[0]), "weights": self.weights},
            "optimizer": {"moving": np.array(self.moving, dtype=np.int64), **self.optimizer},
            "parameters": {
                "name": texts(name for name, _ in self.tensors),
                "shape": texts("x".join(map(str, shape)) for _, shape in self.tensors),
                "offset": np.cumsum([0, *counts[:-1]], dtype=np.int64)[: len(counts)],
            },
            "buffers": {**self.buffers},
            "history": {**self.history},
        }
        if self.made:
            found["made"] = {
                "name": texts(each.name for each in self.made),
                "shape": texts("x".join(map(str, each.shape)) for each in self.made),
                "sha256": texts(each.sha256 for each in self.made),
            }
        if self.looks:
            found["looks"] = {**self.looks}
        if self.measured:
            found["measured"] = {**self.measured}
        found |= {f"endpoints/{side}": {**arrays} for side, arrays in self.endpoints.items()}
        found |= {f"alignment/{name}": {**arrays} for name, arrays in self.aligned.items()}
        found |= {f"profiles/{name}": {**arrays} for name, arrays in self.profiles.items()}
        return found


def made_in(arrays: Arrays) -> tuple[Made, ...]:
    """What the arrays of the group `made` say."""
    return tuple(map(Made, arrays["name"].tolist(), shapes(arrays["shape"]), arrays["sha256"].tolist()))


def shapes(said: NDArray[Any]) -> list[tuple[int, ...]]:
    """The shapes that texts as "64x3x3x3" are of."""
    return [tuple(map(int, filter(None, each.split("x")))) for each in said.tolist()]


def texts(values: Iterable[str]) -> NDArray[Any]:
    """Texts as an array of a file."""
    return np.array(list(values), dtype=object)


def axes(group: str, name: str, array: NDArray[Any] | Rows) -> tuple[str, ...]:
    """Names of an array's axes."""
    if group in DIMENSIONS:
        known = DIMENSIONS[group]
        return known.get(name, known.get(ANY, ()))
    # no tensor has the name of these: what a dot follows is a layer
    return tuple(f"{name}.{axis}" for axis in range(len(array.shape)))
