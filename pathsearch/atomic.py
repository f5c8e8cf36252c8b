"""Files that are put in place in one piece, on whatever file system, and what is said where that cannot be done."""

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pathsearch.errors import one_line

UNSUPPORTED = {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, 524}
"""What file systems answer to a call that they do not know; 524 is Linux's own ENOTSUPP, of NFS."""

NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}

ADVICE = {
    errno.ENOSPC: "free some space",
    errno.EDQUOT: "free some space or ask for a larger quota",
    errno.EFBIG: "raise the limit on the size of files (ulimit -f)",
    errno.EROFS: "name a place that can be written to",
    errno.EACCES: "name a place that can be written to",
    errno.EPERM: "name a place that can be written to",
    errno.ENOENT: "see that its folder is there",
    errno.ENOTDIR: "see that its folder is there",
    errno.ENAMETOOLONG: "choose a shorter name",
}
"""What to do about an error of the file system."""


@contextmanager
def replacing(file: Path) -> Iterator[Path]:
    """A name beside `file` for the block to make a file of, which then takes the place of `file`.

    Where the block raises, or the file cannot be put in place (OSError), `file` stays as it was and nothing is left.
    """
    # names end at 255 bytes
    partial = file.with_name(f".{file.name[:40]}.{os.getpid()}-{secrets.token_hex(4)}.tmp")
    try:
        yield partial
        os.replace(partial, file)
        _sync_folder(file.parent)
    finally:
        with suppress(OSError):  # put in place it is gone already
            partial.unlink()


def sweep(file: Path) -> None:
    """Remove what killed writers of `file` left behind."""
    with suppress(OSError):  # it does no harm
        for partial in file.parent.glob(f".{file.name}.*.tmp"):
            partial.unlink(missing_ok=True)


def synced(handle: int) -> None:
    """Wait until an open file is on the disk, as far as its file system can tell."""
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise


def reason(error: OSError) -> str:
    """An error of the file system in words, without the file's name."""
    return one_line(error.strerror or error)


def advice(error: OSError) -> str:
    """What to do about it."""
    return ADVICE.get(error.errno or 0, "see that its file system works")


def _sync_folder(folder: Path) -> None:
    """Make a new name last, where the file system can; the file itself is there and whole in any case."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
