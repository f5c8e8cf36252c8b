"""The command `pathsearch export`."""

import sys
from pathlib import Path
from typing import Annotated, Optional

import typer

from pathsearch.errors import PathsearchError
from pathsearch.files import expanded

SUFFIXES = (".pt", ".pth", ".safetensors")


def export(
    where: Annotated[Path, typer.Argument(metavar="RUN", parser=expanded, help="A run's folder or its path.h5.")],
    t: Annotated[Optional[float], typer.Option("--t", help="Where on the path: 0 is its start, 1 its end.")] = None,
    points: Annotated[
        Optional[int],
        typer.Option(min=2, help="So many, as far apart along the path as one another, both ends among them."),
    ] = None,
    output: Annotated[
        Optional[Path],
        typer.Option(
            "-o",
            "--output",
            metavar="FILE",
            parser=expanded,
            help="A name in .pt, .pth or .safetensors; several are numbered, as model-0.pt; default: model.pt beside "
            "the run.",
        ),
    ] = None,
) -> None:
    """Write networks on the path as state_dicts, for programs that know the model.

    Weights, what all points share, and statistics of batch norm, which are averaged over the training data as in
    measuring.
    """
    if (t is None) == (points is None):
        raise PathsearchError("export takes --t, as --t 0.5 for the middle of the path, or --points, as --points 5")

    from pathsearch import reading
    from pathsearch.along import position

    opened = reading.Opened(where)
    file = output or opened.file.with_name("model.pt")
    if file.suffix not in SUFFIXES:
        raise PathsearchError(f"-o {file}: name a file that ends in one of {', '.join(SUFFIXES)}")
    if not file.parent.is_dir():
        raise PathsearchError(f"-o {file}: there is no folder {file.parent}")
    if t is not None:
        named = {file: position(t)}
    else:
        places = opened.evenly(points or 0).tolist()
        named = {file.with_name(f"{file.stem}-{n}{file.suffix}"): at for n, at in enumerate(places)}

    from pathsearch.objectives.saving import save

    for one, at in named.items():
        save(opened.model(at).cpu().state_dict(), one)
        print(f"{one}: t = {at:.6g}")
        sys.stdout.flush()
