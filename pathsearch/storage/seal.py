"""How a `path.h5` that was damaged, cut off or changed is told: its user block, and the list at its end.

The file begins with a user block of 512 bytes, which HDF5 passes over: one line with the file's size and two CRC-32.
What they cover is read before anything in the file is believed: everything but the *long ranges*, the bytes of long
arrays' chunks, each of which has a Fletcher-32 that HDF5 checks when it reads the chunk. A list of these ranges stands
behind HDF5's own end of the file, as JSON [[offset, bytes], …]; one checksum is of this list, the other of the rest.

In format version 1 the line has one CRC-32, of everything behind the user block, and there is no list.
"""

import json
import re
import zlib
from collections.abc import Iterable
from typing import Any, BinaryIO

import h5py

FORMAT = "pathsearch"
FORMAT_VERSION = 2

USER_BLOCK = 512  # bytes, the smallest HDF5 allows
BLOCK = 1 << 20  # bytes read at a time
DAMAGED = "it was damaged or changed after it was written"

Ranges = list[tuple[int, int]]
"""Stretches of a file in their order: where each begins, and its bytes."""

_LINE = re.compile(
    rb"pathsearch, format version (?:1, CRC-32 of the rest ([0-9a-f]{8})"
    rb"|2, (\d+) bytes, long ranges listed at (\d+), CRC-32 of the list ([0-9a-f]{8}), of the rest ([0-9a-f]{8}))\n"
)


def begins(file: BinaryIO) -> bool:
    """Whether a file begins as a `path.h5` of any version does."""
    return file.read(USER_BLOCK).startswith(f"{FORMAT}, format version ".encode())


def checked(file: BinaryIO) -> int:
    """The format version in the user block of an open file; 0 where that is none of pathsearch's, or of a later one.

    Raises ValueError where the file is not what was written, its long ranges apart.
    """
    file.seek(0)
    block = file.read(USER_BLOCK)
    found = _LINE.match(block)
    if found is None:
        return 0
    size = file.seek(0, 2)
    if found[1]:
        version, whole = 1, block == _first(_checksum(file, [(USER_BLOCK, size)]))
    else:
        version, end = 2, int(found[3])
        # the list is believed once its own checksum is right
        whole = _checksum(file, [(end, size)]) == int(found[4], 16)
        whole = whole and block == _block(file, _listed(file, end), end, size)
    if not whole:
        raise ValueError(DAMAGED)
    return version


def seal(file: BinaryIO, ranges: Iterable[tuple[int, int]], end: int) -> tuple[bytes, bytes]:
    """The list and the user block of a file that HDF5 has closed, and that is to grow from `end` bytes by the list."""
    merged: Ranges = []
    for begin, size in sorted(ranges):
        if merged and sum(merged[-1]) == begin:
            begin, size = merged[-1][0], merged.pop()[1] + size
        merged.append((begin, size))
    listed = json.dumps(merged).encode()
    return listed, _block(file, merged, end, end + len(listed), zlib.crc32(listed))


def hdf5(file: BinaryIO, mode: str = "r", **options: Any) -> h5py.File:
    """An open file as HDF5.

    By name HDF5 would lock it, which some file systems cannot do, and refuse it where the same process has it open with
    other settings, as xarray may. None of that is needed: a file in place is never changed.
    """
    return h5py.File(file, mode, **options)


def _first(checksum: int) -> bytes:
    """The user block of format version 1."""
    return f"{FORMAT}, format version 1, CRC-32 of the rest {checksum:08x}\n".encode().ljust(USER_BLOCK, b"\0")


def _block(file: BinaryIO, long: Ranges, end: int, size: int, listed: int | None = None) -> bytes:
    """The user block of a file of `size` bytes whose list of long ranges begins at `end`; `listed`: its CRC-32."""
    listed = _checksum(file, [(end, size)]) if listed is None else listed
    begins = [USER_BLOCK] + [begin + length for begin, length in long]
    rest = _checksum(file, list(zip(begins, [begin for begin, _ in long] + [end])))
    line = (
        f"{FORMAT}, format version {FORMAT_VERSION}, {size} bytes, long ranges listed at {end}, "
        f"CRC-32 of the list {listed:08x}, of the rest {rest:08x}\n"
    )
    return line.encode().ljust(USER_BLOCK, b"\0")


def _listed(file: BinaryIO, at: int) -> Ranges:
    file.seek(at)
    return [(begin, size) for begin, size in json.loads(file.read())]


def _checksum(file: BinaryIO, stretches: list[tuple[int, int]]) -> int:
    """CRC-32 of what lies between these places of a file, one stretch after another."""
    value = 0
    for begin, end in stretches:
        file.seek(begin)
        while begin < end and (block := file.read(min(end - begin, BLOCK))):
            value, begin = zlib.crc32(block, value), begin + len(block)
    return value
