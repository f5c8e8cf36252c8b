"""From what a user asks for to jobs: one run, or a sweep with its minima first."""

import os
import shlex
from dataclasses import dataclass, replace
from pathlib import Path

from pathsearch.errors import PathsearchError, one_line
from pathsearch.jobs import records, script, submission
from pathsearch.jobs.listing import shown
from pathsearch.jobs.profiles import ClusterProfile
from pathsearch.jobs.records import LOCAL
from pathsearch.jobs.states import ALIVE, Status, statuses
from pathsearch.jobs.submission import Batch
from pathsearch.jobs.undone import as_now
from pathsearch.run import endpoints, minima
from pathsearch.run.past import finished
from pathsearch.run.settings import RunSettings


@dataclass(frozen=True)
class Submission:
    """What was asked for: a configuration, `folder` its files are relative to, where its runs go, and the `store` of
    minima, None for the one beside them.
    """

    name: str
    settings: RunSettings
    folder: Path
    root: Path
    cluster: str
    profile: ClusterProfile
    store: Path | None = None


def planned(asked: Submission, sweep: dict[str, RunSettings] | None = None) -> tuple[list[Batch], str]:
    """The jobs that one run takes, or those of a sweep by their folders below the root; and what is said of the runs
    that are finished, which are left out, "" where none is.
    """
    runs = {asked.root: asked.settings} if sweep is None else {asked.root / name: one for name, one in sweep.items()}
    done = {where for where, settings in runs.items() if finished(where, settings, asked.folder)}
    if sweep is None:
        batches = [] if done else single(asked)
    else:
        left = {name: one for name, one in sweep.items() if asked.root / name not in done}
        batches = swept(asked, left) if left else []
    if not done:
        return batches, ""
    many = "is" if sweep is None else "are"
    which = shown(asked.root) if sweep is None else f"{len(done)} of {len(runs)} runs in {shown(asked.root)}"
    rest = "only the others are submitted" if batches else "nothing to submit"
    return batches, f"{which} {many} finished: {rest}"


def single(asked: Submission) -> list[Batch]:
    """One run."""
    endpoints.look_for(asked.settings.endpoints, asked.folder)
    after = _awaited(asked, [asked.settings])
    return [
        Batch(asked.name, asked.root / "jobs", {asked.root: asked.settings}, asked.profile, after, store=asked.store)
    ]


def swept(asked: Submission, runs: dict[str, RunSettings]) -> list[Batch]:
    """Runs in folders below the root; first the minima that they need and that are not there yet."""
    for settings in runs.values():
        endpoints.look_for(settings.endpoints, asked.folder)
    store = asked.store or minima.beside(asked.root)
    paths = {asked.root / name: settings for name, settings in runs.items()}
    needed = {
        where: list(minima.needed(settings, asked.folder, store).values())
        for where, settings in paths.items()
        if not (where / "path.h5").exists()  # which holds the weights of its minima
    }
    shared = {each.folder: each for own in needed.values() for each in own}
    wanted = {where: each for where, each in shared.items() if not minima.kept(each, asked.folder)}
    submitted = [where for where in wanted if records.record(where) is not None]
    under_way = {one.run: one for one in statuses(submitted) if one.state in ALIVE}
    training = {where: each.settings for where, each in wanted.items() if where not in under_way}
    found = []
    if training:
        found.append(trained(asked, training))
    after = (*_awaited(asked, list(runs.values())), *_jobs(list(under_way.values())))
    needs = {where: [each.folder for each in own if each.folder in wanted] for where, own in needed.items()}
    found.append(Batch(asked.name, asked.root / f"jobs-{asked.name}", paths, asked.profile, after, needs, store))
    return found


def trained(asked: Submission, training: dict[Path, RunSettings]) -> Batch:
    """Minima, in their folders of the store."""
    # a vector has no use for more; a store may be a group's, scripts and output are their owner's alone
    small = asked.profile.model_copy(update={"nodes": 1, "gpus_per_node": min(1, asked.profile.gpus_per_node)})
    store = asked.store or minima.beside(asked.root)
    return Batch("minima", store / f"jobs-{os.getuid()}", training, small)


def preview(asked: Submission, batches: list[Batch]) -> None:
    """Print the scripts and what the runs will take."""
    after: list[str] = []
    for batch in batches:
        if asked.cluster != LOCAL:
            waits = [*batch.after, *after]
            print(script.text(batch.profile, batch.name, batch.logs.resolve(), len(batch.runs), waits))
        after = [f"<job of {batch.name}>"]
    runs = [where for batch in batches for where in batch.runs]
    hours = sum(len(batch.runs) * batch.profile.gpu_hours for batch in batches)
    print(*(f"# run in {where}" for where in runs), sep="\n")
    if asked.cluster == LOCAL:
        print("# one after another, in a process of this machine")
    print(f"# asked for: at most {hours:.3g} GPU-hours an attempt")
    print(f"# {_estimated(asked, batches)}")


def _estimated(asked: Submission, batches: list[Batch]) -> str:
    from pathsearch.cost.estimate import TFLOPS, Estimate, Operations, estimate, operations  # slow to import

    gpus, tflops = asked.profile.nodes * asked.profile.gpus_per_node, asked.profile.tflops or TFLOPS
    counted: dict[str, Operations | None] = {}
    known: list[Estimate] = []
    # minima that other runs of this submission train are counted there
    runs = [(settings, where not in batch.needs) for batch in batches for where, settings in batch.runs.items()]
    for settings, trains in runs:
        network = settings.objective.model_dump_json()
        try:
            if network not in counted:  # once for all runs of a sweep that have the same
                counted[network] = operations(settings, asked.folder)
        except PathsearchError as error:
            return f"no estimate: {one_line(error)}"
        if (found := counted[network]) is not None:
            known.append(estimate(settings, found, max(gpus, 1), tflops, trains))
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
    taken: list[tuple[Batch, str]] = []
    try:
        hand_over(asked, batches, taken)
    finally:
        for batch, job in taken:
            print(said(job, list(batch.runs)), flush=True)
    print(f"watch: pathsearch jobs; pathsearch logs -f {shlex.quote(str(next(iter(batches[-1].runs))))}")


def hand_over(asked: Submission, batches: list[Batch], taken: list[tuple[Batch, str]]) -> None:
    """Submit batches of which each waits for the one before it; `taken` gets each with its job's id.

    Raises PathsearchError where one is refused: what was written for it and for those after it is taken back.
    """
    cluster, folder, here = asked.cluster, asked.folder, Path.cwd()
    if cluster == LOCAL:
        # one after another in one process: this machine has no queue that would keep them apart
        batches = [replace(batches[-1], runs={where: one for batch in batches for where, one in batch.runs.items()})]
    undo = [as_now(batch.runs, batch.logs) for batch in batches]
    try:
        for batch, kept in [(batch, submission.prepare(batch, cluster, folder, here)) for batch in batches]:
            if cluster == LOCAL:
                job = submission.to_this_machine(batch, kept)
            else:
                after = (*batch.after, *(job for _, job in taken[-1:]))
                job = submission.to_slurm(replace(batch, after=after), kept)[0].partition("_")[0]
            taken.append((batch, job))
    except PathsearchError:
        for each in undo[len(taken) :]:
            each()
        raise


def said(job: str, runs: list[Path]) -> str:
    """What was submitted, and where it goes."""
    where = shown(Path(os.path.commonpath([run.resolve() for run in runs])))
    return f"job {job}: {'run' if len(runs) == 1 else f'{len(runs)} runs'} in {where}"


def awaited(sources: list[Path]) -> tuple[str, ...]:
    """The jobs of SLURM that carry out runs now, or are to."""
    return _jobs(statuses(sources))


def _jobs(known: list[Status]) -> tuple[str, ...]:
    """The jobs of SLURM among runs' that are under way or are to be."""
    jobs = [one.record.job for one in known if one.state in ALIVE and one.record.cluster != LOCAL]
    return tuple(job for job in jobs if job)


def _awaited(asked: Submission, runs: list[RunSettings]) -> tuple[str, ...]:
    """The jobs under way that find endpoints these runs name."""
    configs = (settings.model_dump(mode="json") for settings in runs)
    sources = (source for config in configs for source in records.sources(config, asked.folder, Path.cwd()))
    return awaited(list(dict.fromkeys(sources)))


def _refuse_running(runs: list[Path]) -> None:
    for one in statuses([where for where in runs if records.record(where) is not None]):
        if one.state in ALIVE:
            raise PathsearchError(
                f"{one.run} has job {one.record.job}, {one.state}: wait, cancel it with `pathsearch cancel {one.run}`, "
                "or name another folder with --out"
            )
