"""`landscape.h5`: minima, the paths between them, and where each path's own file is.

landscape.h5
├─ attributes    format, format_version, configuration (JSON), metric: what values and saddles are of
├─ minima        name [n], value [n]
└─ paths         one [k], other [k]: numbers of minima, one < other; folder [k]: of the run, from this file's;
                 saddle [k], and barriers, length, chord, gradients [k] as `report.figures` has them
"""

import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from pathsearch.atomic import advice, reason, replacing
from pathsearch.errors import PathsearchError, one_line

NAME = "landscape.h5"
FORMAT, VERSION = "pathsearch landscape", 1
FIGURES = (
    *("saddle", "barrier", "barrier_over_mean", "barrier_over_interpolation", "midpoint_over_mean"),
    *("length", "chord", "gradients"),
)
"""Numbers that are kept of a path."""


@dataclass(frozen=True)
class Way:
    """A path between two minima, by their numbers; figures: by the names of `FIGURES`."""

    one: int
    other: int
    folder: str
    figures: dict[str, float]


@dataclass(frozen=True)
class Landscape:
    """Minima by name with their values, and the paths that were found between them."""

    file: Path
    config: dict[str, Any]
    metric: str
    names: tuple[str, ...]
    values: NDArray[np.float64]
    paths: tuple[Way, ...]

    @property
    def saddles(self) -> NDArray[np.float64]:
        """[n, n], the lowest known; infinite where there is no path."""
        return self.table("saddle")

    def table(self, figure: str) -> NDArray[np.float64]:
        """A figure of all pairs [n, n]; infinite where there is no path."""
        found = np.full((len(self.names), len(self.names)), np.inf)
        for path in self.paths:
            found[path.one, path.other] = found[path.other, path.one] = path.figures[figure]
        return found


def write(landscape: Landscape) -> None:
    """Replace its file in one piece; raises PathsearchError where the disk does not take it."""
    texts, paths = h5py.string_dtype(), landscape.paths
    kept = io.BytesIO()  # a write that fails on a full disk would end HDF5's library
    with h5py.File(kept, "w") as h5:
        h5.attrs["format"], h5.attrs["format_version"] = FORMAT, VERSION
        h5.attrs["configuration"], h5.attrs["metric"] = json.dumps(landscape.config), landscape.metric
        h5.create_dataset("minima/name", data=list(landscape.names), dtype=texts)
        h5.create_dataset("minima/value", data=landscape.values)
        for name in ("one", "other"):
            h5.create_dataset(f"paths/{name}", data=np.array([getattr(each, name) for each in paths], dtype=np.int64))
        h5.create_dataset("paths/folder", data=[each.folder for each in paths], dtype=texts)
        for name in FIGURES:
            h5.create_dataset(f"paths/{name}", data=np.array([each.figures[name] for each in paths]))
    try:
        with replacing(landscape.file) as partial:
            partial.write_bytes(kept.getvalue())
    except OSError as error:
        raise PathsearchError(f"cannot write {landscape.file}: {reason(error)}; {advice(error)}") from error


def read(place: Path) -> Landscape:
    """A landscape from its file, or the folder with it; raises PathsearchError where there is none that can be read."""
    file = place / NAME if place.is_dir() else place
    if not file.is_file():
        raise PathsearchError(f"no landscape in {place}: `pathsearch explore` makes one")
    try:
        with h5py.File(file, "r") as h5:
            if h5.attrs.get("format") != FORMAT:
                raise PathsearchError(f"{file} is no landscape: name the folder of `pathsearch explore`")
            if h5.attrs["format_version"] != VERSION:
                raise PathsearchError(f"{file} has a format of a later program: install a newer pathsearch")
            paths = {name: dataset[()] for name, dataset in h5["paths"].items()}
            folders = [each.decode() for each in paths["folder"].tolist()]
            figures = [dict(zip(FIGURES, row)) for row in zip(*(paths[name].tolist() for name in FIGURES))]
            return Landscape(
                file,
                json.loads(h5.attrs["configuration"]),
                str(h5.attrs["metric"]),
                tuple(each.decode() for each in h5["minima/name"][()].tolist()),
                h5["minima/value"][()],
                tuple(map(Way, paths["one"].tolist(), paths["other"].tolist(), folders, figures)),
            )
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise PathsearchError(
            f"{file} cannot be read: {one_line(error)}; it was damaged, or is no landscape"
        ) from error
