"""Panels put together, and written in the format that a file's name asks for."""

import io
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import NamedTuple

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from pathsearch import report
from pathsearch.atomic import advice, reason, replacing
from pathsearch.errors import PathsearchError
from pathsearch.files import expanded
from pathsearch.plots import panels
from pathsearch.plots.around import plane, why_no_plane
from pathsearch.plots.several import together
from pathsearch.plots.style import DPI, HEIGHT, STYLE, WIDTH, blank
from pathsearch.storage import Run
from pathsearch.storage.metrics import beside_the_loss, subset

Draw = Callable[[Run, Axes], None]


class Panel(NamedTuple):
    """What draws it, and what says why it cannot be drawn of a run, None where it can."""

    draw: Draw
    missing: Callable[[Run], str | None]
    measured: bool = True
    """whether it may show what was measured"""


PROFILE = Panel(panels.profile, panels.why_no_profile)
AROUND = {
    "plane": Panel(plane, why_no_plane),
    "convergence": Panel(panels.convergence, panels.why_no_convergence, measured=False),
}
"""Panels that come after those of the metrics."""

BESIDE = 2  # panels side by side at most: a page has two columns
NO_USE = {"avif", "gif", "pgf", "raw", "rgba"}  # need LaTeX or more libraries, lose colours, or nothing opens them


def formats() -> list[str]:
    """The suffixes of files that can be written."""
    return sorted(FigureCanvasAgg.get_supported_filetypes().keys() - NO_USE)


class Panels:
    """The panels of a run as functions, by the names that `pathsearch plot --panel` takes.

    read: gives the run as it is when a picture of it is asked for.
    """

    def __init__(self, read: Callable[[], Run]) -> None:
        self._read = read

    def __call__(self, *names: str) -> Figure:
        """As `picture`."""
        return picture(self._read(), names)

    def __getattr__(self, name: str) -> Callable[..., Axes]:
        """A function that draws on axes, by default on those of a new figure of pyplot's, and returns them.

        It raises PathsearchError where there is no such panel, or it cannot be drawn.
        """
        if name.startswith("_"):
            raise AttributeError(name)

        def draw(ax: Axes | None = None) -> Axes:
            run = self._read()
            _refuse_missing(run, name)
            with rc_context(STYLE) if ax is None else nullcontext():
                axes = _alone() if ax is None else ax
                available(run)[name](run, axes)
            return axes

        return draw

    def __dir__(self) -> list[str]:
        return list(available(self._read()))


def _alone() -> Axes:
    from matplotlib import pyplot  # which looks for a display

    return pyplot.figure(figsize=(WIDTH, HEIGHT), layout="constrained").add_subplot()


@rc_context(STYLE)
def picture(run: Run, names: Sequence[str] = ()) -> Figure:
    """The panels of these names side by side, all that can be drawn if none is named; many in two rows or more.

    Raises PathsearchError where a panel has no such name, cannot be drawn, or nothing can.
    """
    known, there = _panels(run), available(run)
    for name in names:
        _refuse_missing(run, name)
    drawn = list(names) or list(there)
    if not drawn:
        raise PathsearchError(f"{run.file} has nothing to draw yet: {known['convergence'].missing(run)}")
    rows = -(-len(drawn) // BESIDE)
    columns = -(-len(drawn) // rows)
    heading = _heading(run, bool(names), any(known[name].measured for name in drawn))
    figure = blank(columns, rows, heading)
    # the colour bar of one row makes no room in another
    parts = figure.subfigures(rows, 1, squeeze=False)[:, 0] if rows > 1 else [figure]
    for place, name in enumerate(drawn):
        there[name](run, parts[place // columns].add_subplot(1, columns, place % columns + 1))
    return figure


def _refuse_missing(run: Run, name: str) -> None:
    known, there = _panels(run), available(run)
    if name not in known:
        raise PathsearchError(f"{run.file} has no panel {name!r}: there are {', '.join(known)}")
    if name not in there:
        others = ", ".join(there) or "none"
        raise PathsearchError(f"{run.file} has no {name} to draw: {known[name].missing(run)}; it has {others}")


def available(run: Run) -> dict[str, Draw]:
    """The panels that can be drawn of a run, by name: each is a function of the run and of axes."""
    return {name: panel.draw for name, panel in _panels(run).items() if panel.missing(run) is None}


def _panels(run: Run) -> dict[str, Panel]:
    """The panels of a run by name, one for each of its metrics besides the loss."""
    found = {"profile": PROFILE}
    for name in beside_the_loss(run):
        draw, missing = partial(panels.along, name=name), partial(panels.why_not_along, name=name)
        # a metric may be called as a panel is
        found[f"metric_{name}" if name in found or name in AROUND else name] = Panel(draw, missing)
    return found | AROUND


def save(runs: Run | Mapping[str, Run], file: Path, names: Sequence[str] = ()) -> None:
    """Write the picture of a run, or of several, by their names in it, in the format of the file's suffix.

    What is there stays where that fails. Raises PathsearchError on a suffix that is none, as `picture` and `together`
    do, and where the file cannot be written.
    """
    written(lambda: picture(runs, names) if isinstance(runs, Run) else together(runs, names), file)


def written(draw: Callable[[], Figure], file: Path) -> None:
    """Write what is drawn in the format of the file's suffix; raises as `save` does."""
    file = expanded(file)
    suffix = file.suffix.lower().removeprefix(".")
    if suffix not in formats():
        raise PathsearchError(f"cannot write {file}: name a file that ends in one of .{', .'.join(formats())}")
    drawn = io.BytesIO()
    with rc_context(STYLE):
        draw().savefig(drawn, format=suffix, dpi=DPI)
    try:
        with replacing(Path(os.path.realpath(file))) as partial:
            partial.write_bytes(drawn.getvalue())
    except (OSError, ValueError) as error:
        said = f"{reason(error)}. {advice(error).capitalize()}" if isinstance(error, OSError) else str(error)
        raise PathsearchError(f"cannot write {file}: {said}") from error


def _heading(run: Run, chosen: bool, measured: bool) -> list[str]:
    """How the run stands, what is wrong with it, and on what part of the data it was measured.

    chosen: for panels that belong to a text nothing is said of a run that is as it should be. measured: whether any of
    them shows what was measured.
    """
    lines = [] if chosen and run.state == "finished" else [report.headline(report.figures(run))]
    lines += report.warnings(run)
    if measured and "profiles/path" in run.groups:
        lines.append(subset(run))
    return lines
