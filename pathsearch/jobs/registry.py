"""The folders of all runs of a user: in `pathsearch/runs` of the user's state folder, a file each that holds a path.

That is `$XDG_STATE_HOME`, on Linux `~/.local/state` where it is not set.
"""

import hashlib
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from pathsearch.errors import PathsearchError, one_line
from pathsearch.files import user_folder
from pathsearch.jobs import textfiles

LONGEST = 1 << 14  # bytes of a path


def enter(run: Path) -> None:
    """Add a run to the registry."""
    # compute nodes may have no home, or one that cannot be written to: that costs the run its row in a table
    with suppress(OSError, PathsearchError):
        file = entry(run)
        file.parent.mkdir(parents=True, exist_ok=True)
        textfiles.write(file, os.fsencode(os.path.realpath(run)))


def entry(run: Path) -> Path:
    """The file that names a run. Raises PathsearchError where the user has no home folder."""
    return place() / hashlib.sha256(os.fsencode(os.path.realpath(run))).hexdigest()[:16]


def known_runs() -> list[Path]:
    """The folders of this user's runs that are still there."""
    return sorted(run for run, fault in entries() if not fault)


def entries() -> Iterator[tuple[Path, str]]:
    """The folders of runs, each with "", and bad entries, each with what is wrong. Runs that are gone are left out."""
    for file, run, fault in _listed():
        if run is None:
            yield file, f"it names no run ({fault}): `pathsearch forget {file}` removes it"
            continue
        try:
            (run / "job.json").lstat()
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            yield run, f"it cannot be looked at: {error.strerror}"
            continue
        yield run, ""


def forget(run: Path) -> bool:
    """Remove a run, or an entry named by its own path, from the registry; False where it was not there."""
    there = False
    for file, named, _ in _listed():
        if os.path.abspath(run) != str(file) and (named is None or os.path.realpath(run) != os.path.realpath(named)):
            continue
        try:
            file.rmdir() if file.is_dir() and not file.is_symlink() else file.unlink()
        except OSError as error:
            raise PathsearchError(f"cannot remove {file}: {error.strerror}") from error
        there = True
    return there


def place() -> Path:
    """The registry's folder. Raises PathsearchError where the user has no home folder."""
    state = user_folder("state")
    if state is None:
        raise PathsearchError("your home folder is not known: set $HOME, or $XDG_STATE_HOME")
    return state / "runs"


def _listed() -> Iterator[tuple[Path, Path | None, str]]:
    """The files of the registry, each with the run's folder that it names, or None and why it names none."""
    try:
        files = sorted(place().iterdir())
    except FileNotFoundError:
        return
    except OSError as error:
        raise PathsearchError(f"cannot read {place()}, where your runs are listed: {error.strerror}") from error
    for file in files:
        if file.name.startswith("."):
            continue
        try:
            yield file, _path(textfiles.read(file, LONGEST)), ""
        except (OSError, ValueError) as error:
            yield file, None, one_line(getattr(error, "strerror", None) or error)


def _path(held: bytes) -> Path:
    if not held.startswith(b"/") or b"\0" in held or b"\n" in held:
        raise ValueError("it holds no path")
    return Path(os.fsdecode(held))
