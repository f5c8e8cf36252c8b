"""Submitting runs again that failed, with the same configuration and profile."""

import json
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from socket import gethostname

from pathsearch.errors import PathsearchError, complain
from pathsearch.jobs import records, submission
from pathsearch.jobs.listing import shown
from pathsearch.jobs.profiles import cluster_profile
from pathsearch.jobs.records import LOCAL
from pathsearch.jobs.states import ALIVE, FAILED, Status, statuses
from pathsearch.jobs.submission import Batch
from pathsearch.jobs.submit import awaited, said
from pathsearch.jobs.textfiles import printable
from pathsearch.jobs.undone import as_now
from pathsearch.run.config import validated


@dataclass(frozen=True)
class Group:
    """Runs of one job, and the runs that have to be finished before it begins."""

    runs: list[Status]
    after: list[Path]


def again(known: list[Status], cancelled: bool = True) -> None:
    """Submit the failed ones of some runs: those of a sweep as one array, each run after the runs it needs.

    cancelled: also those that were cancelled. It prints which runs it submits, and which it leaves out and why. Raises
    PathsearchError where no run is left, or one could not be submitted.
    """
    failed = {one.run.resolve(): one for one in known if one.state in FAILED}
    refused = [f"{shown(one.run)}: {one.says}" for one in known if one.state == "UNKNOWN"]
    for run, one in list(failed.items()):
        if fault := _invalid(one):
            refused.append(f"{shown(run)}: {fault}")
            del failed[run]
    needs = {run: records.prerequisites(one.record) for run, one in failed.items()}
    if not cancelled:
        unwanted = _unwanted(failed, needs)
        if unwanted:
            more = f" and {len(unwanted) - 1} more" if len(unwanted) > 1 else ""
            refused.append(f"{shown(unwanted[0])}{more}, CANCELLED: name what is to go again")
        for run in unwanted:
            del failed[run], needs[run]
    others = statuses(sorted({source for own in needs.values() for source in own} - set(failed)))
    groups, unfit = grouped(failed, needs, {one.run: one for one in others})
    refused += unfit
    if not groups:
        none = f"of {len(known)} runs none failed, was cancelled or lost: nothing to submit again"
        raise PathsearchError("; ".join(refused) or none)
    for line in refused:
        complain(PathsearchError(printable(f"left out {line}")))
    if any(group.runs[0].record.cluster != LOCAL for group in groups):
        submission.look_for_slurm()
    for one in (one for group in groups for one in group.runs):
        why = f": {printable(one.says)}" if one.says else ""
        print(f"again {printable(shown(one.run))}, {one.state}{why}", file=sys.stderr, flush=True)
    lacking = 0
    for group in groups:
        try:
            print(said(_submitted(group), [one.run for one in group.runs]), flush=True)
        except PathsearchError as error:  # the other groups may be taken
            complain(error)
            lacking += len(group.runs)
    if lacking:
        raise PathsearchError(f"{lacking} of {sum(len(group.runs) for group in groups)} runs were not submitted")


def _unwanted(failed: dict[Path, Status], needs: dict[Path, list[Path]]) -> list[Path]:
    """The cancelled runs, but not those that SLURM cancelled since a run they needed had failed, which goes again."""
    return [
        run
        for run, one in failed.items()
        if one.state == "CANCELLED"
        and (one.cancelled or not any(source in failed and not failed[source].cancelled for source in needs[run]))
    ]


def _invalid(one: Status) -> str:
    """Why a record cannot be submitted again as it is; "" where it can."""
    if not one.record.profile:
        return ""  # a script of the user's own submitted it
    try:
        validated(one.record.config, str(one.run / "job.json"))
        cluster_profile(one.record.profile, {}, f"profile in {one.run / 'job.json'}")
    except PathsearchError as error:
        return str(error)
    return ""


def grouped(
    failed: dict[Path, Status], needs: dict[Path, list[Path]], others: dict[Path, Status]
) -> tuple[list[Group], list[str]]:
    """The jobs to submit, in this order, and a line for each run that is left out.

    needs: `records.prerequisites` of each run. others: the status of those prerequisites that did not fail. Runs share
    a job where their script, output and profile were the same and they wait for the same runs.
    """
    groups: dict[tuple[object, ...], Group] = {}
    kept: dict[Path, tuple[object, ...]] = {}
    refused = []
    for depth, run in _in_order(needs):
        one, after = failed[run], []
        shared: tuple[object, ...] = (one.record.cluster == LOCAL, _logs(one), json.dumps(one.record.profile))
        why = _unfit(one)
        for source in needs[run]:
            other = failed.get(source) or others.get(source)
            if other is None or other.state == "COMPLETED":
                continue
            if source not in kept and other.state not in ALIVE:
                why = f"it needs {shown(source)}, which is {other.state} and not submitted again"
            elif LOCAL not in (one.record.cluster, other.record.cluster):
                after.append(source)
            elif kept.get(source) != shared:  # otherwise one process carries both out in order
                why = f"it needs {shown(source)}: submit it again when that has ended"
        if why:
            refused.append(f"{shown(one.run)}: {why}")
            continue
        kept[run] = shared
        groups.setdefault(shared if shared[0] else (*shared, depth, *after), Group([], after)).runs.append(one)
    return list(groups.values()), refused


def _in_order(needs: dict[Path, list[Path]]) -> Iterator[tuple[int, Path]]:
    """The runs, each after those it needs, with the number of runs in its longest chain of needs."""
    waiting, depth = dict(needs), 0
    while waiting:
        ready = [run for run, sources in waiting.items() if waiting.keys().isdisjoint(sources)]
        for run in ready or list(waiting):  # a circle of needs, which `grouped` leaves out
            yield depth, run
            del waiting[run]
        depth += 1


def _submitted(group: Group) -> str:
    """Submit a group and return its job. Records change only after the cluster has taken it."""
    first, now = group.runs[0], time.time()
    configs = {one.run: validated(one.record.config, str(one.run / "job.json")) for one in group.runs}
    asked = cluster_profile(first.record.profile, {}, str(first.run / "job.json"))
    batch = Batch(first.record.name or first.run.name, _logs(first), configs, asked, awaited(group.after))
    anew = {"submitted": now, "job": None, "log": None, "host": gethostname(), "boot": "", "started": 0.0}
    fresh = {one.run: replace(one.record, run=str(one.run.resolve()), **anew) for one in group.runs}  # type: ignore[arg-type]
    undo = as_now(fresh, batch.logs)
    try:
        submission.private(batch.logs)
        if first.record.cluster == LOCAL:
            for run, kept in fresh.items():  # before the process reads them
                records.submitted(run, kept)
            return submission.to_this_machine(batch, fresh)
        return submission.to_slurm(batch, fresh)[0].partition("_")[0]
    except PathsearchError:
        undo()
        raise
    except OSError as error:
        raise PathsearchError(f"{shown(first.run)}: {error.filename} cannot be used: {error.strerror}") from error


def _unfit(one: Status) -> str:
    if not one.record.profile:
        return "it was not submitted with `pathsearch submit`: run its own script again"
    if not Path(one.record.here).is_dir():
        return f"{one.record.here}, where it was submitted, is gone: submit it anew"
    return ""


def _logs(one: Status) -> Path:
    """The folder of the script and output of a run's job; a sweep may have been moved since."""
    return Path(os.path.normpath(one.run.resolve() / one.record.logs))
