"""Taking back what was written for a submission that was refused: folders are as they were before it.

Records are written before a job is submitted, for it may begin at once.
"""

import os
import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from pathsearch.errors import PathsearchError
from pathsearch.jobs import registry, textfiles

PICKLE = re.compile(r"[0-9a-f]{32}\.pkl")
"""Submitit's name for a task that no cluster has taken yet."""


def as_now(runs: Iterable[Path], logs: Path) -> Callable[[], None]:
    """What brings runs' records and the folder of their job's script and output back to what is there now.

    Folders that were made meanwhile go where nothing else lies in them.
    """
    runs = [run.resolve() for run in runs]
    logs = logs.resolve()
    files = [run / "job.json" for run in runs]
    with suppress(PathsearchError):  # without a home there is no registry
        files += map(registry.entry, runs)
    held = {file: _held(file) for file in files}
    printed = logs / "submitit.log"
    new = not printed.exists()
    made = {folder for place in (*runs, logs) for folder in (place, *place.parents) if not folder.exists()}

    def undo() -> None:
        with suppress(OSError):  # a full disk: what is left is listed as not submitted
            for file, before in held.items():
                if before is None:
                    file.unlink(missing_ok=True)
                elif _held(file) != before:
                    textfiles.write(file, before)
        with suppress(OSError):
            if new:
                printed.unlink(missing_ok=True)
            _without_tasks(logs, runs)
        for folder in sorted(made, key=lambda folder: len(folder.parts), reverse=True):
            with suppress(OSError):  # others use it by now
                folder.rmdir()

    return undo


def _held(file: Path) -> bytes | None:
    try:
        return textfiles.read(file)
    except (OSError, ValueError):
        return None


def _without_tasks(logs: Path, runs: list[Path]) -> None:
    """Remove Submitit's scripts and tasks of these runs; another submission may be under way in the same folder."""
    if not logs.is_dir():
        return
    waiting = [file for file in logs.iterdir() if PICKLE.fullmatch(file.name)]
    names = [os.fsencode(run) + b"\x94" for run in runs]  # as pickle ends a text
    for file in waiting:
        task = _held(file) or b""
        if any(name in task for name in names):
            file.unlink(missing_ok=True)
    # a script has no run's name, and is written after its tasks: where none is left it is nobody else's
    if not any(PICKLE.fullmatch(file.name) for file in logs.iterdir()):
        for script in logs.glob(".submission_file_*.sh"):
            if not script.is_symlink():  # which it is once a cluster has taken it
                script.unlink(missing_ok=True)
