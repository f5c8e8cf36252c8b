"""The command `pathsearch train`."""

import re
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from pathsearch import cli_jobs
from pathsearch.errors import PathsearchError
from pathsearch.jobs.sweeps import MOST, listed

if TYPE_CHECKING:
    from pathsearch.run.settings import RunSettings, Training

Seeds = Annotated[
    Optional[str], typer.Option(help="FROM:TO (TO left out) or A,B,C; default: those of the configuration's endpoints.")
]


def train(
    arguments: cli_jobs.Arguments = None,
    seeds: Seeds = None,
    minima: Annotated[
        Optional[Path],
        typer.Option(metavar="FOLDER", parser=cli_jobs.expanded, help="Where they are kept; default: runs/minima."),
    ] = None,
) -> None:
    """Train networks as a configuration's endpoints are, and keep them: runs that need them find them there."""
    from pathsearch.run import config
    from pathsearch.run.minima import minimum
    from pathsearch.run.stop import signals

    name, overrides = cli_jobs.named(arguments)
    settings, folder = config.load(name, overrides)
    store = minima or Path("runs") / "minima"
    trainings = _trainings(settings, _numbers(seeds))
    wanted = list({each.name: each for each in (minimum(settings, one, folder, store) for one in trainings)}.values())

    from pathsearch import report, storage
    from pathsearch.objectives import importable
    from pathsearch.progress import display
    from pathsearch.run import whole
    from pathsearch.run.finish import console, put

    with signals() as stop, display(store / "train.log") as watcher, importable(folder), ExitStack() as stack:
        trained = whole.train(wanted, settings, folder, watcher, stop, stack)
    runs = {each.name: storage.read(each.folder) for each in wanted}
    put(report.minima_table(runs), console())
    print(f"kept in {store}: {len(trained)} trained, {len(wanted) - len(trained)} were there")
    sys.stdout.flush()


def _trainings(settings: "RunSettings", seeds: list[int] | None) -> "list[Training]":
    """What is to be trained: every seed as the start is, or else the endpoints that the configuration trains."""
    from pathsearch.run.settings import Trained

    points = settings.endpoints
    own = [end.train for end in (points.start, points.end) if isinstance(end, Trained)] if points else []
    if not own:
        raise PathsearchError(
            "this configuration trains none of its endpoints: say how, as endpoints.start='{train: {seed: 0}}'"
        )
    return own if seeds is None else [own[0].model_copy(update={"seed": seed}) for seed in seeds]


def _numbers(said: str | None) -> list[int] | None:
    if said is None:
        return None
    numbers = listed(said)
    if not numbers or not all(re.fullmatch(r"\d{1,18}", number) for number in numbers):
        raise PathsearchError(f"--seeds {said}: write 0:8 for the seeds from 0 to 7, or 3,5,9")
    if len(numbers) > MOST:
        raise PathsearchError(f"--seeds {said}: more than the {MOST:,} that one command trains")
    return [int(number) for number in numbers]
