"""Reading `path.h5`: open, read, close; nothing in it is executed, and long vectors are read when asked for."""

import json
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from pathsearch.atomic import reason
from pathsearch.errors import PathsearchError, one_line
from pathsearch.files import expanded
from pathsearch.storage import version1
from pathsearch.storage.layout import LATER, TEXTS, Arrays, Attributes, Made, made_in
from pathsearch.storage.seal import DAMAGED, FORMAT, FORMAT_VERSION, begins, checked, hdf5


@dataclass(frozen=True, kw_only=True)
class Run(Attributes):
    """What a run has found so far, without its long vectors."""

    file: Path
    shape: tuple[int, int]
    """(pivots, parameters)"""
    groups: dict[str, Arrays]
    """Arrays of `history`, `parameters`, and whatever there is of `made`, `looks`, `measured`, `alignment/…`,
    `endpoints/…` and `profiles/…`."""
    halted: str = ""
    """Why it cannot go on; empty where it can."""

    @property
    def made(self) -> tuple[Made, ...]:
        """What all points share as the network's constructor makes it."""
        return made_in(self.groups["made"]) if "made" in self.groups else ()

    @property
    def versions(self) -> dict[str, str]:
        """Of the programs that wrote last."""
        return dict(self.writers[-1]["versions"]) if self.writers else {}

    @property
    def origin(self) -> str:
        """Where it was written last: host, SLURM job and git revision."""
        return str(self.writers[-1]["origin"]) if self.writers else ""

    def under(self, name: str) -> dict[str, Arrays]:
        """The groups in a group, `alignment`, `endpoints` or `profiles`, by their names in it."""
        inside = {group.partition("/"): arrays for group, arrays in self.groups.items()}
        return {rest: arrays for (group, _, rest), arrays in inside.items() if group == name}

    def __repr__(self) -> str:
        pivots, size = self.shape
        return f"Run({self.file}: {self.config['method']['name']}, {self.state}, {pivots} pivots of {size:,} weights)"


def read(where: str | Path) -> Run:
    """Read a run folder or its `path.h5`. Raises PathsearchError where there is none, or a damaged one."""
    file = located(where)
    with _readable(file), _checked(file) as h5:
        return _run(file, h5)


def attributes(h5: h5py.File) -> dict[str, Any]:
    """The attributes of an open file of version 2."""
    names = [each.name for each in fields(Attributes) if each.name in h5.attrs or each.name not in LATER]
    found = {name: str(h5.attrs[name]) for name in names}
    return {name: value if name in TEXTS else json.loads(value) for name, value in found.items()}


def _run(file: Path, h5: h5py.File) -> Run:
    history, halted = arrays(h5["history"]), ""
    if h5.attrs["format_version"] == 1:
        said, history, halted = version1.migrated(version1.attributes(h5.attrs), history)
    else:
        said = attributes(h5)
    names = ["parameters", *(name for name in ("made", "looks", "measured") if name in h5)]
    names += [f"{group}/{name}" for group in ("alignment", "endpoints", "profiles") for name in h5.get(group, {})]
    groups = {"history": history, **{name: arrays(h5[name]) for name in names}}
    return Run(file=file, shape=h5["path/weights"].shape, groups=groups, halted=halted, **said)


class StoredRows:
    """Vectors [n, M] in an open file, read row by row. Raises PathsearchError for one that is damaged."""

    def __init__(self, file: Path, kept: h5py.Dataset) -> None:
        self._file, self._kept = file, kept

    @property
    def shape(self) -> tuple[int, ...]:
        """(n, M)"""
        return tuple(self._kept.shape)

    def __len__(self) -> int:
        return len(self._kept)

    def __getitem__(self, index: Any) -> NDArray[Any]:
        with _readable(self._file):
            return np.asarray(_values(self._kept, index))


@dataclass(frozen=True)
class Stored:
    """An open file: its run, and weights [N, M] and states [n, M], read row by row, as `weights[k]`."""

    run: Run
    weights: StoredRows
    states: dict[str, StoredRows]
    _tensors: h5py.Group

    def buffers(self) -> Arrays:
        """What all points share and is no coordinate, as far as the file has it."""
        with _readable(self.run.file):
            return arrays(self._tensors)


@contextmanager
def stored(where: str | Path) -> Iterator[Stored]:
    """Open a run's file for its vectors. Raises PathsearchError as `read` does."""
    file = located(where)
    with ExitStack() as stack:
        with _readable(file):
            h5 = stack.enter_context(_checked(file))
            states = {name: StoredRows(file, item) for name, item in h5["optimizer"].items() if item.ndim == 2}
            kept = Stored(_run(file, h5), StoredRows(file, h5["path/weights"]), states, h5["buffers"])
        yield kept


def read_vectors(where: str | Path) -> tuple[NDArray[Any], Arrays]:
    """The pivots [N, M] of a run, and the optimiser's states [n, M]."""
    with stored(where) as run:
        return run.weights[()], {name: values[()] for name, values in run.states.items()}


def read_buffers(where: str | Path) -> Arrays:
    """What all points of a run share and is no coordinate, as far as the file has it."""
    with stored(where) as run:
        return run.buffers()


def is_run(where: Path) -> bool:
    """Whether a name is to be read as a run: its folder, or a file that begins as its path.h5 does."""
    if where.is_dir() or where.suffix == ".h5":
        return True
    try:
        with where.open("rb") as raw:
            return begins(raw)
    except OSError:
        return False


def located(where: str | Path) -> Path:
    """The `path.h5` a folder or file name stands for."""
    file = expanded(where)
    file = file / "path.h5" if os.path.isdir(file) else file
    try:
        file.stat()
    except (FileNotFoundError, NotADirectoryError):
        if file.with_name("landscape.h5").is_file():
            raise PathsearchError(
                f"{file.parent} is a landscape: name one of its runs, in {file.parent}/paths"
            ) from None
        raise PathsearchError(f"no {file}: name a run's folder or its path.h5") from None
    except (OSError, ValueError) as error:
        raise PathsearchError(f"cannot read {file}: {_said(error)}") from error
    return file


@contextmanager
def _checked(file: Path) -> Iterator[h5py.File]:
    """The file, open, its checksum and format checked."""
    with file.open("rb", buffering=0) as raw:
        version = checked(raw)
        with hdf5(raw) as h5:
            if h5.attrs.get("format") != FORMAT:
                if h5.attrs.get("format") == "pathsearch landscape":
                    raise PathsearchError(f"{file} is a landscape, no run: name one of the runs in paths beside it")
                raise PathsearchError(f"{file} was not written by pathsearch")
            if h5.attrs["format_version"] > FORMAT_VERSION:
                raise PathsearchError(
                    f"{file} has format version {h5.attrs['format_version']}, this program reads up to "
                    f"{FORMAT_VERSION}: update pathsearch"
                )
            if h5.attrs["format_version"] != version:
                raise ValueError(DAMAGED)
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


def arrays(group: h5py.Group) -> Arrays:
    """The arrays of an open file's group, by name."""
    found = {}
    for name, item in group.items():
        if isinstance(item, h5py.Group):  # of a name with a slash in it
            found.update({f"{name}/{rest}": values for rest, values in arrays(item).items()})
            continue
        if item.attrs.get("NAME", b"").startswith(b"This is a netCDF dimension"):
            continue
        found[name] = np.asarray(_values(item, ()))
    return found


def _values(kept: h5py.Dataset, index: Any) -> Any:
    """What is kept at an index of an array; raises ValueError where its own checksum is another."""
    try:
        return kept.asstr()[index] if h5py.check_string_dtype(kept.dtype) else kept[index]
    except OSError as error:
        if any(said in str(error) for said in ("Fletcher32", "filter")):  # of HDF5 1, of HDF5 2
            raise ValueError(f"in {kept.name.strip('/')} {DAMAGED}") from error
        raise
