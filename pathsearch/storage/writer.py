"""Writing `path.h5`: all of it to a temporary file beside, synced, then put in place at once."""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from pathsearch.errors import PathsearchError, one_line
from pathsearch.storage.schema import FORMAT, FORMAT_VERSION, USER_BLOCK, checksum, seal

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
    partial = file.with_name(f".{file.name}.{os.getpid()}.tmp")
    try:
        _reserve(partial, needed)
        with h5py.File(partial, "w", track_order=True, userblock_size=USER_BLOCK) as h5:
            h5.attrs["format"] = FORMAT
            h5.attrs["format_version"] = FORMAT_VERSION
            for name, value in attributes.items():
                h5.attrs[name] = value if isinstance(value, str) else json.dumps(value)
            for name, variables in groups.items():
                _write_group(h5.create_group(name, track_order=True), variables)
        with partial.open("rb+") as written:
            line = seal(checksum(written))
            written.seek(0)
            written.write(line)
            written.flush()
            os.fsync(written.fileno())
        os.replace(partial, file)
        _sync_folder(file.parent)
    except (OSError, RuntimeError) as error:
        kept = "the last checkpoint is kept" if file.exists() else "nothing was kept yet"
        raise PathsearchError(
            f"cannot write {file}: {one_line(error)}; {kept}. Free some space, then run again to continue"
        ) from error
    finally:
        partial.unlink(missing_ok=True)  # whatever went wrong; put in place it is gone already


def _reserve(file: Path, size: int) -> None:
    """Make sure that a file of this size has room: the HDF5 library does not survive a disk that fills up under it."""
    if not hasattr(os, "posix_fallocate"):
        return  # macOS
    with file.open("wb") as trial:
        try:
            os.posix_fallocate(trial.fileno(), 0, size + SLACK)
        except OSError as error:
            raise OSError(
                error.errno, f"{os.strerror(error.errno or 0)}, {(size + SLACK) / 1e6:.1f} MB needed"
            ) from error


def sweep(file: Path) -> None:
    """Remove what a killed writer of `file` left behind."""
    for partial in file.parent.glob(f".{file.name}.*.tmp"):
        partial.unlink(missing_ok=True)


def _write_group(group: h5py.Group, variables: dict[str, Variable]) -> None:
    for name, (dims, array) in variables.items():
        options: dict[str, Any] = {}
        if dims[-1:] == ("parameter",) and array.nbytes:
            options = {"chunks": (1, min(array.shape[1], LARGEST_CHUNK)), "fletcher32": True}
        if isinstance(array, Rows):
            kept = group.create_dataset(name, array.shape, array.dtype, **options)
            for n in range(len(kept)):
                kept[n] = array.row(n)
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


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
