"""The output of a run's job."""

import codecs
import sys
import time
from pathlib import Path

from pathsearch.errors import PathsearchError
from pathsearch.jobs import records
from pathsearch.jobs.listing import shown, wanted
from pathsearch.jobs.states import ALIVE, Status, statuses

LOOK = 0.5  # seconds between two looks at a log
ASK = 10.0  # seconds between two questions to SLURM


def print_log(run: Path, follow: bool) -> None:
    """Print the output of a run's job; follow: until the job ends. Raises PathsearchError where there is none yet."""
    kept = records.record(run)
    if kept is None:
        run = wanted([run])[0].run  # the first of those below
        kept = records.record(run)
    file = run / "run.log" if kept is None else records.log(run, kept)
    text = codecs.getincrementaldecoder("utf-8")(errors="replace")
    position = _print_from(file, 0, text)  # before SLURM is asked, which may take a while
    if not follow and file.exists():
        return
    (one,) = statuses([run])
    if not file.exists():
        if not follow or one.state not in ALIVE:
            raise PathsearchError(f"{shown(run)}: nothing is printed yet, {_standing(one)}")
        print(f"{shown(run)}: {_standing(one)}", file=sys.stderr)
    looked = time.monotonic()
    while one.state in ALIVE:
        time.sleep(LOOK)
        position = _print_from(file, position, text)
        if time.monotonic() > looked + ASK:
            (one,), looked = statuses([run]), time.monotonic()
    _print_from(file, position, text)


def _standing(one: Status) -> str:
    why = f": {one.says}" if one.says else ""
    waits = one.state in ALIVE - {"RUNNING", "COMPLETING"}
    return f"it waits ({one.state}{why})" if waits else f"it is {one.state}{why}"


def _print_from(file: Path, position: int, text: codecs.IncrementalDecoder) -> int:
    if not file.exists():
        return position
    if not file.is_file():
        raise PathsearchError(f"{file} is no file: it cannot be what the job printed")
    try:
        with file.open("rb") as opened:
            opened.seek(position)
            more = opened.read()
    except OSError as error:
        raise PathsearchError(f"{file} cannot be read: {error.strerror}") from error
    sys.stdout.write(text.decode(more))
    sys.stdout.flush()
    return position + len(more)
