"""The table of a user's runs; cancelling and forgetting them. Imports nothing heavy: people look at it often."""

import math
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from pathsearch.errors import PathsearchError
from pathsearch.jobs import records, registry
from pathsearch.jobs.allocation import asked
from pathsearch.jobs.records import LOCAL
from pathsearch.jobs.states import ALIVE, Status, damaged, statuses
from pathsearch.jobs.textfiles import printable

LEFT = ("job", "state", "folder")  # columns of words; the others are of numbers
MOST = 3  # runs that are named in a line
COLUMNS = ("job", "state", "step", "loss", "barrier", "elapsed", "cost", "folder")


def wanted(runs: list[Path] | None) -> list[Status]:
    """The status of named runs, or of all this user's. Raises PathsearchError where a folder was never submitted."""
    if not runs:
        entries = list(registry.entries())
        found = statuses([run for run, fault in entries if not fault])
        found.sort(key=lambda one: (not one.record.cluster, one.record.submitted, one.run))
        return found + [damaged(run, fault) for run, fault in entries if fault]
    named: list[Path] = []
    for run in runs:
        below = sorted(file.parent for file in run.rglob("job.json"))
        if not below:
            raise PathsearchError(f"{run} was not submitted: there is no job.json in it")
        named += below
    return statuses(list({run.resolve(): run for run in named}.values()))


def facts(one: Status) -> dict[str, Any]:
    """The facts of a run for `pathsearch jobs --json`: unknown ones are null, `elapsed` is in seconds."""
    seen = one.seen
    return {
        "job": one.record.job,
        "cluster": one.record.cluster,
        "state": one.state,
        "says": one.says,
        "waits_for": [str(run) for run in one.waits_for],
        "stage": seen.stage if seen else None,
        "step": seen.moves if seen else None,
        "steps": seen.steps if seen else None,
        "loss": _finite(seen.loss) if seen else None,
        "barrier": _finite(seen.barrier) if seen else None,
        "elapsed": round(one.elapsed, 1),
        "gpu_hours": round(one.gpu_hours, 4),
        "core_hours": round(one.core_hours, 4),
        "attempts": one.attempts,
        "submitted": one.record.submitted,
        "folder": str(one.run),
        "log": str(records.log(one.run, one.record)) if one.record.cluster else None,
        "faults": list(one.faults),
    }


def _finite(value: float | None) -> float | None:
    """JSON has no NaN."""
    return value if value is not None and math.isfinite(value) else None


def show(found: list[Status]) -> None:
    """Print the table. Below it: why runs wait or failed, and which files cannot be read."""
    rows = [COLUMNS, *map(_row, found)]
    widths = [max(map(len, column)) for column in zip(*rows)]
    # lines are not cut to the terminal's width: a broken line is better than half a name
    lines = ["  ".join(_aligned(*cell) for cell in zip(row, COLUMNS, widths)).rstrip() for row in rows]
    rule = "─" * (sum(widths) + 2 * (len(widths) - 1))
    print("", *(f" {line}" for line in (lines[0], rule, *lines[1:])), "", sep="\n")
    for one in found:
        for said in (_why(one), *one.faults):
            if said:
                print(f"{_shown(one)}: {printable(said)}")


def _why(one: Status) -> str:
    """Why a run waits or failed, in a line."""
    if not one.waits_for:
        return one.says
    first = ", ".join(shown(run) for run in one.waits_for[:MOST])
    more = f" and {len(one.waits_for) - MOST} more" if len(one.waits_for) > MOST else ""
    return f"{one.says}{': ' if one.says else ''}waits for {first}{more}"


def _row(one: Status) -> tuple[str, ...]:
    said = facts(one)
    step = "–" if said["step"] is None else f"{said['step']} / {said['steps']}"
    numbers = ["–" if said[name] is None else f"{said[name]:.3g}" for name in ("loss", "barrier")]
    elapsed = clock(one.elapsed) if one.elapsed else "–"
    return one.record.job or "–", one.state, step, *numbers, elapsed, _cost(one), _shown(one)


def _cost(one: Status) -> str:
    if one.gpu_hours:
        return f"{one.gpu_hours:.2f} GPU-h"
    return f"{one.core_hours:.2f} core-h" if one.core_hours else "–"


def _aligned(text: str, column: str, width: int) -> str:
    return text.ljust(width) if column in LEFT else text.rjust(width)


def clock(seconds: float) -> str:
    """A time span as SLURM writes it: H:MM:SS, or D-HH:MM:SS."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    return f"{days}-{hours:02}:{minutes:02}:{rest:02}" if days else f"{hours}:{minutes:02}:{rest:02}"


def cancel(one: Status) -> str:
    """End a run, but not other runs of its job; returns what was done. Raises PathsearchError where that fails."""
    name, job = shown(one.run), one.record.job
    if one.state not in ALIVE and one.state != "UNKNOWN":
        return f"{name}: nothing to end, it is {one.state}"
    if job is None:
        raise PathsearchError(f"{name}: not cancelled, {one.says}")
    try:
        if (copied := records.original(one.run, one.record)) is not None:
            raise PathsearchError(f"it is a copy: its job is that of {copied}")
        if one.record.cluster == LOCAL:
            return _cancel_process(one)
        return _cancel_job(one, job)
    except PathsearchError as error:
        raise PathsearchError(f"{name}: not cancelled, {error}") from error


def _cancel_process(one: Status) -> str:
    """Leave a note that the run reads. No process is killed by its number, which another process may have by now."""
    if not one.record.started:
        raise PathsearchError(
            f"an earlier version submitted it and kept only the number of its process, {one.record.job}: if "
            f"`ps -p {one.record.job}` on {one.record.host} shows Submitit, end it by `kill {one.record.job}`"
        )
    records.cancel(one.run, one.record)
    if one.state == "PENDING":
        return f"{shown(one.run)}: will not begin"
    return f"{shown(one.run)}: is asked to end, at its next step"


def _cancel_job(one: Status, job: str) -> str:
    had = records.attempts(one.run)[-1:]
    # a script or shell of the user's own goes on after the run: only the step is cancelled
    step = had[0].step if had and not one.record.profile else ""
    asked(["scancel", step or job])
    with suppress(PathsearchError):  # SLURM knows that it was cancelled
        records.cancel(one.run, one.record)
    return f"{shown(one.run)}: job {step or job} is asked to end"


def forget(run: Path) -> list[str]:
    """Remove a run, or all runs below a folder, from the table; their folders stay. Returns what was done.

    Raises PathsearchError where a run was never submitted, or has not ended.
    """
    try:
        found = [(one.run, one.state) for one in wanted([run])]
    except PathsearchError:
        if registry.forget(run):  # the folder cannot be read, or its entry is damaged
            return [f"{shown(run)}: left out of the table"]
        raise
    done = []
    for where, state in found:
        if state in ALIVE:
            raise PathsearchError(f"{shown(where)}: not forgotten, it is {state}; `pathsearch cancel` ends it")
        there = registry.forget(where)
        done.append(f"{shown(where)}: {'left out of the table' if there else 'was not in the table'}, its folder stays")
    return done


def shown(run: Path) -> str:
    """A folder as a user types it in the working folder."""
    try:
        return str(Path(os.path.realpath(run)).relative_to(Path.cwd()))
    except (ValueError, OSError):
        return str(run)


def _shown(one: Status) -> str:
    return printable(shown(one.run))
