"""Handing runs to a cluster through Submitit: its SLURM executor, or processes of this machine."""

import contextlib
import io
import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import submitit
import torch

from pathsearch.errors import PathsearchError
from pathsearch.launch.jobs import records, script
from pathsearch.launch.jobs.profiles import Profile, minutes
from pathsearch.launch.jobs.records import LOCAL, Record
from pathsearch.launch.jobs.work import work
from pathsearch.launch.past import past
from pathsearch.launch.settings import RunSettings

# Submitit takes every stop within ten minutes for a time-out; that a job gets further is for `work` to see
TURNS = 10**6


@dataclass(frozen=True)
class Batch:
    """Runs of one kind, by the folders they go to; `logs` is where the job's script and output are kept, `after` the
    jobs of SLURM that have to succeed first.
    """

    name: str
    logs: Path
    runs: dict[Path, RunSettings]
    profile: Profile
    after: tuple[str, ...] = ()


def look_for_slurm() -> None:
    """Raise PathsearchError where this machine submits to no SLURM."""
    missing = [name for name in ("sbatch", "srun", "squeue", "scontrol") if shutil.which(name) is None]
    if missing:
        raise PathsearchError(
            f"no SLURM here (looked for {', '.join(missing)} in $PATH): submit from a login node, or run the same job "
            "on this machine with --cluster local"
        )
    conf = os.environ.get("SLURM_CONF")
    if conf and not os.path.isfile(conf):  # sbatch would look for a minute
        raise PathsearchError(f"$SLURM_CONF names {conf}, which is no file: unset it, or name your slurm.conf")


def prepare(batch: Batch, cluster: str, folder: Path, here: Path) -> dict[Path, Record]:
    """Write down what is to run; raises PathsearchError where a folder holds another run or cannot be used."""
    if batch.profile.nodes > 1 and cluster == LOCAL:
        raise PathsearchError("--cluster local has one node, this machine: leave out --nodes")
    now, found = time.time(), {}
    for where, settings in batch.runs.items():
        if re.search(r"[%\\\n]", str(where.resolve())):
            raise PathsearchError(f"folder {str(where)!r}: SLURM takes no %, backslash or line break in names of logs")
        config = settings.model_dump(mode="json")
        past(where / "path.h5", settings, folder)
        found[where] = Record(
            cluster,
            config,
            str(folder.resolve()),
            str(here),
            now,
            profile=batch.profile.model_dump(),
            name=batch.name,
            logs=os.path.relpath(batch.logs, where),
        )
    try:
        for where, record in found.items():
            where.mkdir(parents=True, exist_ok=True)
            records.submitted(where, record)
        private(batch.logs)
    except OSError as error:
        raise PathsearchError(
            f"cannot use {error.filename}: {error.strerror}; name another folder with --out"
        ) from error
    return found


def private(logs: Path) -> None:
    """A folder for scripts and output that nobody else writes to: what Submitit reads there, it executes."""
    logs.mkdir(parents=True, exist_ok=True)
    logs.chmod(0o700)


def to_slurm(batch: Batch, prepared: dict[Path, Record]) -> list[str]:
    """Submit, as one array where there are several runs; returns the jobs' ids. Raises with SLURM's own words."""
    executor = submitit.SlurmExecutor(folder=batch.logs, max_num_timeout=TURNS)
    executor.update_parameters(
        **script.parameters(batch.profile, batch.name, batch.logs.resolve(), len(batch.runs), list(batch.after))
    )
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            jobs = executor.map_array(work, [[str(where.resolve())] for where in batch.runs])
    except Exception as error:  # Submitit has several
        lines = [line.removeprefix("sbatch: error: ") for line in (said.getvalue() or str(error)).splitlines()]
        raise PathsearchError(f"sbatch: {'; '.join(line for line in lines if line)}") from error
    for job, (where, record) in zip(jobs, prepared.items()):
        log = str(Path(submitit.core.utils.JobPaths(batch.logs, job.job_id, 0).stdout))
        records.submitted(where, replace(record, job=job.job_id, log=log))
    return [job.job_id for job in jobs]


def to_this_machine(batch: Batch, prepared: dict[Path, Record]) -> str:
    """Start one process that carries out the runs one after another; returns its id."""
    profile = batch.profile
    executor = submitit.LocalExecutor(folder=batch.logs, max_num_timeout=TURNS)
    executor.update_parameters(timeout_min=minutes(profile.time), signal_delay_s=profile.warning, stderr_to_stdout=True)
    gpus = _gpus()[: profile.gpus_per_node or None]  # all of them, unless fewer are asked for
    executor.update_parameters(gpus_per_node=len(gpus), visible_gpus=gpus)
    with _silent(batch.logs / "submitit.log"):
        job = executor.submit(work, [str(where.resolve()) for where in batch.runs])
    for where, record in prepared.items():
        records.submitted(where, replace(record, job=job.job_id, log=str(job.paths.stdout)))
    return job.job_id


def _gpus() -> list[int]:
    """The GPUs this process may use."""
    seen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if seen is None:
        return list(range(torch.cuda.device_count()))
    return [int(name) for name in seen.split(",") if name.strip().isdigit()]


@contextmanager
def _silent(log: Path) -> Iterator[None]:
    """Let processes started meanwhile print into a file: who waits for this one's output does not wait for theirs."""
    kept = {number: os.dup(number) for number in (1, 2)}
    with log.open("ab") as file:
        for number in kept:
            os.dup2(file.fileno(), number)
    try:
        yield
    finally:
        for number, old in kept.items():
            os.dup2(old, number)
            os.close(old)
