"""The table of a user's runs, what their jobs print, and their end. Imports nothing heavy: people look often."""

import codecs
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from pathsearch.errors import PathsearchError
from pathsearch.launch.jobs import records
from pathsearch.launch.jobs.allocation import ANSWER
from pathsearch.launch.jobs.records import LOCAL
from pathsearch.launch.jobs.states import ALIVE, Status, statuses

LOOK = 0.5  # seconds between two looks at a log
ASK = 10.0  # seconds between two questions to SLURM


def wanted(runs: list[Path] | None) -> list[Status]:
    """How named runs stand, or all this user's. Raises PathsearchError where a folder was never submitted."""
    if not runs:
        return sorted(statuses(records.known_runs()), key=lambda one: (one.record.submitted, one.run))
    found: list[Path] = []
    for run in runs:
        below = [run] if (run / "job.json").exists() else sorted(file.parent for file in run.glob("*/job.json"))
        if not below:
            raise PathsearchError(f"{run} was not submitted: there is no {run / 'job.json'}")
        found += below
    return statuses(found)


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
    """Print the table."""
    rows = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for column in ("job", "state", "step", "loss", "barrier", "GPU-h"):
        rows.add_column(column, justify="left" if column in ("job", "state") else "right", no_wrap=True)
    rows.add_column("folder", overflow="fold")
    for one in found:
        said = figures(one)
        step = "–" if said["step"] is None else f"{said['step']} / {said['steps']}"
        numbers = ["–" if said[name] is None else f"{said[name]:.3g}" for name in ("loss", "barrier")]
        place = _shown(one.run) + (f"\n{one.says}" if one.says else "")
        rows.add_row(one.record.job or "–", one.state, step, *numbers, f"{one.gpu_hours:.2f}", place)
    Console(soft_wrap=False).print(rows, highlight=False, markup=False)


def cancel(one: Status) -> str:
    """End a run's job; returns what was done."""
    if one.state not in ALIVE or one.record.job is None:
        return f"{_shown(one.run)}: nothing to end, it is {one.state} {one.says}".rstrip()
    if one.record.cluster == LOCAL:
        os.kill(int(one.record.job), signal.SIGTERM)
    else:
        done = subprocess.run(["scancel", one.record.job], capture_output=True, text=True, timeout=ANSWER)
        if done.returncode:
            raise PathsearchError(f"scancel {one.record.job}: {' '.join(done.stderr.split())}")
    return f"{_shown(one.run)}: job {one.record.job} is asked to end"


def print_log(run: Path, follow: bool) -> None:
    """Print what a run's job has printed; `follow`: until it has ended. Raises PathsearchError where it has not yet."""
    (one,) = wanted([run])[:1]
    file = Path(one.record.log) if one.record.log else run / "run.log"
    if not file.exists() and not follow:
        raise PathsearchError(f"job {one.record.job} has printed nothing yet: it is {one.state} {one.says}".rstrip())
    position, asked = 0, time.monotonic()
    text = codecs.getincrementaldecoder("utf-8")(errors="replace")
    while True:
        ended = not follow or one.state not in ALIVE  # asked before the last look: what came meanwhile is not lost
        position = _print_from(file, position, text)
        if ended:
            return
        time.sleep(LOOK)
        if time.monotonic() > asked + ASK:
            (one,), asked = statuses([one.run]), time.monotonic()


def _print_from(file: Path, position: int, text: codecs.IncrementalDecoder) -> int:
    if not file.exists():
        return position
    with file.open("rb") as opened:
        opened.seek(position)
        more = opened.read()
    sys.stdout.write(text.decode(more))
    sys.stdout.flush()
    return position + len(more)


def _shown(run: Path) -> str:
    try:
        return str(run.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(run)
