"""Keeps decoded pictures on disk: each array is a .npy file with a checksum at its end, in the user's cache folder.

The pictures themselves count for more: an array that cannot be read, or differs from what was written, is ignored.
"""

import fcntl
import os
import tempfile
import time
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pathsearch.files import user_folder

SUFFIX = ".partial"  # of a file that is being written
STALE = 3600.0  # seconds after which such a file is given up where the file system has no locks


def kept(key: str, count: int) -> NDArray[np.uint8] | None:
    """The pixels [count, 3, H, W] that are kept under a key, or None."""
    folder = user_folder("cache")
    if folder is None:
        return None
    try:
        with (folder / f"{key}.npy").open("rb") as file:
            pixels = np.load(file, allow_pickle=False)
            whole = file.read() == _checksum(pixels)
    except Exception:  # numpy has many kinds of errors for damaged files
        return None
    fits = pixels.dtype == np.uint8 and pixels.ndim == 4 and pixels.shape[:2] == (count, 3)
    return pixels if whole and fits else None


def keep(key: str, pixels: NDArray[np.uint8]) -> None:
    """Keep pixels under a key. A failure leaves nothing behind and raises nothing: it costs time, not results."""
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
                np.save(file.file, pixels, allow_pickle=False)
                file.write(_checksum(pixels))
                file.flush()
                os.fsync(file.fileno())
                os.replace(file.name, folder / f"{key}.npy")
            except BaseException:
                os.unlink(file.name)
                raise
    except OSError:
        pass


def _checksum(pixels: NDArray[np.uint8]) -> bytes:
    """CRC-32 of shape and pixels, which is much faster than reading them."""
    return zlib.crc32(pixels.data, zlib.crc32(repr(pixels.shape).encode())).to_bytes(4, "big")


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
