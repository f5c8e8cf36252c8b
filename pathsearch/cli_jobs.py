"""The commands on jobs: `pathsearch submit | jobs | cancel | logs | resubmit | forget`."""

import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Optional, TypeVar

import typer

from pathsearch.errors import PathsearchError, complain, needed
from pathsearch.files import expanded
from pathsearch.jobs import listing
from pathsearch.jobs.logs import print_log

DEFAULT = "digits"
One = TypeVar("One")

Arguments = Annotated[
    Optional[list[str]],
    typer.Argument(metavar="[CONFIG] [KEY=VALUE]...", help="A YAML file or a built-in name, then overrides."),
]
Out = Annotated[
    Optional[Path],
    typer.Option(metavar="FOLDER", parser=expanded, help="Folder of the run; default: runs/<name of CONFIG>."),
]
Minima = Annotated[
    Optional[Path],
    typer.Option(metavar="FOLDER", parser=expanded, help="Where minima are kept; default: `minima` beside the run."),
]
Cluster = Annotated[
    Optional[str], typer.Option(help="A profile: FILE.yaml, or NAME of slurm/NAME.yaml; `local`: this machine.")
]
Runs = Annotated[
    Optional[list[Path]],
    typer.Argument(
        metavar="[RUN]...", parser=expanded, help="Folders of runs; a folder that holds runs stands for all of them."
    ),
]


def add_to(app: typer.Typer) -> None:
    """Add these commands to the program's."""
    for command in (submit, jobs, cancel, logs, resubmit, forget):
        app.command()(command)


def named(arguments: list[str] | None) -> tuple[str, list[str]]:
    """The configuration's name, and the overrides."""
    given = list(arguments or [])
    return (given.pop(0) if given and "=" not in given[0] else DEFAULT), given


def folder_of(name: str, out: Path | None) -> Path:
    """Where a run of a configuration goes."""
    return out or Path("runs") / Path(name).stem


def submit(
    arguments: Arguments = None,
    out: Out = None,
    cluster: Cluster = None,
    sweep: Annotated[
        Optional[list[str]], typer.Option(help="KEY=0:8 or KEY=A,B: a run for every combination, in folders below.")
    ] = None,
    nodes: Annotated[Optional[int], typer.Option(min=1, help="Nodes of the cluster to run on.")] = None,
    gpus_per_node: Annotated[Optional[int], typer.Option(min=0, help="GPUs of each node.")] = None,
    cpus_per_node: Annotated[Optional[int], typer.Option(min=1, help="Cores of each node.")] = None,
    mem: Annotated[Optional[str], typer.Option(help="Memory of a node, as 64GB.")] = None,
    time: Annotated[
        Optional[str], typer.Option(help="Minutes, H:M:S or D-H; a longer run goes on in another attempt.")
    ] = None,
    partition: Annotated[Optional[str], typer.Option(help="The queue, as sinfo lists them.")] = None,
    account: Annotated[Optional[str], typer.Option(help="Who is charged.")] = None,
    qos: Annotated[Optional[str], typer.Option(help="Quality of service, as the cluster names it.")] = None,
    parallel: Annotated[
        Optional[int], typer.Option(min=1, help="How many runs of a sweep run at the same time.")
    ] = None,
    minima: Minima = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print script and GPU-hours, submit nothing.")] = False,
) -> None:
    """Run on a cluster: as a job of SLURM, or as a process of this machine (--cluster local)."""
    from pathsearch.jobs import profiles
    from pathsearch.run import config

    options = {
        "nodes": nodes,
        "gpus_per_node": gpus_per_node,
        "cpus_per_node": cpus_per_node,
        "mem": mem,
        "time": time,
        "partition": partition,
        "account": account,
        "qos": qos,
        "parallel": parallel,
    }
    profile = profiles.load(cluster, options)
    name, overrides = named(arguments)
    root = folder_of(name, out)
    if sweep:
        from pathsearch.jobs import sweeps

        several = sweeps.combinations(sweep)
    first = next(iter(several.values())) if sweep else []  # without it something that is needed may be missing
    settings, folder = config.load(name, overrides + first)
    # imported here, since torch and Submitit take seconds: other commands and a mistyped option do not need them
    with needed("submitit", "submitting a run"):
        from pathsearch.jobs import submit

    asked = submit.Submission(Path(name).stem, settings, folder, root, cluster or "slurm", profile, minima)
    runs = None
    if sweep:
        runs = {below: config.load(name, overrides + more)[0] for below, more in several.items()}
        sweeps.refuse_equal(runs)
    batches, done = submit.planned(asked, runs)
    if done:
        print(f"# {done}" if dry_run else done)
    if batches:
        (submit.preview if dry_run else submit.carry_out)(asked, batches)


def jobs(
    runs: Runs = None,
    as_json: Annotated[bool, typer.Option("--json", help="All that is known, as JSON.")] = False,
) -> None:
    """List the runs you submitted: state, step, loss, barrier so far, time, GPU-hours or core-hours."""
    found = listing.wanted(runs)
    if as_json:
        print(json.dumps([listing.facts(one) for one in found], indent=2))
    elif found:
        listing.show(found)
    else:
        print("no runs were submitted yet: pathsearch submit CONFIG")


def cancel(
    runs: Annotated[
        list[Path], typer.Argument(metavar="RUN...", parser=expanded, help="Folders of runs, or of sweeps.")
    ],
) -> None:
    """End runs; what they have found is kept, and other runs of their job go on."""
    _each(listing.wanted(runs), lambda one: [listing.cancel(one)])


def logs(
    run: Annotated[Path, typer.Argument(metavar="RUN", parser=expanded, help="A run's folder.")],
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on until the job has ended.")] = False,
) -> None:
    """Show what a run's job has printed."""
    try:
        print_log(run, follow)
    except KeyboardInterrupt:
        sys.exit(130)


def resubmit(
    runs: Runs = None,
    failed: Annotated[
        bool,
        typer.Option("--failed", help="All runs below this folder that failed or were lost, but not cancelled ones."),
    ] = False,
    everywhere: Annotated[bool, typer.Option("--all", help="With --failed: also the runs in other folders.")] = False,
) -> None:
    """Submit runs again as they were; they go on from their last checkpoint."""
    if everywhere and (runs or not failed):
        raise PathsearchError(
            "--all goes with --failed and without names of runs: it stands for all runs that failed, wherever they are"
        )
    if not runs and not failed:
        raise PathsearchError("name runs to submit again, or --failed for all below this folder that failed")
    with needed("submitit", "submitting a run"):
        from pathsearch.jobs import resubmit

    known = listing.wanted(runs)
    if not runs and not everywhere:
        here = Path.cwd().resolve()
        below = [one for one in known if here in one.run.resolve().parents or one.run.resolve() == here]
        if known and not below:
            raise PathsearchError(
                f"none of your {len(known)} runs is below {here}: add --all for those in other folders"
            )
        known = below
    resubmit.again(known, cancelled=not failed)


def forget(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Folders of runs, or of sweeps.")],
) -> None:
    """Leave runs out of the table of jobs; their folders stay as they are."""
    _each(runs, listing.forget)


def _each(of: Iterable[One], act: Callable[[One], list[str]]) -> None:
    """Act on each one and print what was done; a refusal of one does not keep the others from it."""
    refused = 0
    for one in of:
        try:
            print(*act(one), sep="\n")
        except PathsearchError as error:
            complain(error)
            refused = error.status
    sys.exit(refused)
