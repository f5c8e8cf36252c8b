"""The command line: `pathsearch run | show | plot | configs | bench`, and the commands on jobs.

Commands import what they need themselves: torch takes two seconds, which those that only look do without.
"""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from pathsearch import cli_jobs
from pathsearch.errors import PathsearchError, one_line
from pathsearch.launch.jobs import work
from pathsearch.launch.stop import signals

if TYPE_CHECKING:
    from pathsearch.launch.settings import RunSettings

app = typer.Typer(
    help="Low-loss paths between trained networks: find them, measure them, keep them.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
Folder = Annotated[str, typer.Argument(metavar="RUN", help="A run's folder or its path.h5.")]


@app.callback()
def options(
    traceback: Annotated[bool, typer.Option("--traceback", help="Show the traceback of an error.")] = False,
) -> None:
    """Low-loss paths between trained networks: find them, measure them, keep them."""


@app.command()
def run(
    arguments: cli_jobs.Arguments = None,
    out: cli_jobs.Out = None,
) -> None:
    """Find a path, measure it against the straight line, keep it. Started again, it continues."""
    name, overrides = cli_jobs.named(arguments)
    with signals() as stop:
        found = work.run(cli_jobs.folder_of(name, out), lambda: _loaded(name, overrides), stop)
    if found is not None:
        from pathsearch.launch.finish import finish

        finish(found)


@app.command()
def show(
    where: Folder, as_json: Annotated[bool, typer.Option("--json", help="Every figure, as JSON.")] = False
) -> None:
    """What a run has found."""
    from pathsearch import report, storage
    from pathsearch.launch.finish import say

    found = storage.read(where)
    if as_json:
        print(json.dumps(report.figures(found), indent=2))
    else:
        say(found)


@app.command()
def plot(
    where: Folder,
    output: Annotated[Optional[Path], typer.Option("-o", "--output", help="PNG; default: path.png beside it.")] = None,
) -> None:
    """Draw the loss along the path, the plane around it, and the convergence."""
    from pathsearch import plots, storage

    found = storage.read(where)
    file = output or found.file.with_suffix(".png")
    plots.save(found, file)
    print(file)


@app.command("bench")
def measure_speed(
    arguments: cli_jobs.Arguments = None,
    actors: Annotated[
        Optional[str], typer.Option(help="Numbers of actors to time, as 1,2; default: one for each GPU or core.")
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Band steps to time.")] = 10,
    coordination: Annotated[
        bool, typer.Option("--coordination", help="Time actors whose gradients only sleep: what is left is overhead.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The figures as JSON.")] = False,
) -> None:
    """How fast band steps of a network are here, against a bare forward-backward loop, and what the run will take."""
    import torch

    from pathsearch.bench import coordination as sleeping
    from pathsearch.bench import network
    from pathsearch.bench.figures import rounded
    from pathsearch.machine import cores
    from pathsearch.objectives import importable

    settings, folder = _loaded(*cli_jobs.named(arguments))
    if coordination:
        say = lambda line: print(line, file=sys.stderr)
        cases = sleeping.coordination(_counts(actors or "1,2,4,8,16"), rounds, say)
        print(json.dumps(rounded(cases)) if as_json else "\n".join(sleeping.lines(cases)))
        return
    devices = torch.cuda.device_count() or cores()
    with importable(folder):
        found = network.bench(settings, folder, _counts(actors or str(devices)), rounds)
    print(json.dumps(rounded(found)) if as_json else "\n".join(found.lines()))


def _loaded(name: str, overrides: list[str]) -> tuple["RunSettings", Path]:
    from pathsearch.launch import config

    return config.load(name, overrides)


def _counts(said: str) -> list[int]:
    if not all(part.isdigit() and int(part) for part in said.split(",")):
        raise PathsearchError(f"--actors {said}: write numbers as 1,2,4")
    return [int(part) for part in said.split(",")]


@app.command("configs")
def list_configs() -> None:
    """The built-in configurations."""
    from pathsearch.launch.config import builtin_configs

    known = builtin_configs()
    for name, shows in known.items():
        print(f"{name:{max(map(len, known))}}  {shows}")


cli_jobs.add_to(app)


def main() -> None:
    """Run the command line; an error ends it with one line on stderr and a non-zero exit status."""
    try:
        app()
    except Exception as error:
        if "--traceback" in sys.argv:
            raise
        known = isinstance(error, PathsearchError)
        said = one_line(error) if known else f"{type(error).__name__}: {one_line(error)} (--traceback shows where)"
        print(f"pathsearch: {said}", file=sys.stderr)
        sys.exit(error.status if isinstance(error, PathsearchError) else 1)
