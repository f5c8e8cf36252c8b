"""Writing `path.h5`: all of it to a temporary file beside, synced, then put in place at once."""

import io
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from pathsearch.errors import PathsearchError
from pathsearch.storage.atomic import NO_ROOM, advice, reason, replacing, synced
from pathsearch.storage.schema import FORMAT, FORMAT_VERSION, USER_BLOCK, checksum, hdf5, seal

SLACK = 1 << 20  # bytes of metadata beside the arrays
LARGEST_CHUNK = 1 << 20  # elements: HDF5 has some copies of a chunk while it writes one


@dataclass(frozen=True)
class Rows:
    """An array [n, M] whose rows are asked for one after another as they are written."""

    shape: tuple[int, int]
    dtype: np.dtype[Any]
    row: Callable[[int], NDArray[Any]]

    @property
    def nbytes(self) -> int:
        return self.shape[0] * self.shape[1] * self.dtype.itemsize


Variable = tuple[tuple[str, ...], NDArray[Any] | Rows]
"""Names of an array's dimensions, and the array."""


def write(file: Path, attributes: dict[str, Any], groups: dict[str, dict[str, Variable]]) -> None:
    """Replace `file` by one with these root attributes and groups; readers see the old one or the new, never half.

    A variable named like its only dimension becomes that dimension's coordinate. Attribute values that are not
    strings are kept as JSON. Raises PathsearchError where the disk does not take it; the old file then stays.
    """
    needed = sum(array.nbytes for variables in groups.values() for _, array in variables.values())
    try:
        with replacing(file) as partial, _Sink(partial, "x+") as sink:
            with hdf5(sink, "w", track_order=True, userblock_size=USER_BLOCK) as h5:
                sink.reserve(needed + SLACK)
                h5.attrs["format"] = FORMAT
                h5.attrs["format_version"] = FORMAT_VERSION
                for name, value in attributes.items():
                    h5.attrs[name] = value if isinstance(value, str) else json.dumps(value)
                for name, variables in groups.items():
                    _write_group(h5.create_group(name, track_order=True), variables, sink)
            sink.seal()
    except OSError as error:
        kept = "the last checkpoint is kept" if os.path.exists(file) else "nothing was kept yet"
        raise PathsearchError(
            f"cannot write {file}: {reason(error)}; {kept}. {advice(error).capitalize()}, then run again to continue"
        ) from error


class _Sink(io.FileIO):
    """The file HDF5 writes to. A write never fails under the library, which would not survive it: `check` tells."""

    failure: BaseException | None = None
    size = 0

    def write(self, data: Any) -> int:
        """Write all of it, or note why not; nothing more is written then."""
        if self.failure is None:
            try:
                rest = memoryview(data)
                while rest:
                    rest = rest[super().write(rest) :]
            except BaseException as error:  # an interrupt too
                self.failure = error
        return len(data)

    def truncate(self, size: int | None = None) -> int:
        """Note the size; the room reserved beyond it is given back at the end."""
        self.size = self.size if size is None else size
        return self.size

    def check(self) -> None:
        """Raise what a write ran into."""
        if self.failure is not None:
            raise self.failure

    def reserve(self, size: int) -> None:
        """Ask for room before hours of fetching vectors; file systems that cannot tell are written to all the same."""
        if not hasattr(os, "posix_fallocate"):
            return  # macOS
        try:
            os.posix_fallocate(self.fileno(), 0, size)
        except OSError as error:
            if error.errno in NO_ROOM:
                told = f"{os.strerror(error.errno or 0)}, {size / 1e6:.1f} MB needed"
                raise OSError(error.errno, told) from error

    def seal(self) -> None:
        """Bring the file, which HDF5 has closed, to its size and its checksum into the user block."""
        self.check()
        super().truncate(self.size)
        line = seal(checksum(self))
        self.seek(0)
        self.write(line)
        self.check()
        synced(self.fileno())


def _write_group(group: h5py.Group, variables: dict[str, Variable], sink: _Sink) -> None:
    for name, (dims, array) in variables.items():
        options: dict[str, Any] = {}
        if dims[-1:] == ("parameter",) and array.nbytes:
            options = {"chunks": (1, min(array.shape[1], LARGEST_CHUNK)), "fletcher32": True}
        if isinstance(array, Rows):
            kept = group.create_dataset(name, array.shape, array.dtype, **options)
            for n in range(len(kept)):
                kept[n] = array.row(n)
                sink.check()
            continue
        if array.dtype.kind in "OU":
            array, options = array.astype(object), {"dtype": h5py.string_dtype()}
        group.create_dataset(name, data=array, **options)
    sizes = {dim: size for dims, array in variables.values() for dim, size in zip(dims, array.shape)}
    for dim, size in sizes.items():
        if dim in variables:
            group[dim].make_scale(dim)
        else:  # never written, so it takes no space; the name is netCDF-4's mark of a dimension without coordinate
            group.create_dataset(dim, shape=(size,), dtype="f4")
            group[dim].make_scale(f"This is a netCDF dimension but not a netCDF variable.{size:>10}")
    for name, (dims, _) in variables.items():
        if dims != (name,):
            for axis, dim in enumerate(dims):
                group[name].dims[axis].attach_scale(group[dim])
