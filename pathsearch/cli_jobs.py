"""The commands on jobs: `pathsearch submit | jobs | cancel | logs | resubmit`."""

import json
import sys
from pathlib import Path
from typing import Annotated, Optional

import typer

from pathsearch.errors import PathsearchError, complain, needed
from pathsearch.files import expanded
from pathsearch.launch.jobs import listing

DEFAULT = "digits"

Arguments = Annotated[
    Optional[list[str]],
    typer.Argument(metavar="[CONFIG] [KEY=VALUE]...", help="A YAML file or a built-in name, then overrides."),
]
Out = Annotated[
    Optional[Path],
    typer.Option(metavar="FOLDER", parser=expanded, help="Folder of the run; default: runs/<name of CONFIG>."),
]
Cluster = Annotated[
    Optional[str], typer.Option(help="A profile: FILE.yaml, or NAME of slurm/NAME.yaml; `local`: this machine.")
]
Runs = Annotated[
    Optional[list[Path]],
    typer.Argument(metavar="[RUN]...", parser=expanded, help="Folders; one that holds runs stands for them."),
]


def add_to(app: typer.Typer) -> None:
    """Add these commands to the program's."""
    for command in (submit, jobs, cancel, logs, resubmit):
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
    nodes: Annotated[Optional[int], typer.Option(min=1, help="Of the cluster, to run on.")] = None,
    gpus_per_node: Annotated[Optional[int], typer.Option(min=0)] = None,
    cpus_per_node: Annotated[Optional[int], typer.Option(min=1)] = None,
    mem: Annotated[Optional[str], typer.Option(help="Memory a node, as 64GB.")] = None,
    time: Annotated[Optional[str], typer.Option(help="Minutes, H:M:S or D-H; a run goes on in a next turn.")] = None,
    partition: Annotated[Optional[str], typer.Option()] = None,
    account: Annotated[Optional[str], typer.Option()] = None,
    qos: Annotated[Optional[str], typer.Option()] = None,
    parallel: Annotated[Optional[int], typer.Option(min=1, help="Runs of a sweep at the same time, at most.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print script and GPU-hours, submit nothing.")] = False,
) -> None:
    """Run on a cluster: as a job of SLURM, or as a process of this machine (--cluster local)."""
    from pathsearch.launch import config
    from pathsearch.launch.jobs import profiles

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
    settings, folder = config.load(name, overrides)
    # here, not above: torch and Submitit take seconds, which the other commands and a slip of the pen do without
    with needed("submitit", "submitting a run"):
        from pathsearch.launch.jobs import submit

    asked = submit.Submission(Path(name).stem, settings, folder, root, cluster or "slurm", profile)
    if sweep:
        from pathsearch.launch.jobs import sweeps

        runs = {below: config.load(name, overrides + more)[0] for below, more in sweeps.combinations(sweep).items()}
        sweeps.refuse_equal(runs)
        batches = submit.swept(asked, runs)
    else:
        batches = submit.single(asked)
    if dry_run:
        submit.preview(asked, batches)
        return
    submit.carry_out(asked, batches)


def jobs(
    runs: Runs = None,
    as_json: Annotated[bool, typer.Option("--json", help="Every figure, as JSON.")] = False,
) -> None:
    """How the runs you submitted stand: state, step, loss, barrier so far, GPU-hours."""
    found = listing.wanted(runs)
    if as_json:
        print(json.dumps([listing.figures(one) for one in found], indent=2))
    elif found:
        listing.show(found)
    else:
        print("no runs were submitted yet: pathsearch submit CONFIG")


def cancel(
    runs: Annotated[
        list[Path], typer.Argument(metavar="RUN...", parser=expanded, help="Folders of runs, or of sweeps.")
    ],
) -> None:
    """End the jobs of runs; what they have found is kept."""
    refused = 0
    for one in listing.wanted(runs):
        try:
            print(listing.cancel(one))
        except PathsearchError as error:  # the others are to end all the same
            complain(error)
            refused = error.status
    sys.exit(refused)


def logs(
    run: Annotated[Path, typer.Argument(metavar="RUN", parser=expanded, help="A run's folder.")],
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on until the job has ended.")] = False,
) -> None:
    """What a run's job has printed."""
    try:
        listing.print_log(run, follow)
    except KeyboardInterrupt:
        sys.exit(130)


def resubmit(
    runs: Runs = None,
    failed: Annotated[bool, typer.Option("--failed", help="All that failed, were cancelled or lost.")] = False,
) -> None:
    """Submit runs again as they were; they go on from their last checkpoint."""
    if not runs and not failed:
        raise PathsearchError("name runs to submit again, or --failed for all that failed")
    with needed("submitit", "submitting a run"):
        from pathsearch.launch.jobs import resubmit

    resubmit.again(listing.wanted(runs))
