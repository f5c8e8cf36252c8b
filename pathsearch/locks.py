"""Which process works in a run's folder. Imports nothing heavy.

The operating system keeps the lock: it ends with the process that held it, however that process ended. The file has
one line: the name of the machine that the process ran on.
"""

import fcntl
import os
import platform
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pathsearch.errors import PathsearchError

NAME = ".lock"
PATIENCE = 0.5  # seconds; a process that only looks (`stands`) holds the lock for less


@contextmanager
def alone(folder: Path, waiting: Callable[[], None] | None = None) -> Iterator[None]:
    """Hold a run's folder, made where there is none.

    waiting: is called about every half second while another process holds the folder; it raises to give up. Without
    it the function raises PathsearchError then.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder / NAME, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    except OSError as error:
        # a link could make this write to any file
        linked = f"{NAME} in it is a link: remove that, or"
        why = linked if (folder / NAME).is_symlink() else f"{error.strerror};"
        raise PathsearchError(
            f"cannot use folder {folder}: {why} name another with --out (--minima for minima)"
        ) from error
    try:
        _take(lock, folder, waiting)
        with suppress(OSError):  # on a full disk the lock holds without a name
            os.ftruncate(lock, 0)
            os.pwrite(lock, f"{platform.node()}\n".encode(), 0)
        yield
    finally:
        os.close(lock)


def stands(state: str, folder: Path) -> str:
    """The state of a run, from the state in its path.h5 and from which process holds its folder.

    finished; running: a process works on it; interrupted: no process does; unfinished: this cannot be known here, since
    the file system has no locks, another machine was the last to work on the run, or there is only a copy of its file.
    """
    if state == "finished":
        return state
    try:
        lock = os.open(folder / NAME, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return "unfinished"
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        # some file systems show a lock only to the machine that took it
        return "interrupted" if os.read(lock, 300).decode(errors="replace").strip() == platform.node() else "unfinished"
    except BlockingIOError:
        return "running"
    except OSError:
        return "unfinished"
    finally:
        os.close(lock)


def _take(lock: int, folder: Path, waiting: Callable[[], None] | None) -> None:
    patient, pause = time.monotonic() + PATIENCE, 0.02
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > patient:
                if waiting is None:
                    raise PathsearchError(
                        f"another process is running in {folder}: wait for it, or name another --out"
                    ) from None
                waiting()
                pause = PATIENCE  # it may take hours, and a network file system is to be asked rarely
            time.sleep(pause)
        except OSError:
            return  # a file system without locks: the last writer wins, each file stays whole
