"""What SLURM gave this process: nodes, rank, devices, time; how to ask it for another turn."""

import os
import re
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from pathsearch.errors import PathsearchError, one_line

ANSWER = 20.0  # seconds for SLURM to answer
TRIES = 3
PAUSE = 2.0  # seconds between them


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
    def turn(self) -> str:
        """A name for this turn of this job."""
        return f"{self.job}-{self.restart}"


def allocation(environ: Mapping[str, str], affinity: int) -> Allocation | None:
    """The step that `srun` started this process in; None outside of one. affinity: cores this process may use.

    Raises PathsearchError where there is more than one task a node.
    """
    if "SLURM_JOB_ID" not in environ or "SLURM_STEP_NUM_TASKS" not in environ:
        return None
    nodes, tasks = int(environ.get("SLURM_STEP_NUM_NODES", "1")), int(environ["SLURM_STEP_NUM_TASKS"])
    if tasks != nodes:
        raise PathsearchError(
            f"srun started {tasks} tasks on {nodes} nodes: a run wants one task a node, "
            "as with --ntasks-per-node=1 (Ray makes the rest)"
        )
    array = environ.get("SLURM_ARRAY_JOB_ID")
    given = environ.get("SLURM_CPUS_PER_TASK") or environ.get("SLURM_CPUS_ON_NODE")
    return Allocation(
        job=f"{array}_{environ['SLURM_ARRAY_TASK_ID']}" if array else environ["SLURM_JOB_ID"],
        restart=int(environ.get("SLURM_RESTART_COUNT", "0")),
        nodes=nodes,
        rank=int(environ.get("SLURM_PROCID", "0")),
        cpus=min(int(given), affinity) if given else affinity,
        gpus=_gpus(environ),
    )


def here() -> Allocation | None:
    """That of this process."""
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return allocation(os.environ, affinity)


def _gpus(environ: Mapping[str, str]) -> int:
    # CUDA_VISIBLE_DEVICES is what a task may use; SLURM_GPUS_ON_NODE is missing where GPUs came as --gres
    seen = environ.get("CUDA_VISIBLE_DEVICES", environ.get("ROCR_VISIBLE_DEVICES"))
    if seen is not None:
        return len([device for device in seen.split(",") if device.strip() not in ("", "-1", "NoDevFiles")])
    return int(environ.get("SLURM_GPUS_ON_NODE", "0"))


@dataclass(frozen=True)
class Fate:
    """What SLURM knows of a job: its state, when it ends it, as time.time(), whether it takes it back, and whether it
    is taking its nodes for another one.
    """

    state: str
    until: float | None
    requeue: bool
    preempted: bool


def fate(job: str) -> Fate:
    """Ask SLURM; where it does not answer, nothing is known, there is no end and no second turn."""
    try:
        return parsed(asked(["scontrol", "show", "job", "-o", job], TRIES))
    except PathsearchError:
        return parsed("")


def parsed(shown: str) -> Fate:
    """From a line of `scontrol show job -o`."""
    facts = dict(re.findall(r"(\w+)=(\S*)", shown))
    until: float | None = None
    if facts.get("TimeLimit") != "UNLIMITED":
        with suppress(ValueError):  # Unknown
            until = datetime.fromisoformat(facts.get("EndTime", "")).timestamp()
    return Fate(
        state=facts.get("JobState", "UNKNOWN"),
        until=until,
        requeue=facts.get("BatchFlag", "0") != "0" and facts.get("Requeue") == "1",
        preempted=facts.get("PreemptTime", "None") not in ("None", "Unknown"),
    )


def requeue(job: str) -> None:
    """Have SLURM put a job back into its queue. Raises PathsearchError with SLURM's own words."""
    try:
        asked(["scontrol", "requeue", job], TRIES)
    except PathsearchError as error:
        raise PathsearchError(f"the job could not be requeued: {error}") from error


def asked(command: list[str], tries: int = 1) -> str:
    """What SLURM answers; a busy controller may be asked again. Raises PathsearchError with its own words."""
    environment = {**os.environ, "SLURM_TIME_FORMAT": "standard"}
    for attempt in range(tries):
        if attempt:
            time.sleep(PAUSE)
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=ANSWER, env=environment)
        except (OSError, subprocess.TimeoutExpired) as error:
            said = one_line(error)
            continue
        if done.returncode == 0:
            return done.stdout
        said = one_line(done.stderr)
    raise PathsearchError(said)


def end_step() -> None:
    """Ask all tasks of this process's step to end; without a signal SLURM would kill them, untidied."""
    step = f"{os.environ['SLURM_JOB_ID']}.{os.environ['SLURM_STEP_ID']}"
    subprocess.run(["scancel", "--signal=TERM", step], capture_output=True, timeout=ANSWER)
