"""What SLURM gave this process: nodes, rank, devices, time; questions to SLURM, and the requeue of a job."""

import os
import re
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from itertools import takewhile

from pathsearch.errors import PathsearchError, one_line
from pathsearch.machine import cores

ANSWER = 20.0  # seconds to wait for SLURM's answer
TRIES = 3
PAUSE = 2.0  # seconds between them
INTERACTIVE = "4294967290"  # the step of the shell that salloc starts
FILTERS = ("SQUEUE_", "SACCT_", "SCANCEL_", "SCONTROL_")  # a user's own settings of these commands
NONE = ("", "-1", "none", "void", "nodevfiles")  # the names that end a list of devices


@dataclass(frozen=True)
class Allocation:
    """A job step with one task a node; `rank` is this one's. `restart` counts how often the job was requeued."""

    job: str
    restart: int
    nodes: int
    rank: int
    cpus: int
    gpus: int

    @property
    def attempt(self) -> str:
        """The name of this attempt of this job."""
        return f"{self.job}-{self.restart}"


def allocation(environ: Mapping[str, str], affinity: int) -> Allocation | None:
    """The step in which `srun` started this process; None outside of a step. affinity: cores this process may use.

    Raises PathsearchError where a node has more than one task.
    """
    if not environ.get("SLURM_JOB_ID") or (tasks := _number(environ, "SLURM_STEP_NUM_TASKS")) is None:
        return None
    nodes = _number(environ, "SLURM_STEP_NUM_NODES", "SLURM_NNODES", "SLURM_JOB_NUM_NODES") or 1
    if tasks != nodes:
        raise PathsearchError(
            f"srun started {tasks} tasks on {nodes} nodes: a run needs one task a node, "
            "as with --ntasks-per-node=1 (Ray starts the other processes)"
        )
    given = _number(environ, "SLURM_CPUS_PER_TASK", "SLURM_CPUS_ON_NODE")
    array, job = _number(environ, "SLURM_ARRAY_JOB_ID"), _number(environ, "SLURM_JOB_ID")
    return Allocation(
        job=str(job) if array is None else f"{array}_{_number(environ, 'SLURM_ARRAY_TASK_ID') or 0}",
        restart=_number(environ, "SLURM_RESTART_COUNT") or 0,
        nodes=nodes,
        rank=_number(environ, "SLURM_PROCID") or 0,
        cpus=min(given, affinity) if given else affinity,
        gpus=_gpus(environ),
    )


def interactive(environ: Mapping[str, str], pid: int) -> bool:
    """Whether a process was started by hand in a shell of SLURM's: the step is the shell's, not the process's."""
    shell = "SLURM_PTY_PORT" in environ or environ.get("SLURM_STEP_ID") == INTERACTIVE
    return shell and environ.get("SLURM_TASK_PID") != str(pid)


def here() -> Allocation | None:
    """The allocation of this process; None outside of SLURM."""
    return None if interactive(os.environ, os.getpid()) else allocation(os.environ, cores())


def devices(environ: Mapping[str, str]) -> list[str] | None:
    """The GPUs a process may use, each named by number, UUID or MIG's; None where it may use all that it finds."""
    seen = environ.get("CUDA_VISIBLE_DEVICES", environ.get("ROCR_VISIBLE_DEVICES"))
    if seen is None:
        return None
    return list(takewhile(lambda name: name.lower() not in NONE, (name.strip() for name in seen.split(","))))


def _gpus(environ: Mapping[str, str]) -> int:
    # SLURM_GPUS_ON_NODE is missing where GPUs were asked for by --gres
    seen = devices(environ)
    return _number(environ, "SLURM_GPUS_ON_NODE") or 0 if seen is None else len(seen)


def _number(environ: Mapping[str, str], *names: str) -> int | None:
    """The number in the first of these variables that is set."""
    for name in names:
        if value := environ.get(name, "").strip():
            if not value.isascii() or not value.isdigit():
                raise PathsearchError(f"${name} is no number: it is not as SLURM sets it; unset it, or start with srun")
            return int(value)
    return None


@dataclass(frozen=True)
class JobInfo:
    """What SLURM says of a job.

    `until`: when SLURM will end it, as time.time(); None where that is not known. `requeue`: it can be requeued.
    `preempted`: SLURM is taking its nodes for another job.
    """

    state: str
    until: float | None
    requeue: bool
    preempted: bool


def job_info(job: str) -> JobInfo:
    """Ask SLURM about a job; without an answer its state is UNKNOWN, without an end or a requeue."""
    try:
        return parsed(asked(["scontrol", "show", "job", "-o", job], TRIES))
    except PathsearchError:
        return parsed("")


def parsed(shown: str) -> JobInfo:
    """The same from a line of `scontrol show job -o`."""
    facts = dict(re.findall(r"(\w+)=(\S*)", shown))
    until: float | None = None
    if facts.get("TimeLimit") != "UNLIMITED":
        with suppress(ValueError):  # it is "Unknown"
            until = datetime.fromisoformat(facts.get("EndTime", "")).timestamp()
    return JobInfo(
        state=facts.get("JobState", "UNKNOWN"),
        until=until,
        requeue=facts.get("BatchFlag", "0") != "0" and facts.get("Requeue") == "1",
        preempted=facts.get("PreemptTime", "None") not in ("None", "Unknown"),
    )


def requeue(job: str) -> None:
    """Have SLURM put a job back into its queue. Raises PathsearchError with SLURM's message."""
    try:
        asked(["scontrol", "requeue", job], TRIES)
    except PathsearchError as error:
        raise PathsearchError(f"the job could not be requeued: {error}") from error


def asked(command: list[str], tries: int = 1) -> str:
    """The output of a command of SLURM's, which is tried so often. Raises PathsearchError with SLURM's message."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(FILTERS)}
    environment["SLURM_TIME_FORMAT"] = "standard"
    for tried in range(tries):
        if tried:
            time.sleep(PAUSE)
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, errors="replace", timeout=ANSWER, env=environment
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            said = one_line(error)
            continue
        if done.returncode == 0:
            return done.stdout
        said = one_line(done.stderr)
    raise PathsearchError(said)


def step() -> str:
    """The job step of this process, as `scancel` takes it; "" outside of a step."""
    job, own = (_number(os.environ, name) for name in ("SLURM_JOB_ID", "SLURM_STEP_ID"))
    return "" if job is None or own is None else f"{job}.{own}"


def end_step() -> None:
    """Ask all tasks of this process's step to end. SLURM would kill them without a signal, before they can tidy up."""
    subprocess.run(["scancel", "--signal=TERM", step()], capture_output=True, timeout=ANSWER)
