"""The command line: `pathsearch run | show | plot | configs`."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any, Callable, Optional

import typer
from rich.console import Console

from pathsearch.errors import PathsearchError
from pathsearch.launch import config as configs

DEFAULT = "digits"

app = typer.Typer(
    help="Low-loss paths between trained networks: find them, measure them, keep them.",
    no_args_is_help=True,
    add_completion=False,
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
    arguments: Annotated[
        Optional[list[str]],
        typer.Argument(metavar="[CONFIG] [KEY=VALUE]...", help="A YAML file or a built-in name, then overrides."),
    ] = None,
    out: Annotated[Optional[Path], typer.Option(help="Folder of the run; default: runs/<name of CONFIG>.")] = None,
) -> None:
    """Find a path, measure it against the straight line, keep it. Started again, it continues."""
    # imported here, for torch takes seconds to load and `--help` should not
    from pathsearch import plots, report
    from pathsearch.launch.session import run as carry_out
    from pathsearch.progress import display

    given = list(arguments or [])
    name = given.pop(0) if given and "=" not in given[0] else DEFAULT
    settings, folder = configs.load(name, given)
    where = out or Path("runs") / Path(name).stem
    try:
        where.mkdir(parents=True, exist_ok=True)
        with display(where / "run.log") as watcher:
            found = carry_out(settings, where, folder, watcher)
    except OSError as error:
        raise PathsearchError(f"cannot use folder {where}: {error.strerror}; name another with --out") from error
    plots.save(found, where / "path.png")
    Console().print(report.table(found))
    print(f"kept in {found.file}, drawn in {where / 'path.png'}")


@app.command()
def show(
    where: Folder, as_json: Annotated[bool, typer.Option("--json", help="Every figure, as JSON.")] = False
) -> None:
    """What a run has found."""
    from pathsearch import report, storage

    found = storage.read(where)
    if as_json:
        print(json.dumps(report.figures(found), indent=2))
    else:
        Console().print(report.table(found))


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


@app.command("configs")
def list_configs() -> None:
    """The built-in configurations."""
    known = configs.builtin_configs()
    for name, shows in known.items():
        print(f"{name:{max(map(len, known))}}  {shows}")


def main() -> None:
    """Run the command line; an error the user can mend is one line on stderr."""
    guarded(app, "--traceback" in sys.argv)


def guarded(command: Callable[[], Any], traceback: bool) -> None:
    """Call `command`; a PathsearchError ends the program with its line and status 1 (130 where a signal stopped it)."""
    try:
        command()
    except PathsearchError as error:
        if traceback:
            raise
        print(f"pathsearch: {error}", file=sys.stderr)
        sys.exit(error.status)
