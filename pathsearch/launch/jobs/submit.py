"""From what a user asks for to jobs: one run, a sweep with its endpoints first, or failed runs again."""

from dataclasses import dataclass
from pathlib import Path

from pathsearch.errors import PathsearchError, one_line
from pathsearch.launch.config import validated
from pathsearch.launch.estimate import TFLOPS, Estimate, Operations, estimate, operations
from pathsearch.launch.jobs import records, script, submission, sweeps
from pathsearch.launch.jobs.profiles import LOCAL, Profile
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
    return [Batch(asked.name, asked.root / "jobs", {asked.root: asked.settings})]


def swept(asked: Submission, runs: dict[str, RunSettings]) -> list[Batch]:
    """Runs in folders below the root; first those that train endpoints for them, if any are to be trained."""
    planned = sweeps.plan(runs, str(asked.root.resolve()))
    found = []
    for name, part in (("endpoints", planned.trainings), (asked.name, planned.paths)):
        if part:
            below = {asked.root / where: settings for where, settings in part.items()}
            found.append(Batch(name, asked.root / f"jobs-{name}", below))
    return found


def preview(asked: Submission, batches: list[Batch]) -> None:
    """Print the scripts and what the runs will take."""
    after: list[str] = []
    for batch in batches:
        if asked.cluster != LOCAL:
            print(script.text(asked.profile, batch.name, batch.logs.resolve(), len(batch.runs), after))
        after = [f"<job of {batch.name}>"]
    runs = {where: settings for batch in batches for where, settings in batch.runs.items()}
    print(f"# {len(runs)} runs, asked for: at most {len(runs) * asked.profile.gpu_hours:.3g} GPU-hours")
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
    prepared = [submission.prepare(batch, asked.cluster, asked.profile, asked.folder, Path.cwd()) for batch in batches]
    if asked.cluster == LOCAL:
        # one after another in one process: this machine has no queue that would keep them apart
        runs = {where: settings for batch in batches for where, settings in batch.runs.items()}
        kept = {where: record for part in prepared for where, record in part.items()}
        job = submission.to_this_machine(Batch(asked.name, batches[0].logs, runs), kept, asked.profile)
        _say(job, list(runs), asked.root)
    else:
        after: list[str] = []
        for batch, kept in zip(batches, prepared):
            jobs = submission.to_slurm(batch, kept, asked.profile, after)
            after = [jobs[0].partition("_")[0]]
            _say(after[0], list(batch.runs), asked.root)
    print(f"watch: pathsearch jobs; pathsearch logs -f {next(iter(batches[-1].runs))}")


def again(failed: list[Status]) -> None:
    """Submit runs again, each as its own job, with what they were submitted with; those that wait for another's
    endpoints after that one.
    """
    for one in failed:
        if not one.record.profile:
            raise PathsearchError(f"{one.run} was not submitted with `pathsearch submit`: run its own script again")
    jobs: dict[Path, str] = {}
    needed = {one.run.resolve(): _needed(one, failed) for one in failed}
    for one in sorted(failed, key=lambda one: len(needed[one.run.resolve()])):
        kept, where = one.record, one.run.resolve()
        profile = Profile.model_validate(kept.profile)
        batch = Batch(where.name, where / "jobs", {one.run: validated(kept.config, str(one.run / "job.json"))})
        prepared = submission.prepare(batch, kept.cluster, profile, Path(kept.folder), Path(kept.here))
        if kept.cluster == LOCAL:
            jobs[where] = submission.to_this_machine(batch, prepared, profile)
        else:
            (jobs[where],) = submission.to_slurm(batch, prepared, profile, [jobs[run] for run in needed[where]])
        print(f"job {jobs[where]}: run in {one.run}")


def _needed(one: Status, others: list[Status]) -> list[Path]:
    """Which of the other runs make endpoints for this one."""
    points = one.record.config.get("endpoints") or {}
    named = {str(end["run"]) for end in points.values() if isinstance(end, dict) and "run" in end}
    return [other.run.resolve() for other in others if str(other.run.resolve()) in named]


def _refuse_running(runs: list[Path]) -> None:
    for one in statuses([where for where in runs if records.record(where) is not None]):
        if one.state in ALIVE:
            raise PathsearchError(
                f"{one.run} has job {one.record.job}, {one.state}: wait, cancel it with `pathsearch cancel {one.run}`, "
                "or name another folder with --out"
            )


def _say(job: str, runs: list[Path], root: Path) -> None:
    print(f"job {job}: run in {runs[0]}" if len(runs) == 1 else f"job {job}: {len(runs)} runs in {root}")
