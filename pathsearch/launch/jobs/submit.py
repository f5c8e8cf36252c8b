"""From what a user asks for to jobs: one run, a sweep with its endpoints first, or failed runs again."""

import json
import os
import shlex
from dataclasses import dataclass, replace
from pathlib import Path

from pathsearch.errors import PathsearchError, one_line
from pathsearch.launch import endpoints
from pathsearch.launch.config import validated
from pathsearch.launch.estimate import TFLOPS, Estimate, Operations, estimate, operations
from pathsearch.launch.jobs import records, script, submission, sweeps
from pathsearch.launch.jobs.profiles import Profile
from pathsearch.launch.jobs.records import LOCAL, Record
from pathsearch.launch.jobs.states import ALIVE, Status, statuses
from pathsearch.launch.jobs.submission import Batch
from pathsearch.launch.settings import RunSettings


@dataclass(frozen=True)
class Submission:
    """What was asked for: a configuration, `folder` its files are relative to, and where its runs go."""

    name: str
    settings: RunSettings
    folder: Path
    root: Path
    cluster: str
    profile: Profile


def single(asked: Submission) -> list[Batch]:
    """One run."""
    endpoints.look_for(asked.settings.endpoints, asked.folder)
    return [Batch(asked.name, asked.root / "jobs", {asked.root: asked.settings}, asked.profile)]


def swept(asked: Submission, runs: dict[str, RunSettings]) -> list[Batch]:
    """Runs in folders below the root; first those that train endpoints for them, if any are to be trained."""
    for settings in runs.values():
        endpoints.look_for(settings.endpoints, asked.folder)
    planned = sweeps.plan(runs, str(asked.root.resolve()))
    found = []
    # two vectors have no use for more
    small = asked.profile.model_copy(update={"nodes": 1, "gpus_per_node": min(2, asked.profile.gpus_per_node)})
    parts = (("endpoints", planned.trainings, small), (asked.name, planned.paths, asked.profile))
    for name, part, profile in parts:
        if part:
            below = {asked.root / where: settings for where, settings in part.items()}
            found.append(Batch(name, asked.root / f"jobs-{name}", below, profile))
    return found


def preview(asked: Submission, batches: list[Batch]) -> None:
    """Print the scripts and what the runs will take."""
    after: list[str] = []
    for batch in batches:
        if asked.cluster != LOCAL:
            print(script.text(batch.profile, batch.name, batch.logs.resolve(), len(batch.runs), after))
        after = [f"<job of {batch.name}>"]
    runs = {where: settings for batch in batches for where, settings in batch.runs.items()}
    hours = sum(len(batch.runs) * batch.profile.gpu_hours for batch in batches)
    print(*(f"# run in {where}" for where in runs), sep="\n")
    if asked.cluster == LOCAL:
        print("# one after another, in a process of this machine")
    print(f"# asked for: at most {hours:.3g} GPU-hours a turn")
    print(f"# {_estimated(asked, list(runs.values()))}")


def _estimated(asked: Submission, runs: list[RunSettings]) -> str:
    gpus, tflops = asked.profile.nodes * asked.profile.gpus_per_node, asked.profile.tflops or TFLOPS
    counted: dict[str, Operations | None] = {}
    known: list[Estimate] = []
    for settings in runs:
        network = settings.objective.model_dump_json()
        try:
            if network not in counted:  # once for all runs of a sweep that have the same
                counted[network] = operations(settings, asked.folder)
        except PathsearchError as error:
            return f"no estimate: {one_line(error)}"
        if (found := counted[network]) is not None:
            known.append(estimate(settings, found, max(gpus, 1), tflops))
    if not known:
        return f"no estimate for objective {asked.settings.objective.name}: operations are counted of networks only"
    total, hours = sum(one.operations for one in known), sum(one.gpu_hours for one in known)
    return (
        f"estimated: at most {hours:.2g} GPU-hours ({total:.2g} floating-point operations, {tflops:g}·10¹² a "
        "second and GPU, `tflops` of the profile; on a GPU `pathsearch bench CONFIG` measures it)"
    )


def carry_out(asked: Submission, batches: list[Batch]) -> None:
    """Submit, and say what was submitted, where, and how to watch it."""
    if asked.cluster != LOCAL:
        submission.look_for_slurm()
    _refuse_running([where for batch in batches for where in batch.runs])
    jobs = _handed_over(batches, asked.cluster, asked.folder, Path.cwd())
    for batch, job in jobs:
        print(_submitted(job, list(batch.runs)))
    print(f"watch: pathsearch jobs; pathsearch logs -f {shlex.quote(str(next(iter(batches[-1].runs))))}")


def _handed_over(batches: list[Batch], cluster: str, folder: Path, here: Path) -> list[tuple[Batch, str]]:
    """Submit batches of which each waits for the one before it; returns them with their jobs' ids."""
    if cluster == LOCAL:
        # one after another in one process: this machine has no queue that would keep them apart
        runs = {where: settings for batch in batches for where, settings in batch.runs.items()}
        whole = replace(batches[-1], runs=runs)
        return [(whole, submission.to_this_machine(whole, submission.prepare(whole, cluster, folder, here)))]
    prepared = [submission.prepare(batch, cluster, folder, here) for batch in batches]
    found: list[tuple[Batch, str]] = []
    for batch, kept in zip(batches, prepared):
        ids = submission.to_slurm(batch, kept, [job for _, job in found[-1:]])
        found.append((batch, ids[0].partition("_")[0]))
    return found


def again(failed: list[Status]) -> None:
    """Submit runs again with what they were submitted with, those of a sweep as one array; what waits for another's
    endpoints after that.
    """
    groups: dict[tuple[str, ...], list[Status]] = {}
    for one in sorted(failed, key=lambda one: len(_sources(one))):
        kept = one.record
        if not kept.profile:
            raise PathsearchError(f"{one.run} was not submitted with `pathsearch submit`: run its own script again")
        alike = (LOCAL,) if kept.cluster == LOCAL else (str(_logs(one)), json.dumps(kept.profile))
        groups.setdefault(alike, []).append(one)
    for group in groups.values():
        first = group[0]
        runs = {one.run: validated(one.record.config, str(one.run / "job.json")) for one in group}
        name = first.run.name if len(group) == 1 else _logs(first).name.removeprefix("jobs-")
        batch = Batch(name, _logs(first), runs, Profile.model_validate(first.record.profile))
        prepared: dict[Path, Record] = {}
        for one in group:
            kept, own = one.record, replace(batch, runs={one.run: runs[one.run]})
            prepared |= submission.prepare(own, kept.cluster, Path(kept.folder), Path(kept.here))
        if first.record.cluster == LOCAL:
            job = submission.to_this_machine(batch, prepared)
        else:
            # asked for each group: sources that were just submitted are to be waited for, too
            sources = statuses(list(dict.fromkeys(source for one in group for source in _sources(one))))
            waited = [source.record.job for source in sources if source.state in ALIVE and source.record.job]
            job = submission.to_slurm(batch, prepared, waited)[0].partition("_")[0]
        print(_submitted(job, list(runs)))


def _submitted(job: str, runs: list[Path]) -> str:
    if len(runs) == 1:
        return f"job {job}: run in {runs[0]}"
    return f"job {job}: {len(runs)} runs in {os.path.commonpath(runs)}"


def _logs(one: Status) -> Path:
    """Where script and output of a run's job are: in its own folder, or its sweep's `jobs-NAME`."""
    return Path(one.record.log).parent if one.record.log else one.run / "jobs"


def _sources(one: Status) -> list[Path]:
    """The runs that a run takes endpoints from."""
    points = one.record.config.get("endpoints") or {}
    named = [Path(end["run"]).resolve() for end in points.values() if isinstance(end, dict) and "run" in end]
    return list(dict.fromkeys(named))


def _refuse_running(runs: list[Path]) -> None:
    for one in statuses([where for where in runs if records.record(where) is not None]):
        if one.state in ALIVE:
            raise PathsearchError(
                f"{one.run} has job {one.record.job}, {one.state}: wait, cancel it with `pathsearch cancel {one.run}`, "
                "or name another folder with --out"
            )
