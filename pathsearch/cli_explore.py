"""The command `pathsearch explore`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from pathsearch import cli_jobs
from pathsearch.errors import PathsearchError, complain, needed, one_line
from pathsearch.settings import one_of

if TYPE_CHECKING:
    from pathsearch.landscape.choice import Choice
    from pathsearch.landscape.joins import Point
    from pathsearch.run.settings import RunSettings


def explore(
    arguments: cli_jobs.Arguments = None,
    minima: Annotated[
        str, typer.Option(help="How many are trained, as the start is, from seeds 0, 1, …; or a list of endpoints.")
    ] = "6",
    pairs: Annotated[
        str,
        typer.Option(
            help="tree: those that can lower the highest saddles; star: of the best one; all; or a YAML file."
        ),
    ] = "tree",
    budget: Annotated[Optional[int], typer.Option(min=1, help="Paths after which it stops.")] = None,
    hours: Annotated[
        Optional[float], typer.Option(min=0, help="Device-hours of its paths after which no further round begins.")
    ] = None,
    align_once: Annotated[
        bool,
        typer.Option(
            "--align-once",
            help="With endpoints.align: all are aligned with the best one, not each pair.",
        ),
    ] = False,
    out: Annotated[
        Optional[Path],
        typer.Option(metavar="FOLDER", parser=cli_jobs.expanded, help="Default: runs/<name of CONFIG>-landscape."),
    ] = None,
    cluster: Annotated[
        Optional[str],
        typer.Option(help="Each round an array of SLURM: a profile, FILE.yaml, or NAME of slurm/NAME.yaml."),
    ] = None,
    store: Annotated[
        Optional[Path],
        typer.Option(
            "--store", metavar="FOLDER", parser=cli_jobs.expanded, help="Where minima are kept; default: runs/minima."
        ),
    ] = None,
) -> None:
    """Join many minima, and draw the tree of the lowest ways between them. Started again, it continues."""
    from pathsearch.run import config
    from pathsearch.run.stop import signals

    name, overrides = cli_jobs.named(arguments)
    settings, config_folder = config.load(name, overrides)
    folder = out or Path("runs") / f"{Path(name).stem}-landscape"
    points = _points(settings, minima)
    if align_once:
        _refuse_once(settings, pairs)
    choose = _choice(pairs, points)

    from pathsearch.landscape.explore import explore as joined
    from pathsearch.landscape.joins import PATHS, Joins
    from pathsearch.progress import display

    store = store or Path("runs") / "minima"
    with signals() as stop, display(folder / "explore.log") as watcher:
        carry = None
        if cluster is not None:
            from pathsearch.jobs import profiles

            profile = profiles.load(cluster, {})
            with needed("submitit", "exploring by jobs"):
                from pathsearch.jobs import rounds, submit

            asked = submit.Submission(Path(name).stem, settings, config_folder, folder / PATHS, cluster, profile, store)
            carry = rounds.by_jobs(asked, watcher, stop)
        joins = Joins(settings, config_folder, points, folder)
        landscape, failed = joined(joins, choose, watcher, stop, store, budget, hours, align_once, carry)

    from pathsearch import report_landscape
    from pathsearch.run.finish import console, put

    screen = console()
    screen.print(report_landscape.headline(landscape), soft_wrap=True)
    if landscape.paths:
        put(report_landscape.table(landscape), screen)

        from pathsearch.plots.landscape import save

        picture = landscape.file.with_suffix(".png")
        save(landscape, picture)
        print(f"kept in {landscape.file}, drawn in {picture}")
    sys.stdout.flush()
    for line in failed:
        complain(PathsearchError(f"failed: {line}"))
    if failed:
        missing = "1 path was" if len(failed) == 1 else f"{len(failed)} paths were"
        raise PathsearchError(f"{missing} not found; run the same command again to try again")


def _points(settings: "RunSettings", minima: str) -> "list[Point]":
    """The minima that are to be joined."""
    import yaml

    from pathsearch.landscape.joins import Point, trained
    from pathsearch.run.settings import Trained

    try:
        asked: Any = yaml.safe_load(minima)
    except yaml.YAMLError as error:
        raise PathsearchError(f"--minima {minima}: {one_line(error)}") from error
    if isinstance(asked, list) and len(asked) > 1:
        return [Point(f"point{n}", end) for n, end in enumerate(asked)]
    if not isinstance(asked, int) or isinstance(asked, bool) or asked < 2:
        raise PathsearchError(f"--minima {minima}: say how many, at least 2, or a list of at least 2 endpoints")
    start = settings.endpoints.start if settings.endpoints else None
    if not isinstance(start, Trained):
        raise PathsearchError(
            "this configuration trains none of its endpoints: say how, as endpoints.start='{train: {seed: 0}}', or "
            "name the minima, as --minima '[a.pt, b.pt, c.pt]'"
        )
    return trained(start.train, range(asked))


def _refuse_once(settings: "RunSettings", pairs: str) -> None:
    """Raise PathsearchError where minima cannot be aligned once."""
    if settings.endpoints is None or settings.endpoints.align.name == "none":
        raise PathsearchError("--align-once: say how minima are aligned, as endpoints.align=weights or activations")
    if pairs not in ("tree", "star"):
        raise PathsearchError("--align-once goes with --pairs tree or star, which begin with paths from the best one")


def _choice(pairs: str, points: "list[Point]") -> "Choice":
    """How the next pair is chosen: by its name, or by a file of pairs of numbers."""
    from pathsearch.landscape.choice import CHOICES, of_a_list

    if pairs in CHOICES:
        return CHOICES[pairs]
    file = cli_jobs.expanded(pairs)
    if not file.is_file():
        raise PathsearchError(f"--pairs: no {one_of(pairs, CHOICES)}; a file has pairs of numbers, as [[0, 1], [1, 2]]")
    import yaml

    try:
        listed = yaml.safe_load(file.read_text("utf-8"))
        found = [(min(u, v), max(u, v)) for u, v in listed]
    except (OSError, ValueError, TypeError, yaml.YAMLError) as error:
        raise PathsearchError(
            f"--pairs {file}: write pairs of numbers, as [[0, 1], [1, 2]] ({one_line(error)})"
        ) from error
    for u, v in found:
        if not (type(u) is type(v) is int and 0 <= u < v < len(points)):
            raise PathsearchError(f"--pairs {file}: [{u}, {v}] are no two of the minima 0 to {len(points) - 1}")
    return of_a_list(found)
