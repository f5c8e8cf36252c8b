"""Writing `path.h5`: all of it to a temporary file beside, synced, then put in place at once."""

import io
import itertools
import json
import os
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import h5py
from numpy.typing import NDArray

from pathsearch.atomic import NO_ROOM, advice, reason, replacing, synced
from pathsearch.errors import PathsearchError
from pathsearch.storage.layout import TEXTS, Attributes, Groups, Kept, Rows, axes
from pathsearch.storage.seal import FORMAT, FORMAT_VERSION, USER_BLOCK, hdf5, seal

SLACK = 1 << 20  # bytes of metadata beside the arrays
LONG = 1 << 20  # bytes of an array that is checked when it is read, not when the file is opened
LARGEST_CHUNK = 1 << 20  # elements: HDF5 has some copies of a chunk while it writes one


def write(file: Path, kept: Kept) -> None:
    """Replace `file` by what a run keeps; readers see the old one or the new, never half.

    Raises PathsearchError where the disk does not take it; the old file then stays.
    """
    groups = kept.groups()
    needed = sum(array.nbytes for arrays in groups.values() for array in arrays.values())
    try:
        with replacing(file) as partial, _Sink(partial, "x+") as sink:
            with hdf5(sink, "w", track_order=True, userblock_size=USER_BLOCK) as h5:
                sink.reserve(needed + SLACK)
                h5.attrs["format"] = FORMAT
                h5.attrs["format_version"] = FORMAT_VERSION
                for each in fields(Attributes):
                    value = getattr(kept, each.name)
                    h5.attrs[each.name] = value if each.name in TEXTS else json.dumps(value)
                for name, arrays in groups.items():
                    _write_group(h5.create_group(name, track_order=True), arrays, sink)
                ranges = list(_long_ranges(h5, groups))
            sink.seal(ranges)
    except OSError as error:
        known = "the last checkpoint is kept" if os.path.exists(file) else "nothing was kept yet"
        raise PathsearchError(
            f"cannot write {file}: {reason(error)}; {known}. {advice(error).capitalize()}, then run again to continue"
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

    def seal(self, ranges: list[tuple[int, int]]) -> None:
        """Bring the file, which HDF5 has closed, to its size, and what it is checked by into it."""
        self.check()
        super().truncate(self.size)
        listed, block = seal(self, ranges, self.size)
        for at, data in ((self.size, listed), (0, block)):
            self.seek(at)
            self.write(data)
        self.check()
        synced(self.fileno())


def _write_group(group: h5py.Group, arrays: dict[str, NDArray[Any] | Rows], sink: _Sink) -> None:
    """Fill a new group; an array named like its only axis becomes that axis's coordinate.

    Its dimension scales are made by hand: h5netcdf, which makes the same, takes four times as long for a checkpoint.
    """
    name = group.name.strip("/")
    dims = {key: axes(name, key, array) for key, array in arrays.items()}
    # short ones stay at hand: to look one up takes as long as to make it; a long one that is open has a cache of chunks
    short: dict[str, h5py.Dataset] = {}

    def made(key: str) -> h5py.Dataset:
        return short[key] if key in short else group[key]

    for key, array in arrays.items():
        options: dict[str, Any] = {"chunks": _chunks(array.shape), "fletcher32": True} if _is_long(name, array) else {}
        if isinstance(array, Rows):
            kept = group.create_dataset(key, array.shape, array.dtype, **options)
            for n in range(len(kept)):
                kept[n] = array.row(n)
                sink.check()
            continue
        if array.dtype.kind in "OU":
            array, options = array.astype(object), {"dtype": h5py.string_dtype()}
        dataset = group.create_dataset(key, data=array, **options)
        if not _is_long(name, array):
            short[key] = dataset
    for dim, size in {dim: size for key in arrays for dim, size in zip(dims[key], arrays[key].shape)}.items():
        if dim in arrays:
            made(dim).make_scale(dim)
        else:  # never written, so it takes no space; the name is netCDF-4's mark of a dimension without coordinate
            short[dim] = group.create_dataset(dim, shape=(size,), dtype="f4")
            short[dim].make_scale(f"This is a netCDF dimension but not a netCDF variable.{size:>10}")
    for key in arrays:
        if dims[key] != (key,):
            scales = made(key).dims
            for axis, dim in enumerate(dims[key]):
                scales[axis].attach_scale(made(dim))


def _is_long(group: str, array: NDArray[Any] | Rows) -> bool:
    return group in ("path", "optimizer", "buffers") and array.nbytes >= LONG


def _chunks(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of an array's chunks: of its last axes as much as fits, in equal parts, never two rows at once."""
    room, found = LARGEST_CHUNK, []
    for size in shape[:0:-1]:
        parts = -(-size // room)
        found.append(-(-size // parts))  # the last part is filled up: a remainder of its own would cost a whole chunk
        room = max(1, room // size)
    return (1 if found else min(shape[0], room), *reversed(found))


def _long_ranges(h5: h5py.File, groups: Groups) -> Iterator[tuple[int, int]]:
    """Where the chunks of the long arrays of an open file lie, and their bytes."""
    h5.flush()
    for group, arrays in groups.items():
        for name in (name for name, array in arrays.items() if _is_long(group, array)):
            kept = h5[group][name]
            begins = (range(0, size, step) for size, step in zip(kept.shape, kept.chunks))
            for place in itertools.product(*begins):
                # by coordinates: by number HDF5 counts the chunks from the first each time
                chunk = kept.id.get_chunk_info_by_coord(place)
                yield chunk.byte_offset, chunk.size
