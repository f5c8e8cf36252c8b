"""Panels put together, and written in the format that a file's name asks for."""

import io
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

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

Draw = Callable[[Any, Axes], None]


class Panel(NamedTuple):
    """What draws it of a run or a landscape, and what says why it cannot be drawn of that, None where it can."""

    draw: Draw
    missing: Callable[[Any], str | None]
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


@rc_context(STYLE)
def picture(run: Run, names: Sequence[str] = ()) -> Figure:
    """The panels of these names side by side, all that can be drawn if none is named; many in two rows or more.

    Raises PathsearchError where a panel has no such name, cannot be drawn, or nothing can.
    """
    known = _panels(run)
    drawn = list(names) or list(available(run))
    if not drawn:
        raise PathsearchError(f"{run.file} has nothing to draw yet: {known['convergence'].missing(run)}")
    for name in drawn:
        refuse_missing(run, known, name)
    heading = _heading(run, bool(names), any(known[name].measured for name in drawn))
    return side_by_side(run, [known[name] for name in drawn], heading)


def side_by_side(of: Any, drawn: Sequence[Panel], heading: Iterable[str]) -> Figure:
    """Panels of a run or a landscape, which all can be drawn, and a heading above."""
    rows = -(-len(drawn) // BESIDE)
    columns = -(-len(drawn) // rows)
    figure = blank(columns, rows, heading)
    # the colour bar of one row makes no room in another
    parts = figure.subfigures(rows, 1, squeeze=False)[:, 0] if rows > 1 else [figure]
    for place, panel in enumerate(drawn):
        panel.draw(of, parts[place // columns].add_subplot(1, columns, place % columns + 1))
    return figure


def refuse_missing(of: Any, known: Mapping[str, Panel], name: str) -> None:
    """Raise PathsearchError where a run or a landscape has no panel of that name, or it cannot be drawn."""
    if name not in known:
        raise PathsearchError(f"{of.file} has no panel {name!r}: there are {', '.join(known)}")
    if (why := known[name].missing(of)) is not None:
        others = ", ".join(possible(of, known)) or "none"
        raise PathsearchError(f"{of.file} has no {name} to draw: {why}; it has {others}")


def possible(of: Any, known: Mapping[str, Panel]) -> dict[str, Draw]:
    """Those of the panels that can be drawn of a run or a landscape: each is a function of it and of axes."""
    return {name: panel.draw for name, panel in known.items() if panel.missing(of) is None}


def available(run: Run) -> dict[str, Draw]:
    """The panels that can be drawn of a run, by name."""
    return possible(run, _panels(run))


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


class Panels:
    """The panels of a run or a landscape as functions, by the names that `pathsearch plot --panel` takes.

    read: gives it as it is when a picture of it is asked for; known: its panels; whole: as `picture`.
    """

    def __init__(
        self,
        read: Callable[[], Any],
        known: Callable[[Any], Mapping[str, Panel]] = _panels,
        whole: Callable[[Any, Sequence[str]], Figure] = picture,
    ) -> None:
        self._read, self._known, self._whole = read, known, whole

    def __call__(self, *names: str) -> Figure:
        """As `picture`."""
        return self._whole(self._read(), names)

    def __getattr__(self, name: str) -> Callable[..., Axes]:
        """A function that draws on axes, by default on those of a new figure of pyplot's, and returns them.

        It raises PathsearchError where there is no such panel, or it cannot be drawn.
        """
        if name.startswith("_"):
            raise AttributeError(name)

        def draw(ax: Axes | None = None) -> Axes:
            of = self._read()
            known = self._known(of)
            refuse_missing(of, known, name)
            with rc_context(STYLE) if ax is None else nullcontext():
                axes = _alone() if ax is None else ax
                known[name].draw(of, axes)
            return axes

        return draw

    def __dir__(self) -> list[str]:
        of = self._read()
        return list(possible(of, self._known(of)))


def _alone() -> Axes:
    from matplotlib import pyplot  # which looks for a display

    return pyplot.figure(figsize=(WIDTH, HEIGHT), layout="constrained").add_subplot()
