"""Reading `path.h5`: open, read, close; nothing in it is executed."""

import json
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from pathsearch.errors import PathsearchError, one_line
from pathsearch.files import expanded
from pathsearch.storage.atomic import reason
from pathsearch.storage.schema import FORMAT, FORMAT_VERSION, USER_BLOCK, checksum, hdf5, seal

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Run:
    """What a run has found so far, without its long vectors."""

    file: Path
    state: str
    config: dict[str, Any]
    position: dict[str, Any]
    summary: dict[str, Any]
    versions: dict[str, str]
    origin: str
    shape: tuple[int, int]
    """(pivots, parameters)"""
    groups: dict[str, Arrays]
    """Arrays of `history`, `parameters`, `buffers` and whatever `endpoints/…` and `profiles/…` are there, by group."""
    last: dict[str, Any] = field(default_factory=dict)
    """Where the search ended, to go on from; empty before, where nothing was searched, and in files of old."""
    outside: dict[str, Any] = field(default_factory=dict)
    """What the run took from other files, by option: which, and its SHA-256."""
    place: dict[str, str] = field(default_factory=dict)
    """`here`, the working folder, and `folder`, the configuration's."""

    def __repr__(self) -> str:
        pivots, size = self.shape
        return f"Run({self.file}: {self.config['method']['name']}, {self.state}, {pivots} pivots of {size:,} weights)"


def read(where: str | Path) -> Run:
    """Read a run folder or its `path.h5`. Raises PathsearchError where there is none, or a damaged one."""
    file = located(where)
    with _readable(file), _checked(file) as h5:
        return _run(file, h5)


def _run(file: Path, h5: h5py.File) -> Run:
    attributes = {name: json.loads(h5.attrs[name]) for name in ("config", "position", "summary", "versions")}
    # files of old have none of these
    more = {name: json.loads(h5.attrs.get(name, "{}")) for name in ("last", "outside", "place")}
    names = ["history", "parameters", "buffers"]
    names += [f"{group}/{name}" for group in ("endpoints", "profiles") for name in h5.get(group, {})]
    names += ["measured"] if "measured" in h5 else []
    groups = {name: _arrays(h5[name]) for name in names}
    return Run(
        file=file,
        state=str(h5.attrs["state"]),
        origin=str(h5.attrs["origin"]),
        shape=h5["path/weights"].shape,
        groups=groups,
        **attributes,
        **more,
    )


@dataclass(frozen=True)
class Stored:
    """An open file's long vectors: weights [N, M] and states [n, M] are read row by row, `weights[k]`."""

    run: Run
    weights: h5py.Dataset
    states: dict[str, h5py.Dataset]


@contextmanager
def stored(where: str | Path) -> Iterator[Stored]:
    """Open a run's file for its vectors. Raises PathsearchError as `read` does."""
    file = located(where)
    with ExitStack() as stack:
        with _readable(file):
            h5 = stack.enter_context(_checked(file))
            states = {name: item for name, item in h5["optimizer"].items() if item.ndim == 2}
            kept = Stored(_run(file, h5), h5["path/weights"], states)
        yield kept


def read_vectors(where: str | Path) -> tuple[NDArray[Any], Arrays]:
    """The pivots [N, M] of a run, and the optimiser's states [n, M]."""
    with stored(where) as run:
        return run.weights[()], {name: values[()] for name, values in run.states.items()}


def is_run(where: Path) -> bool:
    """Whether a name is to be read as a run: its folder, or a file that begins as its path.h5 does."""
    if where.is_dir() or where.suffix == ".h5":
        return True
    try:
        with where.open("rb") as raw:
            return raw.read(USER_BLOCK).startswith(f"{FORMAT}, format version ".encode())
    except OSError:
        return False


def located(where: str | Path) -> Path:
    """The `path.h5` a folder or file name stands for."""
    file = expanded(where)
    file = file / "path.h5" if os.path.isdir(file) else file
    try:
        file.stat()
    except (FileNotFoundError, NotADirectoryError):
        raise PathsearchError(f"no {file}: name a run's folder or its path.h5") from None
    except (OSError, ValueError) as error:
        raise PathsearchError(f"cannot read {file}: {_said(error)}") from error
    return file


@contextmanager
def _checked(file: Path) -> Iterator[h5py.File]:
    """The file, open, its checksum and format checked."""
    with file.open("rb", buffering=0) as raw:
        line = raw.read(USER_BLOCK)
        known = line.startswith(FORMAT.encode()) and f", format version {FORMAT_VERSION}," in line.decode()
        if known and not line.startswith(seal(checksum(raw))):
            raise ValueError("it was damaged or changed after it was written")
        with hdf5(raw) as h5:
            if h5.attrs.get("format") != FORMAT:
                raise PathsearchError(f"{file} was not written by pathsearch")
            if h5.attrs["format_version"] > FORMAT_VERSION:
                raise PathsearchError(
                    f"{file} has format version {h5.attrs['format_version']}, this program reads up to "
                    f"{FORMAT_VERSION}: update pathsearch"
                )
            yield h5


@contextmanager
def _readable(file: Path) -> Iterator[None]:
    try:
        yield
    except PathsearchError:
        raise
    except Exception as error:  # whatever h5py makes of a file that is none
        if isinstance(error, OSError) and error.errno:
            raise PathsearchError(f"cannot read {file}: {_said(error)}") from error
        raise PathsearchError(
            f"{file} cannot be read ({one_line(error)}): if it is damaged, restore a copy or move it away and run again"
        ) from error


def _said(error: Exception) -> str:
    return reason(error) if isinstance(error, OSError) else one_line(error)


def _arrays(group: h5py.Group) -> Arrays:
    found = {}
    for name, item in group.items():
        if isinstance(item, h5py.Group):  # of a name with a slash in it
            found.update({f"{name}/{rest}": values for rest, values in _arrays(item).items()})
            continue
        if item.attrs.get("NAME", b"").startswith(b"This is a netCDF dimension"):
            continue
        values = item.asstr()[()] if h5py.check_string_dtype(item.dtype) else item[()]
        found[name] = np.asarray(values)
    return found
