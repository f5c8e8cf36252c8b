"""The state of jobs, from SLURM's queue, its accounting where there is one, and what the runs themselves wrote."""

import os
import socket
from dataclasses import dataclass, replace
from pathlib import Path

from pathsearch.errors import PathsearchError
from pathsearch.jobs import records, textfiles
from pathsearch.jobs.allocation import asked
from pathsearch.jobs.glances import glances
from pathsearch.jobs.process import lives, of_submitit
from pathsearch.jobs.records import LOCAL, Attempt, Record
from pathsearch.storage.glance import Glance

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
"""States in which `resubmit --failed` submits a run again."""


Known = dict[str, tuple[str, str]]
"""State and reason of each job, by its id."""


@dataclass(frozen=True)
class Status:
    """How a run of this user stands.

    `says` is why it waits or failed. Hours, and `elapsed` in seconds, are sums over all its attempts. `cancelled`: by
    `pathsearch cancel`. `faults`: what is wrong with files in its folder. `waits_for`: the runs that must be finished
    before it begins and are not.
    """

    run: Path
    record: Record
    state: str
    says: str
    seen: Glance | None
    gpu_hours: float
    attempts: int
    core_hours: float = 0.0
    elapsed: float = 0.0
    cancelled: bool = False
    faults: tuple[str, ...] = ()
    waits_for: tuple[Path, ...] = ()


def damaged(run: Path, fault: str) -> Status:
    """The status of a run whose files are damaged."""
    return Status(run, Record("", {}, "", "", 0.0), "UNKNOWN", fault, None, 0.0, 0)


def statuses(runs: list[Path]) -> list[Status]:
    """The status of each run that was submitted; SLURM is asked once for all of them."""
    found: dict[Path, Status] = {}
    kept: dict[Path, Record] = {}
    for run in runs:
        try:
            one = records.record(run)
        except PathsearchError as error:
            found[run] = damaged(run, str(error))
            continue
        if one is not None:
            kept[run] = one
    seen = glances(list(kept))
    had = {run: records.attempts_and_faults(run) for run in kept}
    known = _known({str(one.job): _found(seen[run]) for run, one in kept.items() if one.job and one.cluster != LOCAL})
    for run, one in kept.items():
        found[run] = _status(run, one, known, seen[run], *had[run])
    waiting = {run: one for run, one in found.items() if _waits(one)}
    if waiting:
        found |= _with_prerequisites(waiting)
    return [found[run] for run in runs if run in found]


def _waits(one: Status) -> bool:
    """Whether a run waits for others: SLURM says so, or has not said yet why it waits, or a process of its own will."""
    unsaid = one.record.cluster == LOCAL or not one.says
    return one.says.startswith("Dependency") or (one.state == "PENDING" and unsaid)


def _with_prerequisites(waiting: dict[Path, Status]) -> dict[Path, Status]:
    """The same runs with what they wait for. Each file is looked at once, however many runs wait for it."""
    needed = {run: records.prerequisites(one.record) for run, one in waiting.items()}
    seen = glances(list(dict.fromkeys(need for needs in needed.values() for need in needs)))
    return {
        run: replace(one, waits_for=tuple(need for need in needed[run] if not _found(seen[need])))
        for run, one in waiting.items()
    }


def _found(seen: Glance | None) -> bool:
    return seen is not None and seen.state == "finished"


def _known(jobs: dict[str, bool]) -> Known:
    """State and reason of those jobs that SLURM remembers. jobs: whether the run of each is finished."""
    if not jobs:
        return {}
    try:
        found = _queue()
    except PathsearchError as error:
        return {job: ("UNKNOWN", str(error)) for job in jobs}
    gone = [job for job, done in jobs.items() if job not in found and not done]  # the accounting may be slow
    return found | (_accounting(gone) if gone else {})


def _status(run: Path, one: Record, known: Known, seen: Glance | None, had: list[Attempt], faults: list[str]) -> Status:
    local, cancelled = one.cluster == LOCAL, records.cancelled(run, one.submitted)
    # not those of earlier jobs: on one machine the number of a process comes again, and its clock tells them apart
    mine = [attempt for attempt in had if attempt.job == one.job and (attempt.began >= one.submitted or not local)]
    if one.job is None:
        state, says = "UNSUBMITTED", "the cluster did not take it"
    elif copied := records.original(run, one):
        state, says = judged(None, mine, seen)
        says = says or ("" if state == "COMPLETED" else f"a copy of {copied}, whose job it is")
    else:
        # where an array was cancelled while it waited, all its tasks are one row under the array's number
        row = known.get(one.job, known.get(one.job.partition("_")[0]))
        told = _process(run, one, mine, cancelled) if local else row
        state, says = judged(told, mine, seen, cancelled)
        if state in ("FAILED", "LOST") and not says:
            says = _last_printed(records.log(run, one)) if mine or not local else "its job ended before it began"
    if state == "RUNNING" and seen is None and not says:
        says = _training(run)
    found = Status(run, one, state, says, seen, 0.0, len(had), cancelled=cancelled, faults=tuple(faults))
    return replace(
        found,
        gpu_hours=sum(attempt.gpu_hours for attempt in had),
        core_hours=sum(attempt.core_hours for attempt in had),
        elapsed=3600 * sum(attempt.hours for attempt in had),
    )


def _training(run: Path) -> str:
    """Which minima a run trains, or waits for, before its own first step; empty where it has none to train."""
    from pathsearch.run.minima import progress  # which imports all options: most tables do not need it

    found = [
        f"{folder.name} {f'at step {seen.moves} / {seen.steps}' if seen is not None else 'not begun'}"
        for folder, seen in progress(run).items()
        if not _found(seen)
    ]
    return f"its minima come first: {', '.join(found)}" if found else ""


def judged(
    told: tuple[str, str] | None, had: list[Attempt], seen: Glance | None, cancelled: bool = False
) -> tuple[str, str]:
    """State and reason, from what the cluster says (None: nothing), the run's attempts and its path.h5."""
    state, reason = told or ("", "")
    said = had[-1].said if had else ""
    over = had and had[-1].last and had[-1].outcome in ("failed", "stopped")
    if state in ALIVE and not over:  # a shell that SLURM gave may go on after the run
        return state, "" if reason == "None" else reason
    if _found(seen):
        return "COMPLETED", ""
    if cancelled and state != "UNKNOWN":
        return "CANCELLED", said
    if state and state not in ("COMPLETED", "UNKNOWN") and state not in ALIVE:
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
    # in all states, since SLURM remembers a job for some minutes after its end
    return queue(asked(["squeue", "-h", "-r", "-t", "all", "-u", str(os.getuid()), "-o", "%i|%T|%r"]))


def _accounting(jobs: list[str]) -> Known:
    try:
        return accounting(asked(["sacct", "-X", "-n", "-P", "-o", "JobID,State", "-j", ",".join(jobs)]))
    except PathsearchError:  # the cluster has no accounting
        return {}


def _process(run: Path, one: Record, had: list[Attempt], cancelled: bool) -> tuple[str, str] | None:
    """State and reason of a run that a process on some machine carries out; None where that process is gone."""
    ended = bool(had) and had[-1].outcome not in ("", "requeued")
    if ended or (cancelled and not had):
        return None
    if one.host != socket.gethostname():
        return "UNKNOWN", f"it runs on {one.host}: ask there"
    return ("RUNNING" if had else "PENDING", "") if _lives(run, one, had) else None


def _lives(run: Path, one: Record, had: list[Attempt]) -> bool:
    """Whether a process of the run lives on this machine: Submitit's supervisor, or the one that carries it out."""
    if any(lives(attempt.pid, attempt.boot, attempt.started) for attempt in had[-1:]):
        return True
    if one.started:
        return lives(int(one.job or 0), one.boot, one.started)
    # an earlier version kept no start of the process: the folder in its command line tells which it is
    return of_submitit(int(one.job or 0), Path(os.path.normpath(run.resolve() / one.logs)))


def _last_printed(log: Path) -> str:
    try:
        return textfiles.last_line(log) or "it printed nothing"
    except OSError:
        return f"it printed nothing: there is no {log}"
