"""What every task of a job runs: the search on the first node, Ray on all nodes, a requeue when the time is up."""

import os
import re
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pathsearch.errors import Interrupted, PathsearchError, Requeued, complain, needed
from pathsearch.jobs import records
from pathsearch.jobs.allocation import Allocation, devices, here, job_info, requeue, step
from pathsearch.jobs.output import printed_into
from pathsearch.jobs.process import identity
from pathsearch.machine import cores
from pathsearch.run.stop import WARNING, Stop, signals

if TYPE_CHECKING:  # torch takes seconds to import; a signal would find no handler meanwhile
    from pathsearch import storage
    from pathsearch.run.settings import Asked, RunSettings

Configured = Callable[[], "Asked"]
"""Reads what is to be carried out, where that is needed."""

FRUITLESS = 3  # attempts without progress, after which a job is not requeued
AGAIN = 144  # exit status with which a task of Submitit's local executor asks for another attempt


def run(where: Path, configured: Configured, stop: Stop) -> "storage.Run | None":
    """Carry out the run in folder `where`, in this process or as a task of a SLURM step; all but the first give None.

    Raises Interrupted where the run was stopped, Requeued where its time was up and SLURM has queued the job again.
    """
    given = here()
    if given is None:
        return _in_this_process(where, configured, stop)
    if given.rank == 0:
        return _first(where, configured, given, stop)
    from pathsearch.jobs import nodes

    nodes.join(where, given, stop)
    return None


def _first(where: Path, configured: Configured, given: Allocation, stop: Stop) -> "storage.Run":
    known = job_info(given.job)
    stop.until = known.until
    begun = replace(
        _begun(where, given.job, given.restart, given.nodes, given.cpus, given.gpus),
        step=step(),
        last=known.state != "UNKNOWN" and not known.requeue,
    )
    with records.attempt(where, begun) as end:

        def lost(said: str) -> int:
            """Ray is gone and the vectors with it: another attempt goes on from the last checkpoint."""
            # whatever told this process to stop told Ray too
            why = said if stop.number is None else f"stopped by {stop.reason}"
            error = _another_attempt(where, Interrupted(why, stop.number or WARNING), given)
            if stop.number is None and type(error) is Interrupted:  # nobody stopped it
                error = PathsearchError(f"{error}; run the same command again to continue from the last checkpoint")
            end(error)
            complain(error)
            return error.status

        try:
            return _on_nodes(where, configured, given, stop, lost)
        except Interrupted as error:
            raise _another_attempt(where, error, given) from None


def work(runs: list[str], submitted: float | None = None) -> None:
    """Carry out the runs of a job one after another, as they were submitted into these folders; Submitit calls this.

    submitted: the time of submission, for a process of this machine: it skips runs that were cancelled, or submitted
    again, meanwhile. The process ends with an exit status, since Submitit would keep an exception as a result.
    """
    failed = False
    with signals() as stop:
        for where in map(Path, runs):
            if submitted is not None and (why := _passed_over(where, submitted)):
                print(f"{where}: {why}", flush=True)
                continue
            stop.cancels = partial(records.cancelled, where, submitted) if submitted is not None else None
            with _own_output(where, len(runs)):
                error = _outcome(where, stop)
            if isinstance(error, Interrupted):
                if not stop.go_on():
                    local = isinstance(error, Requeued) and "SUBMITIT_LOCAL_JOB_ID" in os.environ
                    sys.exit(AGAIN if local else error.status)
            elif error is not None:
                failed = True
    if failed:
        sys.exit(1)


def _passed_over(where: Path, submitted: float) -> str:
    if records.cancelled(where, submitted):
        return "cancelled before it began"
    with suppress(PathsearchError):  # the run itself will name a damaged record
        kept = records.record(where)
        if kept is not None and kept.submitted != submitted:
            return "submitted again meanwhile, by another job"
    return ""


@contextmanager
def _own_output(where: Path, runs: int) -> Iterator[None]:
    """Redirect output into the run's own log where one process of this machine carries out several runs."""
    job = os.environ.get("SUBMITIT_LOCAL_JOB_ID")
    if job is None or runs == 1:
        yield
        return
    log = where / "jobs" / f"{job}_0_log.out"
    with ExitStack() as stack:
        try:
            log.parent.mkdir(exist_ok=True)
            stack.enter_context(printed_into(log))
        except OSError as error:
            complain(
                PathsearchError(f"{where}: its output follows here, since {log} cannot be written: {error.strerror}")
            )
        yield


def _outcome(where: Path, stop: Stop) -> Exception | None:
    """Carry out a run; returns the error that ended it, after it has been printed."""
    try:
        _submitted(where, stop)
    except PathsearchError as error:
        complain(error)
        return error
    except Exception as error:  # a fault of this program, which other runs may not meet
        traceback.print_exc()
        return error
    return None


def _submitted(where: Path, stop: Stop) -> None:
    if stop.number is not None:
        raise Interrupted(f"stopped by {stop.reason} before {where}", stop.number)
    kept = records.record(where)
    if kept is None:
        raise PathsearchError(f"{where}/job.json is gone: submit the run again")
    try:
        os.chdir(kept.here)
    except OSError as error:
        raise PathsearchError(f"{kept.here}, where {where} was submitted, cannot be used: {error.strerror}") from error

    def configured() -> "Asked":
        from pathsearch.run.config import validated
        from pathsearch.run.settings import Asked

        settings = validated(kept.config, str(where / "job.json"))
        return Asked(settings, Path(kept.folder), store=Path(kept.minima) if kept.minima else None)

    found = run(where, configured, stop)
    if found is not None:
        from pathsearch.run.finish import finish

        finish(found)


def _in_this_process(where: Path, configured: Configured, stop: Stop) -> "storage.Run":
    job = os.environ.get("SUBMITIT_LOCAL_JOB_ID")
    if job is None:
        return _search(where, stop, configured())
    restart = sum(attempt.job == job for attempt in records.attempts(where))
    with records.attempt(where, _begun(where, job, restart, 1, cores(), len(devices(os.environ) or ()))):
        try:
            return _search(where, stop, configured())
        except Interrupted as error:
            if error.number == WARNING:  # it comes before the time is up; Submitit starts the task again
                raise _requeued(error) from None
            raise


def _search(where: Path, stop: Stop, asked: "Asked") -> "storage.Run":
    from pathsearch.progress import display
    from pathsearch.run.past import finished

    with display(where / "run.log") as watcher:
        kept = finished(where, asked.settings, asked.folder, asked.stretch)
        if kept is not None:
            watcher.log(f"{kept.file} is finished already")
            return kept
        from pathsearch.run import whole  # torch takes seconds to import, and a finished run does not need it

        return whole.run(asked, where, watcher, stop)


def _on_nodes(
    where: Path, configured: Configured, given: Allocation, stop: Stop, lost: Callable[[str], int]
) -> "storage.Run":
    from pathsearch.jobs import nodes

    with ExitStack() as stack:
        # at once where there are several nodes, since the others wait for it; torch is imported meanwhile
        address = stack.enter_context(nodes.head(where, given, lost)) if given.nodes > 1 else None
        asked = configured()
        settings, folder = asked.settings, asked.folder
        if "SUBMITIT_EXECUTOR" not in os.environ:  # a script of the user's own, which `pathsearch jobs` lists too
            config, here, run = settings.model_dump(mode="json"), str(Path.cwd()), str(where.resolve())
            known = records.Record("slurm", config, str(folder.resolve()), here, time.time(), job=given.job, run=run)
            records.submitted(where, known)
        holder = settings.holder
        if holder.address is None and _wants_ray(settings, folder, given):
            address = address or stack.enter_context(nodes.head(where, given, lost))
            holder = holder.model_copy(update={"name": "ray", "address": address})
            settings = settings.model_copy(update={"holder": holder})
            with needed("ray", "holder=ray"):
                from pathsearch.holders.ray import cluster

            stack.callback(cluster.join(holder))
            cluster.await_nodes(given.nodes, nodes.UP, lambda: stop.number is not None)
            if stop.number is not None:
                raise Interrupted(f"stopped by {stop.reason} before it began", stop.number)
        elif given.nodes > 1:
            raise PathsearchError(f"holder {holder.name} of this run leaves {given.nodes} nodes idle: ask for one node")
        return _search(where, stop, replace(asked, settings=settings))


def _wants_ray(settings: "RunSettings", folder: Path, given: Allocation) -> bool:
    """Whether a run needs Ray on its allocation: nodes that were asked for must not be idle."""
    from pathsearch.run import placement

    if settings.holder.name == "auto" and given.nodes > 1:
        return True
    return placement.placed(settings, placement.size(settings, folder), given.gpus).holder == "ray"


def _begun(where: Path, job: str, restart: int, nodes: int, cpus: int, gpus: int) -> records.Attempt:
    """An attempt that begins now. cpus, gpus: of one node."""
    now, pid = time.time(), os.getpid()
    boot, started = identity(pid)
    return records.Attempt(
        job,
        restart,
        socket.gethostname(),
        pid,
        nodes,
        nodes * gpus,
        now,
        now,
        _reached(where),
        cpus=nodes * cpus,
        boot=boot,
        started=started,
    )


def _reached(where: Path) -> int:
    """Steps and measured points that a run has behind it, those of its minima among them."""
    from pathsearch.run.minima import progress
    from pathsearch.storage.glance import glance

    seen = [glance(where), *progress(where).values()]
    return sum(one.moves + one.measured for one in seen if one is not None)


def _another_attempt(where: Path, stopped: Interrupted, given: Allocation) -> PathsearchError:
    """Have SLURM requeue a job whose time is up; returns the error that this attempt ends with."""
    known = job_info(given.job)
    # otherwise it was cancelled, for example, and the signal for that is on its way
    if known.state not in ("RUNNING", "UNKNOWN"):
        return Interrupted(f"{_without_advice(stopped)}; SLURM ends the job ({known.state})", stopped.number)
    # SLURM may announce a preemption by SIGTERM, and requeues no job that ended meanwhile
    if not known.requeue or (stopped.number not in (WARNING, signal.SIGALRM) and not known.preempted):
        return stopped
    now = _reached(where)
    fruitless = sum(attempt.job == given.job and attempt.reached >= now for attempt in records.attempts(where))
    if fruitless >= FRUITLESS:
        return PathsearchError(
            f"{stopped}; in {fruitless} attempts it got no further, and is not requeued: give it more time (--time), "
            "more devices, or checkpoint.steps=1"
        )
    # before it is done: SLURM may end this process at once
    print(f"{_without_advice(stopped)}: asks SLURM to requeue job {given.job}", flush=True)
    try:
        requeue(given.job)
    except PathsearchError as error:
        return error
    return _requeued(stopped)


def _requeued(stopped: Interrupted) -> Requeued:
    return Requeued(f"{_without_advice(stopped)}; the job is requeued and goes on from there", stopped.number)


def _without_advice(stopped: Interrupted) -> str:
    """The message of a stop without the advice to run the command again: the job does that itself."""
    return re.split("[;:] run the same", str(stopped))[0]
