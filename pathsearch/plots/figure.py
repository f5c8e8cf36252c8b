"""Panels put together, and written in the format that a file's name asks for."""

import io
import os
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path

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
from pathsearch.storage import Run

Panel = tuple[Callable[[Run, Axes], None], Callable[[Run], str | None]]
"""What draws it, and what says why it cannot be drawn of a run, None where it can."""

PANELS: dict[str, Panel] = {
    "profile": (panels.profile, panels.why_no_profile),
    "error": (panels.error, panels.why_no_error),
    "plane": (plane, why_no_plane),
    "convergence": (panels.convergence, panels.why_no_convergence),
}

WIDTH, HEIGHT = 4.6, 4.2  # inches of a panel
DPI = 150  # of shading in vector formats, too
LETTERS = 14  # of a title in an inch
NO_USE = {"avif", "gif", "pgf", "raw", "rgba"}  # need LaTeX or more libraries, lose colours, or nothing opens them


def formats() -> list[str]:
    """The suffixes of files that can be written."""
    return sorted(FigureCanvasAgg.get_supported_filetypes().keys() - NO_USE)


def picture(run: Run, names: Sequence[str] = ()) -> Figure:
    """The panels of these names side by side, all that can be drawn if none is named.

    Raises PathsearchError where a panel has no such name, cannot be drawn, or nothing can.
    """
    reasons = {name: why(run) for name, (_, why) in PANELS.items()}
    for name in names:
        if name not in PANELS:
            raise PathsearchError(f"no panel {name!r}: there are {', '.join(PANELS)}")
        if reasons[name] is not None:
            there = ", ".join(other for other, why in reasons.items() if why is None) or "none"
            raise PathsearchError(f"{run.file} has no {name} to draw: {reasons[name]}; it has {there}")
    drawn = list(names) or [name for name, why in reasons.items() if why is None]
    if not drawn:
        raise PathsearchError(f"{run.file} has nothing to draw yet: {reasons['convergence']}")
    figure = Figure(figsize=(WIDTH * len(drawn), HEIGHT), layout="constrained")
    for axes, name in zip(figure.subplots(1, len(drawn), squeeze=False)[0], drawn):
        PANELS[name][0](run, axes)
    figure.suptitle(_title(run, int(LETTERS * WIDTH * len(drawn)), bool(names)), fontsize=9)
    return figure


def save(run: Run, file: Path, names: Sequence[str] = ()) -> None:
    """Write the picture in the format of the file's suffix; what is there stays where that fails.

    Raises PathsearchError on a suffix that is none, as `picture` does, and where the file cannot be written.
    """
    file = expanded(file)
    suffix = file.suffix.lower().removeprefix(".")
    if suffix not in formats():
        raise PathsearchError(f"cannot write {file}: name a file that ends in one of .{', .'.join(formats())}")
    drawn = io.BytesIO()
    with rc_context({"pdf.fonttype": 42, "ps.fonttype": 42}):  # TrueType fonts, which journals ask for
        picture(run, names).savefig(drawn, format=suffix, dpi=DPI)
    try:
        with replacing(Path(os.path.realpath(file))) as partial:
            partial.write_bytes(drawn.getvalue())
    except (OSError, ValueError) as error:
        said = f"{reason(error)}. {advice(error).capitalize()}" if isinstance(error, OSError) else str(error)
        raise PathsearchError(f"cannot write {file}: {said}") from error


def _title(run: Run, letters: int, chosen: bool) -> str:
    """How the run stands, and what is wrong with it; for chosen panels, which belong to a text, no more than that."""
    lines = [] if chosen and run.state == "finished" else [report.headline(report.figures(run))]
    lines += report.warnings(run)
    return "\n".join(textwrap.fill(line, letters) for line in lines)
