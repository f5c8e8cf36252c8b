"""What became of jobs: SLURM's queue, its accounting where there is one, and what the runs themselves have written."""

import os
import socket
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pathsearch.errors import PathsearchError
from pathsearch.launch.jobs.allocation import asked
from pathsearch.launch.jobs.records import LOCAL, Record, Turn, record, turns
from pathsearch.storage.glance import Glance, glance

ALIVE = frozenset(
    (
        "PENDING",
        "RUNNING",
        "CONFIGURING",
        "COMPLETING",
        "SUSPENDED",
        "REQUEUED",
        "REQUEUE_FED",
        "REQUEUE_HOLD",
        "RESIZING",
        "SIGNALING",
        "STAGE_OUT",
        "SPECIAL_EXIT",
        "RESV_DEL_HOLD",
    )
)
FAILED = frozenset(
    (
        "FAILED",
        "CANCELLED",
        "TIMEOUT",
        "NODE_FAIL",
        "OUT_OF_MEMORY",
        "BOOT_FAIL",
        "DEADLINE",
        "PREEMPTED",
        "LOST",
        "STOPPED",
        "UNSUBMITTED",
    )
)
"""States that `resubmit --failed` submits again."""


Known = dict[str, tuple[str, str]]
"""State and reason by job."""


@dataclass(frozen=True)
class Status:
    """A run of this user: `says` is why it waits or failed; `gpu_hours` of all its turns."""

    run: Path
    record: Record
    state: str
    says: str
    seen: Glance | None
    gpu_hours: float
    turns: int


def statuses(runs: list[Path]) -> list[Status]:
    """How runs stand, SLURM asked once for all of them."""
    kept = {run: found for run in runs if (found := _record(run)) is not None}
    known = _known([one.job for one in kept.values() if one.job and one.cluster != LOCAL])
    return [_status(run, one, known) for run, one in kept.items()]


def _record(run: Path) -> Record | None:
    try:
        return record(run)
    except PathsearchError as error:
        return Record("", {}, "", "", 0.0, log=str(error))


def _known(jobs: list[str]) -> Known:
    """State and reason of SLURM's jobs, of those it remembers."""
    if not jobs:
        return {}
    try:
        found = _queue()
    except PathsearchError as error:
        return {job: ("UNKNOWN", str(error)) for job in jobs}
    gone = [job for job in jobs if job not in found]
    return found | (_accounting(gone) if gone else {})


def _status(run: Path, one: Record, known: Known) -> Status:
    had, seen = turns(run), glance(run)
    if one.job is None:
        damaged = not one.cluster
        state, says = ("UNKNOWN", one.log or "") if damaged else ("UNSUBMITTED", "the cluster did not take it")
        return Status(run, one, state, says, seen, _hours(had), len(had))
    mine = [turn for turn in had if turn.job == one.job]  # not those of earlier jobs
    # tasks of an array that was cancelled as it waited are one row under the array's number
    told = _process(one, mine) if one.cluster == LOCAL else known.get(one.job, known.get(one.job.partition("_")[0]))
    state, says = judged(told, mine, seen)
    if state in ("FAILED", "LOST") and not says:
        says = _last_line(one.log)
    return Status(run, one, state, says, seen, _hours(had), len(had))


def _hours(had: list[Turn]) -> float:
    return sum(turn.gpu_hours for turn in had)


def judged(told: tuple[str, str] | None, had: list[Turn], seen: Glance | None) -> tuple[str, str]:
    """State and reason, from what the cluster says (None: nothing), the run's turns, and its path.h5."""
    state, reason = told or ("", "")
    said = had[-1].said if had else ""
    if state in ALIVE:
        return state, "" if reason == "None" else reason
    if seen is not None and seen.state == "finished":
        return "COMPLETED", ""
    if state and state not in ("COMPLETED", "UNKNOWN"):
        return state, said or (reason if reason.startswith("Dependency") else "")
    if had and had[-1].outcome in ("failed", "stopped"):
        return had[-1].outcome.upper(), said
    if state == "UNKNOWN":
        return state, reason
    return ("FAILED" if state else "LOST"), said


def queue(listed: str) -> Known:
    """State and reason by job, from `squeue -h -r -o %i|%T|%r`."""
    rows = [line.split("|", 2) for line in listed.splitlines() if line.count("|") >= 2]
    return {job.strip(): (state.strip(), reason.strip()) for job, state, reason in rows}


def accounting(listed: str) -> Known:
    """State by job, from `sacct -X -n -P -o JobID,State`."""
    rows = [line.split("|") for line in listed.splitlines() if "|" in line]
    return {row[0].strip(): (row[1].split()[0], "") for row in rows if row[1].split()}


def _queue() -> Known:
    # all states: SLURM remembers a job for some minutes after its end
    return queue(asked(["squeue", "-h", "-r", "-t", "all", "-u", str(os.getuid()), "-o", "%i|%T|%r"]))


def _accounting(jobs: list[str]) -> Known:
    try:
        return accounting(asked(["sacct", "-X", "-n", "-P", "-o", "JobID,State", "-j", ",".join(jobs)]))
    except PathsearchError:  # a cluster without
        return {}


def _process(one: Record, had: list[Turn]) -> tuple[str, str] | None:
    """A run among those of a process of Submitit's on some machine."""
    if one.host != socket.gethostname():
        return "UNKNOWN", f"it runs on {one.host}: ask there"
    if had and had[-1].outcome not in ("", "requeued"):
        return None
    return ("RUNNING" if had else "PENDING", "") if processes(one, had) else None


def processes(one: Record, had: list[Turn]) -> list[int]:
    """Those of a run on this machine that live: its supervisor, and the one that carries it out."""
    found = []
    for pid in dict.fromkeys([int(one.job or 0), *(turn.pid for turn in had[-1:])]):
        with suppress(OSError):
            if b"submitit" in Path(f"/proc/{pid}/cmdline").read_bytes():
                found.append(pid)
    return found


def _last_line(log: str | None) -> str:
    try:
        lines = Path(log or "").read_text("utf-8", "replace").strip().splitlines()
    except OSError:
        return "" if log is None else f"it printed nothing: there is no {log}"
    return lines[-1] if lines else "it printed nothing"
