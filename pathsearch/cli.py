"""The command line: `pathsearch run | show | plot | configs | bench`."""

import json
import os
import sys
from pathlib import Path
from typing import Annotated, Any, Optional

import torch
import typer
from rich.console import Console

from pathsearch import report, storage
from pathsearch.bench.figures import rounded
from pathsearch.errors import PathsearchError, one_line
from pathsearch.launch import config as configs
from pathsearch.launch import session
from pathsearch.launch.settings import RunSettings
from pathsearch.objectives import importable
from pathsearch.progress import display

DEFAULT = "digits"

app = typer.Typer(
    help="Low-loss paths between trained networks: find them, measure them, keep them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
Arguments = Annotated[
    Optional[list[str]],
    typer.Argument(metavar="[CONFIG] [KEY=VALUE]...", help="A YAML file or a built-in name, then overrides."),
]
Folder = Annotated[str, typer.Argument(metavar="RUN", help="A run's folder or its path.h5.")]


@app.callback()
def options(
    traceback: Annotated[bool, typer.Option("--traceback", help="Show the traceback of an error.")] = False,
) -> None:
    """Low-loss paths between trained networks: find them, measure them, keep them."""


@app.command()
def run(
    arguments: Arguments = None,
    out: Annotated[Optional[Path], typer.Option(help="Folder of the run; default: runs/<name of CONFIG>.")] = None,
) -> None:
    """Find a path, measure it against the straight line, keep it. Started again, it continues."""
    name, settings, folder = _configured(arguments)
    where = out or Path("runs") / Path(name).stem
    with display(where / "run.log") as watcher:
        found = session.run(settings, where, folder, watcher)
    _draw(found, where / "path.png")
    _print(found)
    print(f"kept in {found.file}, drawn in {where / 'path.png'}")


@app.command()
def show(
    where: Folder, as_json: Annotated[bool, typer.Option("--json", help="Every figure, as JSON.")] = False
) -> None:
    """What a run has found."""
    found = storage.read(where)
    if as_json:
        print(json.dumps(report.figures(found), indent=2))
    else:
        _print(found)


def _configured(arguments: list[str] | None) -> tuple[str, RunSettings, Path]:
    given = list(arguments or [])
    name = given.pop(0) if given and "=" not in given[0] else DEFAULT
    return name, *configs.load(name, given)


def _draw(found: storage.Run, file: Path) -> None:
    # here, not above: a fifth of the time that commands which draw nothing take to start
    from pathsearch import plots

    plots.save(found, file)


def _print(found: Any) -> None:
    console = Console()
    console.print(report.headline(report.figures(found)), highlight=False, soft_wrap=True)
    console.print(report.table(found))


@app.command()
def plot(
    where: Folder,
    output: Annotated[Optional[Path], typer.Option("-o", "--output", help="PNG; default: path.png beside it.")] = None,
) -> None:
    """Draw the loss along the path, the plane around it, and the convergence."""
    found = storage.read(where)
    file = output or found.file.with_suffix(".png")
    _draw(found, file)
    print(file)


@app.command("bench")
def measure_speed(
    arguments: Arguments = None,
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
    # here, not above: they need Ray, which other commands do without
    from pathsearch.bench import coordination as sleeping
    from pathsearch.bench import network

    settings, folder = _configured(arguments)[1:]
    if coordination:
        say = lambda line: print(line, file=sys.stderr)
        cases = sleeping.coordination(_counts(actors or "1,2,4,8,16"), rounds, say)
        print(json.dumps(rounded(cases)) if as_json else "\n".join(sleeping.lines(cases)))
        return
    devices = torch.cuda.device_count() or os.cpu_count() or 1
    with importable(folder):
        found = network.bench(settings, folder, _counts(actors or str(devices)), rounds)
    print(json.dumps(rounded(found)) if as_json else "\n".join(found.lines()))


def _counts(said: str) -> list[int]:
    if not all(part.isdigit() and int(part) for part in said.split(",")):
        raise PathsearchError(f"--actors {said}: write numbers as 1,2,4")
    return [int(part) for part in said.split(",")]


@app.command("configs")
def list_configs() -> None:
    """The built-in configurations."""
    known = configs.builtin_configs()
    for name, shows in known.items():
        print(f"{name:{max(map(len, known))}}  {shows}")


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
