"""The commands `pathsearch align` and `pathsearch symmetries`."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from pathsearch import cli_jobs
from pathsearch.errors import PathsearchError, one_line
from pathsearch.files import expanded

if TYPE_CHECKING:
    from pathsearch.api_align import Aligned
    from pathsearch.objectives.network import NetworkObjective

LINE = 21  # points of the straight line
Table = Annotated[
    Optional[Path],
    typer.Option(metavar="FILE", parser=expanded, help="Groups written by hand (YAML), for what cannot be traced."),
]
Pin = Annotated[Optional[list[str]], typer.Option(help="A pattern of parameters whose units stay, as 'encoder.*'.")]


def align(
    a: Annotated[Path, typer.Argument(metavar="A", parser=expanded, help="A state_dict's file, or a run's folder.")],
    b: Annotated[Path, typer.Argument(metavar="B", parser=expanded, help="The network to be permuted.")],
    changes: Annotated[
        Optional[list[str]], typer.Argument(metavar="[KEY=VALUE]...", help="As model.args.width=64, data.root=FOLDER.")
    ] = None,
    model: Annotated[str, typer.Option(help="A built-in network, or package.module:Class.")] = ...,  # type: ignore[assignment]
    data: Annotated[
        Optional[str], typer.Option(help="A data set: the straight line between both is measured on it.")
    ] = None,
    output: Annotated[
        Optional[Path],
        typer.Option(
            "-o", "--output", metavar="FILE", parser=expanded, help="Default: B-aligned.pt (or .safetensors) beside B."
        ),
    ] = None,
    by: Annotated[str, typer.Option(help="weights, or activations on --data.")] = "weights",
    table: Table = None,
    pin: Pin = None,
    starts: Annotated[int, typer.Option(min=0, help="Random orders of groups that are tried, too.")] = 4,
    seed: Annotated[int, typer.Option(help="Of these orders.")] = 0,
) -> None:
    """Permute the hidden units of network B so that it comes as close to network A as it can; its function stays."""
    b = b.resolve() if b.name == "" else b  # the working folder
    file = output or b.with_name(f"{b.stem}-aligned{'.safetensors' if b.suffix == '.safetensors' else '.pt'}")
    sources = [each / "path.h5" if each.is_dir() else each for each in (a, b)]
    if file.exists() and any(each.exists() and file.samefile(each) for each in sources):
        raise PathsearchError(f"-o {file} is one of the networks that are aligned: name another file")
    if not file.parent.is_dir():
        raise PathsearchError(f"-o {file}: there is no folder {file.parent}")

    from pathsearch import api_align
    from pathsearch.objectives import importable
    from pathsearch.objectives.saving import save

    say = lambda line: print(line, file=sys.stderr)
    with importable(Path()):
        live = _live(model, data, changes or [])
        found = api_align.align(
            live, a, b, by=by, table=_table(table), pin=pin or (), starts=starts, seed=seed, say=say
        )
        lines = _lines(live, a, b, found) if data is not None else ""
    groups, units = len(found.permutations), sum(each.size for each in found.permutations.values())
    print(f"{groups} group{'s' * (groups != 1)} of {units:,} units, {found.moved:,} moved")
    print(f"distance {found.distance[0]:.6g}, aligned {found.distance[1]:.6g}")
    if lines:
        print(lines)
    if found.same:
        order = "with its units in another order" if found.moved else "as it is"
        print(f"they are the same network: B is A {order}")
    save(found.state_dict, file)
    print(file)


def symmetries(
    arguments: cli_jobs.Arguments = None,
    table: Table = None,
    pin: Pin = None,
    as_json: Annotated[bool, typer.Option("--json", help="All of it, as JSON.")] = False,
) -> None:
    """Which hidden units of a configuration's network may be permuted, what is pinned, and by which operation."""
    from pathsearch.run import config

    settings, folder = config.load(*cli_jobs.named(arguments))

    from pathsearch import report_symmetries
    from pathsearch.alignment.aligned import symmetries_of, without
    from pathsearch.api_align import permutable_of
    from pathsearch.machine import device_of
    from pathsearch.objectives import NetworkSettings, importable, opening
    from pathsearch.run.finish import console, put

    if not isinstance(settings.objective, NetworkSettings):
        raise PathsearchError(f"objective {settings.objective.name} has no hidden units: only a network has")
    with importable(folder):
        network = permutable_of(opening.declared(settings.objective, device_of("cpu"), folder))
        found = without(symmetries_of(network, _table(table)), pin or ())
    if as_json:
        print(json.dumps(report_symmetries.figures(found), indent=2))
        return
    for each in report_symmetries.tables(found):
        put(each, console())
    sys.stdout.flush()


def _live(model: str, data: str | None, changes: list[str]) -> Any:
    """The network, on the data where there are some."""
    from pathsearch.objectives.models import MODELS
    from pathsearch.run import config

    if data is None and model in MODELS:
        raise PathsearchError(f"--model {model} takes its inputs' shape from the data: name them with --data")
    others = [each for each in changes if not each.removeprefix("objective.").startswith("model.")]
    if data is None and others:
        raise PathsearchError(f"{others[0]} says nothing without --data: name the data, or leave it out")
    tree = {"objective": {"name": "network", "model": {"name": model}, "data": {"name": data or "digits"}}}
    ends = {"start": [0.0], "end": [1.0]}  # a configuration has some
    overrides = [change if change.startswith("objective.") else f"objective.{change}" for change in changes]
    settings = config.overridden({**tree, "endpoints": ends}, overrides, "align")

    from pathsearch.machine import device_of
    from pathsearch.objectives import NetworkSettings, opening
    from pathsearch.objectives.users_code import errors_named

    options = settings.objective
    if not isinstance(options, NetworkSettings):
        raise PathsearchError("align: only a network has hidden units")
    if data is not None:
        return opening.declared(options, device_of("cpu"), Path())
    with errors_named(f"--model {model} without --data"):
        return opening.model_of(options.model, Path()).make(shape=(), outputs=0)


def _lines(live: "NetworkObjective", a: Path, b: Path, found: "Aligned") -> str:
    """How high the straight line's barrier is, before and after."""
    from pathsearch.api import connect

    def barrier(end: Any, distance: float) -> float:
        if distance == 0:  # there is no line
            return 0.0
        summary = connect(live, a, end, "linear", measure={"points": LINE}).summary
        return float(summary["linear"]["train_loss"]["barrier"])

    before = barrier(b, found.distance[0])
    after = barrier(found.state_dict, found.distance[1]) if found.moved else before
    return f"barrier of the straight line, train loss {before:.4g}, aligned {after:.4g}"


def _table(file: Path | None) -> Any:
    if file is None:
        return None
    import yaml

    try:
        return yaml.safe_load(file.read_text("utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise PathsearchError(f"--table {file} cannot be read: {one_line(error)}") from error
