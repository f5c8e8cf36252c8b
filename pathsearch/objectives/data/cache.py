"""Keeps what is worked out of data sets on disk, decoded pictures above all, in the user's cache folder.

Each array is a .npy file with a checksum at its end. The files of the data count for more: an array that cannot be
read, or differs from what was written, is ignored.
"""

import fcntl
import os
import tempfile
import time
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pathsearch.files import user_folder

SUFFIX = ".partial"  # of a file that is being written
STALE = 3600.0  # seconds after which such a file is given up where the file system has no locks


def kept(key: str, count: int) -> NDArray[np.uint8] | None:
    """The pixels [count, 3, H, W] that are kept under a key, or None."""
    pixels = _read(key)
    if pixels is None or pixels.dtype != np.uint8 or pixels.ndim != 4 or pixels.shape[:2] != (count, 3):
        return None
    return pixels


def numbers(key: str, shape: tuple[int, ...]) -> NDArray[np.float64] | None:
    """The numbers of this shape that are kept under a key, or None."""
    found = _read(key)
    return found if found is not None and found.dtype == np.float64 and found.shape == shape else None


def _read(key: str) -> NDArray[Any] | None:
    folder = user_folder("cache")
    if folder is None:
        return None
    try:
        with (folder / f"{key}.npy").open("rb") as file:
            array: NDArray[Any] = np.load(file, allow_pickle=False)
            return array if file.read() == _checksum(array) else None
    except Exception:  # numpy has many kinds of errors for damaged files
        return None


def keep(key: str, array: NDArray[Any]) -> None:
    """Keep an array under a key. A failure leaves nothing behind and raises nothing: it costs time, not results."""
    folder = user_folder("cache")
    if folder is None:
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _sweep(folder)
        # the lock shows that the writer lives: the system releases it whatever ends the process
        with tempfile.NamedTemporaryFile(dir=folder, prefix=f"{key}.", suffix=SUFFIX, delete=False) as file:
            try:
                _locked(file.fileno())
                np.save(file.file, array, allow_pickle=False)
                file.write(_checksum(array))
                file.flush()
                os.fsync(file.fileno())
                os.replace(file.name, folder / f"{key}.npy")
            except BaseException:
                os.unlink(file.name)
                raise
    except OSError:
        pass


def _checksum(array: NDArray[Any]) -> bytes:
    """CRC-32 of shape and contents, which is much faster than reading them."""
    return zlib.crc32(array.data, zlib.crc32(repr(array.shape).encode())).to_bytes(4, "big")


def _sweep(folder: Path) -> None:
    """Remove what killed writers left."""
    for partial in folder.glob(f"*{SUFFIX}"):
        try:
            with partial.open("rb") as file:
                if _locked(file.fileno()):
                    partial.unlink(missing_ok=True)
        except OSError:
            pass  # another process was quicker, or the file is another user's


def _locked(handle: int) -> bool:
    """Lock an open file; returns whether nobody else had locked it."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return time.time() - os.fstat(handle).st_mtime > STALE
    return True
