"""The table of a user's runs, what their jobs print, and their end. Imports nothing heavy: people look often."""

import codecs
import math
import os
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from pathsearch.errors import PathsearchError
from pathsearch.launch.jobs import records
from pathsearch.launch.jobs.allocation import asked
from pathsearch.launch.jobs.records import LOCAL
from pathsearch.launch.jobs.states import ALIVE, Status, processes, statuses

WIDE = 1000  # columns, more than any row has
LOOK = 0.5  # seconds between two looks at a log
ASK = 10.0  # seconds between two questions to SLURM


def wanted(runs: list[Path] | None) -> list[Status]:
    """How named runs stand, or all this user's. Raises PathsearchError where a folder was never submitted."""
    if not runs:
        return sorted(statuses(records.known_runs()), key=lambda one: (one.record.submitted, one.run))
    found: list[Path] = []
    for run in runs:
        below = sorted(file.parent for file in run.rglob("job.json"))
        if not below:
            raise PathsearchError(f"{run} was not submitted: there is no job.json in it")
        found += below
    return statuses(list({run.resolve(): run for run in found}.values()))


def figures(one: Status) -> dict[str, Any]:
    """What `pathsearch jobs --json` says of a run; what is not known is null."""
    seen = one.seen
    return {
        "job": one.record.job,
        "cluster": one.record.cluster,
        "state": one.state,
        "says": one.says,
        "stage": seen.stage if seen else None,
        "step": seen.moves if seen else None,
        "steps": seen.steps if seen else None,
        "loss": _finite(seen.loss) if seen else None,
        "barrier": _finite(seen.barrier) if seen else None,
        "gpu_hours": round(one.gpu_hours, 4),
        "turns": one.turns,
        "folder": str(one.run),
        "log": one.record.log,
    }


def _finite(value: float | None) -> float | None:
    """JSON has no NaN."""
    return value if value is not None and math.isfinite(value) else None


def show(found: list[Status]) -> None:
    """Print the table, and below it why runs wait or failed."""
    rows = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for column in ("job", "state", "step", "loss", "barrier", "GPU-h", "folder"):
        left = column in ("job", "state", "folder")
        rows.add_column(column, justify="left" if left else "right", no_wrap=True, overflow="ignore")
    for one in found:
        said = figures(one)
        step = "–" if said["step"] is None else f"{said['step']} / {said['steps']}"
        numbers = ["–" if said[name] is None else f"{said[name]:.3g}" for name in ("loss", "barrier")]
        rows.add_row(one.record.job or "–", one.state, step, *numbers, f"{one.gpu_hours:.2f}", shown(one.run))
    # a terminal that is too narrow breaks lines at its edge: better than names that are cut
    console = Console(width=WIDE)
    console.print(rows, highlight=False, markup=False)
    for one in found:
        if one.says:
            console.print(f"{shown(one.run)}: {one.says}", highlight=False, markup=False, soft_wrap=True)


def cancel(one: Status) -> str:
    """End a run's job; returns what was done. Raises PathsearchError where that cannot be told."""
    name, job = shown(one.run), one.record.job
    if one.state not in ALIVE and one.state != "UNKNOWN":
        return f"{name}: nothing to end, it is {one.state}"
    if job is None:
        raise PathsearchError(f"{name}: not cancelled, {one.says}")
    if one.record.cluster == LOCAL:
        found = processes(one.record, records.turns(one.run))
        if one.record.host != socket.gethostname() or not found:
            raise PathsearchError(f"{name}: not cancelled, {one.says or 'its process is gone'}")
        for pid in found:
            os.kill(pid, signal.SIGTERM)
        return f"{name}: process {job} is asked to end, with all its runs"
    try:
        asked(["scancel", job])
    except PathsearchError as error:
        raise PathsearchError(f"{name}: not cancelled, {error}") from error
    return f"{name}: job {job} is asked to end"


def print_log(run: Path, follow: bool) -> None:
    """Print what a run's job has printed; `follow`: until it has ended. Raises PathsearchError where it has not yet."""
    kept = records.record(run)
    if kept is None:
        run = wanted([run])[0].run  # the first of those below
        kept = records.record(run)
    file = Path(kept.log) if kept and kept.log else run / "run.log"
    text = codecs.getincrementaldecoder("utf-8")(errors="replace")
    position = _print_from(file, 0, text)  # before SLURM is asked, which may take a while
    if not follow and file.exists():
        return
    (one,) = statuses([run])
    if not file.exists() and (not follow or one.state not in ALIVE):
        raise PathsearchError(f"job {one.record.job} printed nothing: it is {one.state}{one.says and ': '}{one.says}")
    looked = time.monotonic()
    while one.state in ALIVE:
        time.sleep(LOOK)
        position = _print_from(file, position, text)
        if time.monotonic() > looked + ASK:
            (one,), looked = statuses([run]), time.monotonic()
    _print_from(file, position, text)


def _print_from(file: Path, position: int, text: codecs.IncrementalDecoder) -> int:
    if not file.exists():
        return position
    with file.open("rb") as opened:
        opened.seek(position)
        more = opened.read()
    sys.stdout.write(text.decode(more))
    sys.stdout.flush()
    return position + len(more)


def shown(run: Path) -> str:
    """A folder as one types it here."""
    try:
        return str(run.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(run)
