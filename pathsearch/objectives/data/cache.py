"""Decoded pictures on disk: each array a .npy file with a checksum behind it, in the user's cache folder.

It is never trusted more than the pictures: what cannot be read, or reads otherwise than it was written, is as good as
not there.
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
STALE = 3600.0  # seconds after which one is given up, on a file system that has no locks


def kept(key: str, count: int) -> NDArray[np.uint8] | None:
    """The pixels [count, 3, H, W] kept under a key, or None."""
    folder = user_folder("cache")
    if folder is None:
        return None
    try:
        with (folder / f"{key}.npy").open("rb") as file:
            pixels = np.load(file, allow_pickle=False)
            whole = file.read() == _checksum(pixels)
    except Exception:  # numpy has one for each way in which a file can be damaged
        return None
    fits = pixels.dtype == np.uint8 and pixels.ndim == 4 and pixels.shape[:2] == (count, 3)
    return pixels if whole and fits else None


def keep(key: str, pixels: NDArray[np.uint8]) -> None:
    """Keep pixels under a key. Where that cannot be done nothing is left behind: it costs time, not results."""
    folder = user_folder("cache")
    if folder is None:
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _sweep(folder)
        # the lock says that its writer lives: the system lets go of it whatever ends the process
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
    """CRC-32 of shape and pixels, which takes a small part of the time that reading them does."""
    return zlib.crc32(pixels.data, zlib.crc32(repr(pixels.shape).encode())).to_bytes(4, "big")


def _sweep(folder: Path) -> None:
    """Remove what writers left that were killed."""
    for partial in folder.glob(f"*{SUFFIX}"):
        try:
            with partial.open("rb") as file:
                if _locked(file.fileno()):
                    partial.unlink(missing_ok=True)
        except OSError:
            pass  # another process was quicker, or it is another user's


def _locked(handle: int) -> bool:
    """Lock an open file; whether nobody else had it."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return time.time() - os.fstat(handle).st_mtime > STALE
    return True
