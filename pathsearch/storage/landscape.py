"""`landscape.h5`: minima, the paths between them, and where each path's own file is.

The file begins with a user block of 512 bytes, which HDF5 passes over: one line with the format version and a CRC-32
of all behind it.

landscape.h5
├─ attributes    format, format_version, configuration (JSON), metric: what values and saddles are of
├─ minima        name [n], value [n]
└─ paths         one [k], other [k]: numbers of minima, one < other; folder [k]: of the run, from this file's;
                 saddle [k], and barriers, length, chord, gradients [k] as `report.figures` has them
"""

import io
import json
import re
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from pathsearch.atomic import advice, reason, replacing
from pathsearch.errors import PathsearchError, one_line
from pathsearch.files import expanded, there
from pathsearch.storage.seal import DAMAGED, USER_BLOCK

NAME = "landscape.h5"
FORMAT, VERSION = "pathsearch landscape", 1
FIGURES = (
    *("saddle", "barrier", "barrier_over_mean", "barrier_over_interpolation", "midpoint_over_mean"),
    *("length", "chord", "gradients"),
)
"""Numbers that are kept of a path."""

_LINE = re.compile(rb"pathsearch landscape, format version (\d+), CRC-32 of the rest ([0-9a-f]{8})\n")


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

    def way(self, u: int, v: int) -> Way:
        """The path that joins two minima."""
        return next(path for path in self.paths if (path.one, path.other) == (min(u, v), max(u, v)))

    def folder(self, way: Way) -> Path:
        """Where a path's run is; raises PathsearchError where it is gone."""
        found = self.file.parent / way.folder
        if not there(found / "path.h5"):
            raise PathsearchError(
                f"the run {found} is gone: put it back in its place beside {self.file.name}, or run the same "
                "`pathsearch explore` again, which searches for it anew"
            )
        return found


def write(landscape: Landscape) -> None:
    """Replace its file in one piece; raises PathsearchError where the disk does not take it."""
    texts, paths = h5py.string_dtype(), landscape.paths
    kept = io.BytesIO()  # a write that fails on a full disk would end HDF5's library
    with h5py.File(kept, "w", userblock_size=USER_BLOCK) as h5:
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
            partial.write_bytes(_block(kept.getvalue()[USER_BLOCK:]) + kept.getvalue()[USER_BLOCK:])
    except OSError as error:
        raise PathsearchError(f"cannot write {landscape.file}: {reason(error)}; {advice(error)}") from error


def is_landscape(where: str | Path) -> bool:
    """Whether a name is to be read as a landscape: its folder, a file called as it is or that begins so."""
    place = expanded(where)
    try:
        if place.is_dir() or place.name == NAME:
            return place.name == NAME or (place / NAME).is_file()
        with place.open("rb") as raw:
            return raw.read(len(FORMAT)) == FORMAT.encode()
    except OSError:
        return False


def read(where: str | Path) -> Landscape:
    """A landscape from its file, or the folder with it; raises PathsearchError where there is none that can be read."""
    place = expanded(where)
    file = place / NAME if place.is_dir() else place
    try:
        whole = file.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise PathsearchError(f"no landscape in {place}: `pathsearch explore` makes one") from None
    except OSError as error:
        raise PathsearchError(f"cannot read {file}: {reason(error)}") from error
    said = _LINE.match(whole)
    if said is None:
        raise PathsearchError(
            f"{file} is no landscape, or was damaged: name a folder of `pathsearch explore`, or run that again"
        )
    if int(said[1]) != VERSION:
        raise PathsearchError(
            f"{file} has format version {int(said[1])}, this program reads {VERSION}: update pathsearch"
        )
    try:
        if whole[:USER_BLOCK] != _block(whole[USER_BLOCK:]):
            raise ValueError(DAMAGED)
        with h5py.File(io.BytesIO(whole), "r") as h5:
            return _landscape(file, h5)
    except Exception as error:  # whatever h5py makes of a file that is none
        raise PathsearchError(
            f"{file} cannot be read ({one_line(error)}): run the same `pathsearch explore` again, which writes it anew"
        ) from error


def _landscape(file: Path, h5: h5py.File) -> Landscape:
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


def _block(rest: bytes) -> bytes:
    """The user block before so many bytes."""
    line = f"{FORMAT}, format version {VERSION}, CRC-32 of the rest {zlib.crc32(rest):08x}\n"
    return line.encode().ljust(USER_BLOCK, b"\0")
