"""The folders of all runs of a user: `$XDG_STATE_HOME/pathsearch/runs`, a file each that holds a path."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from pathsearch.errors import PathsearchError, one_line
from pathsearch.launch.jobs import textfiles

LONGEST = 1 << 14  # bytes of a path


def enter(run: Path) -> None:
    """Have a run known from now on."""
    entry = _entry(run)
    with suppress(OSError):  # a home that cannot be written to on compute nodes costs the run its row in a table
        entry.parent.mkdir(parents=True, exist_ok=True)
        textfiles.write(entry, os.fsencode(os.path.realpath(run)))


def known_runs() -> list[Path]:
    """The folders of this user's runs that are still there."""
    return sorted(run for run, fault in entries() if not fault)


def entries() -> Iterator[tuple[Path, str]]:
    """The folders of runs, each with ""; what is none, with what is wrong with it. Runs that are gone are left out."""
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
            run = _path(textfiles.read(file, LONGEST))
        except (OSError, ValueError) as error:
            yield file, f"it names no run ({_why(error)}): `pathsearch forget {file}` removes it"
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
    """Leave a run, or an entry of the registry itself, out of the table from now on; False where it was not in it."""
    entry = run if os.path.realpath(run.parent) == os.path.realpath(place()) else _entry(run)
    try:
        if entry.is_dir() and not entry.is_symlink():
            entry.rmdir()
        else:
            entry.unlink()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise PathsearchError(f"cannot remove {entry}: {error.strerror}") from error
    return True


def place() -> Path:
    """The folder of these files."""
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "pathsearch" / "runs"


def _entry(run: Path) -> Path:
    return place() / hashlib.sha256(os.fsencode(os.path.realpath(run))).hexdigest()[:16]


def _path(held: bytes) -> Path:
    if not held.startswith(b"/") or b"\0" in held or b"\n" in held:
        raise ValueError("it holds no path")
    return Path(os.fsdecode(held))


def _why(error: OSError | ValueError) -> str:
    return error.strerror or one_line(error) if isinstance(error, OSError) else one_line(error)
