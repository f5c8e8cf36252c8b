"""Runs carried out as arrays of SLURM's jobs, waited for: the rounds of an exploration.

Nothing is lost where the waiting process ends: the jobs go on, and the same command finds them.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from pathsearch.errors import Interrupted, PathsearchError
from pathsearch.jobs import records, submission, submit
from pathsearch.jobs.records import LOCAL
from pathsearch.jobs.states import ALIVE, statuses
from pathsearch.jobs.submit import Submission
from pathsearch.methods import Train
from pathsearch.run.session import Watcher
from pathsearch.run.settings import Asked
from pathsearch.run.stop import Stop

LOOK = 5.0  # seconds between two looks at the queue
UNSURE = ALIVE | {"UNKNOWN"}  # SLURM may be too busy to answer


def by_jobs(
    asked: Submission, watcher: Watcher, stop: Stop, look: float = LOOK
) -> Callable[[Mapping[Path, Asked]], Iterator[tuple[Path, str]]]:
    """What carries out minima, or runs below `asked.root`, as jobs: a `landscape.explore.Carry`.

    Raises PathsearchError where there is no SLURM. What it returns raises Interrupted where `stop` is due.
    """
    if asked.cluster == LOCAL:
        raise PathsearchError("--cluster local: this machine explores without it, on all its devices with holder=ray")
    submission.look_for_slurm()

    def carry_out(runs: Mapping[Path, Asked]) -> Iterator[tuple[Path, str]]:
        known = {one.run: one.state for one in statuses([run for run in runs if records.record(run) is not None])}
        new = {run: each for run, each in runs.items() if known.get(run) not in UNSURE}
        if len(new) < len(runs):
            watcher.log(f"waits for jobs of before: {', '.join(run.name for run in runs if run not in new)}")
        if new:
            taken: list[tuple[submission.Batch, str]] = []
            try:
                submit.hand_over(asked, _batches(asked, new), taken)
            finally:
                for batch, job in taken:
                    watcher.log(submit.said(job, list(batch.runs)))
        watcher.phase("jobs", len(runs))
        before: dict[Path, str] = {}
        left = list(runs)
        while left:
            _wait(look, stop)
            for one in statuses(left):
                # between two attempts of a job a state may look like its end: what is said twice counts
                if one.state not in UNSURE and before.get(one.run) == one.state:
                    left.remove(one.run)
                    watcher.tick(1)
                    yield one.run, "" if one.state == "COMPLETED" else f"{one.state}: {one.says or 'see its log'}"
                before[one.run] = one.state

    return carry_out


def _batches(asked: Submission, runs: Mapping[Path, Asked]) -> list[submission.Batch]:
    training = {run: each.settings for run, each in runs.items() if isinstance(each.settings.method, Train)}
    if training:
        return [submit.trained(asked, training)]
    return submit.swept(asked, {str(run.relative_to(asked.root)): each.settings for run, each in runs.items()})


def _wait(seconds: float, stop: Stop) -> None:
    """Sleep; raise Interrupted where the command is to end."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if stop.due(1.0) and stop.number is not None:
            raise Interrupted(
                f"stopped by {stop.reason}; the jobs go on: run the same command again (`pathsearch jobs` lists them, "
                "`pathsearch cancel` ends them)",
                stop.number,
            )
        time.sleep(min(0.2, seconds))
