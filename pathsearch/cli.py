"""The command line: `pathsearch run | train | extend | show | compare | plot | export | ensemble | align | symmetries |
configs | options | bench`, and those on jobs.

Commands import what they need themselves: torch takes two seconds, which those that only look do without.
"""

import json
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer
from pydantic import ValidationError
from typer.core import TyperGroup

from pathsearch import cli_align, cli_compare, cli_ensemble, cli_explore, cli_export, cli_extend, cli_jobs, cli_train
from pathsearch.errors import PathsearchError, described, one_line
from pathsearch.files import expanded
from pathsearch.jobs import work
from pathsearch.refusals import number
from pathsearch.run.stop import signals
from pathsearch.settings import one_of

if TYPE_CHECKING:
    from pathsearch.run.settings import Asked

USAGE = 2  # exit status where the command line itself is wrong
WRONG_USAGE = typer.BadParameter.__mro__[1]  # the exception of all kinds of it; typer has a copy of click or click


class Commands(TyperGroup):
    """The commands; an unknown one is answered with the list of them."""

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        found = super().get_command(ctx, cmd_name)
        if found is None and not ctx.resilient_parsing:
            error = PathsearchError(f"no command {one_of(cmd_name, self.list_commands(ctx))}")
            error.status = USAGE
            raise error
        return found


app = typer.Typer(
    cls=Commands,
    help="Low-loss paths between trained networks: find them, measure them, keep them.",
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
FOUND = "A run's folder or its path.h5, or a landscape's or its landscape.h5"


def _config_names(incomplete: str) -> Iterable[str]:
    """For the shell to complete."""
    from pathsearch.run.config import names

    return [name for name in names() if name.startswith(incomplete)]


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        print(f"pathsearch {version('pathsearch')}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def options_of_all(
    context: typer.Context,
    traceback: Annotated[bool, typer.Option("--traceback", help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Low-loss paths between trained networks: find them, measure them, keep them."""
    if context.invoked_subcommand is None:
        print(context.get_help())


@app.command()
def run(
    arguments: cli_jobs.Arguments = None,
    out: cli_jobs.Out = None,
    minima: cli_jobs.Minima = None,
) -> None:
    """Find a path, measure it against the straight line, keep it. Started again, it continues."""
    name, overrides = cli_jobs.named(arguments)
    with signals() as stop:
        found = work.run(cli_jobs.folder_of(name, out), lambda: _asked(name, overrides, minima), stop)
    if found is not None:
        from pathsearch.run.finish import finish

        finish(found)


@app.command()
def show(
    where: Annotated[Path, typer.Argument(metavar="RUN", parser=expanded, help=f"{FOUND}.")],
    as_json: Annotated[bool, typer.Option("--json", help="Every figure, as JSON.")] = False,
) -> None:
    """What a run has found, or a landscape's exploration."""
    from pathsearch import storage
    from pathsearch.storage import landscape

    found = landscape.read(where) if landscape.is_landscape(where) else storage.read(where)
    if as_json:
        from pathsearch import report, report_landscape

        shown = report.figures(found) if isinstance(found, storage.Run) else report_landscape.figures(found)
        print(json.dumps(shown, indent=2))
    else:
        from pathsearch.run import finish

        finish.say(found) if isinstance(found, storage.Run) else finish.say_landscape(found)


@app.command()
def plot(
    where: Annotated[
        list[Path],
        typer.Argument(metavar="RUN", parser=expanded, help=f"{FOUND}; several runs for one picture."),
    ],
    output: Annotated[
        Optional[Path],
        typer.Option(
            "-o",
            "--output",
            metavar="FILE",
            parser=expanded,
            help="Its suffix is the format (png, pdf, svg, …); default: path.png or path-PANEL.png beside the run, "
            "landscape.png or landscape-PANEL.png; of several runs paths.png.",
        ),
    ] = None,
    panel: Annotated[
        Optional[list[str]],
        typer.Option(
            help="profile, plane, convergence or a metric (error, …) alone; more than once for several. Of several "
            "runs: profile or a metric. Of a landscape: disconnectivity, connectivity, tree, profiles, or a figure of "
            "all pairs, as saddle, minimax or barrier."
        ),
    ] = None,
) -> None:
    """Draw the loss and the metrics along the path, the plane around it, and the convergence.

    The plane's levels are even in the logarithm of the loss above the lowest; dots on lines are pivots. Of several
    runs: train loss and test error over the fraction of the arc length, and faintly the straight lines. Of a
    landscape: its trees, the profiles along the tree, the saddles of all pairs.
    """
    from pathsearch import plots, storage
    from pathsearch.storage import landscape

    chosen = "".join(f"-{each}" for each in panel or ())
    if len(where) == 1 and landscape.is_landscape(where[0]):
        from pathsearch.plots.landscape import save

        found = landscape.read(where[0])
        file = output or found.file.with_name(f"landscape{chosen}.png")
        save(found, file, panel or ())
    elif len(where) == 1:
        run = storage.read(where[0])
        file = output or run.file.with_name(f"path{chosen}.png")
        plots.save(run, file, panel or ())
    else:
        from pathsearch.comparing import groups

        runs, file = groups.read(map(str, where)), output or Path("paths.png")
        groups.together(runs)
        plots.save(dict(zip(groups.labels(runs), runs.values())), file, panel or ())
    print(file)


@app.command("configs")
def list_configs(
    name: Annotated[
        Optional[str],
        typer.Argument(metavar="NAME", autocompletion=_config_names, help="Of the one to print; default: list all."),
    ] = None,
) -> None:
    """The built-in configurations, or the text of one."""
    from pathsearch.run.config import builtin_configs, text

    if name is not None:
        print(text(name).rstrip())
        return
    for n, (title, known) in enumerate(builtin_configs().items()):
        print(f"{chr(10) * (n > 0)}{title}")
        twins = {f"{one}-short" for one in known}
        listed = {one: shows for one, shows in known.items() if one not in twins}
        for one, shows in listed.items():
            print(f"  {one:{max(map(len, listed))}}  {shows}")


@app.command("options")
def list_options(
    part: Annotated[
        Optional[str], typer.Argument(metavar="PART", help="As method.neb, objective.data, steps; default: all.")
    ] = None,
    schema: Annotated[bool, typer.Option("--schema", help="The JSON schema of a configuration, for editors.")] = False,
) -> None:
    """The options of a configuration: name, default, what it takes, meaning."""
    from pathsearch.run import options

    if schema:
        print(options.schema())
    else:
        options.show(part)


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
    from pathsearch.run import config

    settings, folder = config.load(*cli_jobs.named(arguments))

    import torch

    from pathsearch.cost import coordination as sleeping
    from pathsearch.cost import network
    from pathsearch.cost.rounding import rounded
    from pathsearch.machine import cores
    from pathsearch.objectives import importable

    if coordination:
        say = lambda line: print(line, file=sys.stderr)
        cases = sleeping.coordination(_counts(actors or "1,2,4,8,16"), rounds, say)
        print(json.dumps(rounded(cases)) if as_json else "\n".join(sleeping.lines(cases)))
        return
    devices = torch.cuda.device_count() or cores()
    with importable(folder):
        found = network.bench(settings, folder, _counts(actors or str(devices)), rounds)
    print(json.dumps(rounded(found)) if as_json else "\n".join(found.lines()))


def _asked(name: str, overrides: list[str], minima: Path | None) -> "Asked":
    from pathsearch.run import config
    from pathsearch.run.settings import Asked

    return Asked(*config.load(name, overrides), store=minima)


def _counts(said: str) -> list[int]:
    if not all(part.isdigit() and int(part) for part in said.split(",")):
        raise PathsearchError(f"--actors {said}: write numbers as 1,2,4")
    return [int(part) for part in said.split(",")]


cli_jobs.add_to(app)
app.command()(cli_compare.compare)
app.command()(cli_explore.explore)
app.command()(cli_extend.extend)
app.command()(cli_export.export)
app.command()(cli_ensemble.ensemble)
app.command()(cli_train.train)
app.command()(cli_align.align)
app.command()(cli_align.symmetries)


def main() -> None:
    """Run the command line; an error ends it with one line on stderr and a non-zero exit status."""
    for stream in (sys.stdout, sys.stderr):
        if not stream.encoding.lower().startswith("utf") and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # what the locale has no sign for
    try:
        status = app(prog_name="pathsearch", standalone_mode=False)
        sys.stdout.flush()
    except BrokenPipeError:  # who was to read the output has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except typer.Abort:
        print("pathsearch: stopped by SIGINT", file=sys.stderr)
        sys.exit(130)
    except Exception as error:
        if "--traceback" in sys.argv:
            raise
        sys.exit(_complaint(error))
    sys.exit(status if isinstance(status, int) else 0)


def _complaint(error: Exception) -> int:
    """Say what went wrong; returns the exit status."""
    if isinstance(error, PathsearchError):
        said, status = one_line(error), error.status
    elif isinstance(error, WRONG_USAGE):
        said, status = f"{_usage(error)}; -h says what there is", USAGE
    else:
        said, status = f"{described(error)} (--traceback shows where)", 1
    print(f"pathsearch: {said}", file=sys.stderr)
    return status


def _usage(error: Any) -> str:
    """What is wrong with the command line, in this program's words where typer has those of its libraries."""
    option = getattr(error, "option_name", None)
    if hasattr(error, "possibilities") and error.ctx is not None:
        known = [name for each in error.ctx.command.get_params(error.ctx) for name in each.opts if name[:2] == "--"]
        return f"no option {one_of(option, known)}"
    if isinstance(error.__cause__, ValidationError) and getattr(error, "param", None) is not None:
        return f"{error.param.opts[-1]}: {number(error.__cause__)}"
    text = one_line(error.format_message()).rstrip(".")
    return text[:1].lower() + text[1:]
