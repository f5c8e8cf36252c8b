"""Submitting runs through Submitit: to SLURM, or as processes of this machine."""

import contextlib
import io
import os
import re
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import submitit
import torch

from pathsearch.errors import PathsearchError, one_line
from pathsearch.jobs import records, script
from pathsearch.jobs.allocation import devices
from pathsearch.jobs.output import printed_into
from pathsearch.jobs.process import identity
from pathsearch.jobs.profiles import ClusterProfile, minutes
from pathsearch.jobs.records import LOCAL, Record
from pathsearch.jobs.work import work
from pathsearch.run.past import past
from pathsearch.run.settings import RunSettings

# Submitit takes every stop within ten minutes for a time-out; `work` sees whether a job makes progress
TIMEOUTS = 10**6
# users set these for SLURM's own commands: which SLURM it is, and who they are there
KEPT = ("SLURM_CONF", "SLURM_CONF_SERVER", "SLURM_CLUSTERS", "SLURM_JWT", "SLURM_TIME_FORMAT")
# options that this program sets itself, by their names in sbatch's environment
OVER = ("ARRAY_INX", "TIMELIMIT", "NO_REQUEUE", "ERROR", "WAIT")


@dataclass(frozen=True)
class Batch:
    """Runs of one kind, by the folders they go to.

    `logs` is the folder of the job's script and output. `after` are the jobs of SLURM that have to succeed first.
    `needs` are, for each run that has some, the folders of runs that must be finished before it begins, besides those
    that its configuration names. `store` is where they look for minima, None for beside them.
    """

    name: str
    logs: Path
    runs: dict[Path, RunSettings]
    profile: ClusterProfile
    after: tuple[str, ...] = ()
    needs: Mapping[Path, Sequence[Path]] = field(default_factory=dict)
    store: Path | None = None


def look_for_slurm() -> None:
    """Raise PathsearchError where this machine has no SLURM to submit to."""
    missing = [name for name in ("sbatch", "srun", "squeue", "scontrol") if shutil.which(name) is None]
    if missing:
        raise PathsearchError(
            f"no SLURM here (looked for {', '.join(missing)} in $PATH): submit from a login node, or run the same job "
            "on this machine with --cluster local"
        )
    conf = os.environ.get("SLURM_CONF")
    if conf and not os.path.isfile(conf):  # sbatch would look for it for a minute
        raise PathsearchError(f"$SLURM_CONF names {conf}, which is no file: unset it, or name your slurm.conf")


def prepare(batch: Batch, cluster: str, folder: Path, here: Path) -> dict[Path, Record]:
    """Write the records of runs; raises PathsearchError where a folder holds another run or cannot be used."""
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
            run=str(where.resolve()),
            minima=str(batch.store.resolve()) if batch.store else "",
            needs=[str(need.resolve()) for need in batch.needs.get(where, ())],
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
    """Make a folder for scripts and output that no other user can write to: Submitit executes what it reads there.

    Raises PathsearchError where that fails.
    """
    try:
        logs.mkdir(parents=True, exist_ok=True)
        if logs.is_symlink():
            raise PathsearchError(f"{logs} is a link: scripts and output need a folder of the run's own, move it away")
        logs.chmod(0o700)
    except OSError as error:
        raise PathsearchError(f"cannot use {logs}: {error.strerror}; name another folder with --out") from error


def to_slurm(batch: Batch, prepared: dict[Path, Record]) -> list[str]:
    """Submit runs, several as one array; returns the jobs' ids. Raises PathsearchError with sbatch's message."""
    executor = submitit.SlurmExecutor(folder=batch.logs, max_num_timeout=TIMEOUTS)
    asked = script.parameters(batch.profile, batch.name, batch.logs.resolve(), len(batch.runs), list(batch.after))
    executor.update_parameters(**asked)
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said), _of_no_job(script.options(asked)):
            jobs = executor.map_array(work, [[str(where.resolve())] for where in batch.runs])
    except Exception as error:  # Submitit raises several kinds
        lines = [line.removeprefix("sbatch: error: ") for line in (said.getvalue() or str(error)).splitlines()]
        raise PathsearchError(f"sbatch: {'; '.join(line for line in lines if line)}") from error
    for job, (where, record) in zip(jobs, prepared.items()):
        log = str(Path(submitit.core.utils.JobPaths(batch.logs, job.job_id, 0).stdout))
        records.submitted(where, replace(record, job=job.job_id, log=log))
    return [job.job_id for job in jobs]


def to_this_machine(batch: Batch, prepared: dict[Path, Record]) -> str:
    """Start one process that carries out the runs one after another, from their records; returns its id."""
    profile, (submitted,) = batch.profile, {record.submitted for record in prepared.values()}
    executor = submitit.LocalExecutor(folder=batch.logs, max_num_timeout=TIMEOUTS)
    executor.update_parameters(timeout_min=minutes(profile.time), signal_delay_s=profile.warning, stderr_to_stdout=True)
    gpus = _gpus()[: profile.gpus_per_node or None]  # all of them, unless the profile asks for fewer
    # not by update_parameters, which takes only numbers: GPUs may be named by UUID too
    executor.parameters.update(gpus_per_node=len(gpus), visible_gpus=tuple(gpus))
    try:
        with printed_into(batch.logs / "submitit.log"), _of_no_job([]):
            job = executor.submit(work, [str(where.resolve()) for where in batch.runs], submitted)
    except OSError as error:
        raise PathsearchError(f"the process could not be started: {one_line(error)}") from error
    boot, started = identity(int(job.job_id))
    for where, record in prepared.items():
        name = Path(job.paths.stdout).name  # in the run's own folder, even where one process carries out several runs
        log = str(where.resolve() / "jobs" / name)
        records.submitted(where, replace(record, job=job.job_id, log=log, boot=boot, started=started))
    return job.job_id


def _gpus() -> list[str]:
    """The names of the GPUs that this process may use."""
    seen = devices(os.environ)
    return list(map(str, range(torch.cuda.device_count()))) if seen is None else seen


@contextmanager
def _of_no_job(given: list[str]) -> Iterator[None]:
    """Hide the variables of a job around this process, which would mislead a new job.

    What the user has set for SLURM's commands stays, except for the options that are `given`: sbatch prefers its
    environment to its script.
    """
    own = {name: value for name, value in os.environ.items() if _users(name, given)}
    with submitit.helpers.clean_env():
        os.environ.update(own)
        yield
    # clean_env restores the environment


def _users(name: str, given: list[str]) -> bool:
    option = name.removeprefix("SBATCH_")
    if option == name:
        return name in KEPT
    taken = {one.upper().replace("-", "_") for one in given}
    memory = option.startswith("MEM_PER_") and any(
        one.startswith("MEM") for one in taken
    )  # only one of them may be set
    return bool(given) and not (memory or option in taken or option in OVER or "_BIND" in option)
