"""How pictures look in print: a panel fills a column of a paper, colours differ in grey and for the colour-blind."""

import io
import textwrap
from collections.abc import Iterable, Sequence
from typing import Any

from matplotlib import rc_context
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

WIDTH, HEIGHT = 3.3, 2.7  # inches of a panel: a column of a paper
POINTS = 8  # of all fonts
ROW = 12.5  # points of a legend's row
LETTERS = 17  # of such a text in an inch
DPI = 300  # of shading in vector formats, too

STYLE: Any = {
    **{f"{part}.labelsize": POINTS for part in ("axes", "xtick", "ytick")},
    **{f"{part}.size": 2.5 for part in ("xtick.major", "ytick.major")},
    **{f"{part}.width": 0.6 for part in ("xtick.major", "ytick.major", "xtick.minor", "ytick.minor")},
    "font.size": POINTS,
    "axes.titlesize": POINTS,
    "figure.titlesize": POINTS,
    "legend.fontsize": POINTS,
    "axes.linewidth": 0.6,
    "lines.linewidth": 1.2,
    "lines.markersize": 3.5,
    "legend.frameon": False,
    "legend.handlelength": 1.8,
    "legend.columnspacing": 1.4,
    "figure.constrained_layout.w_pad": 0.07,
    "pdf.fonttype": 42,  # TrueType fonts, which journals ask for
    "ps.fonttype": 42,
    "svg.fonttype": "none",  # text that can be edited
}

# Okabe & Ito 2008, of different lightness where they meet
PATH, LINE = "#0072b2", "#e69f00"
SERIES = (
    ("#0072b2", "-", "o"),
    ("#e69f00", (0, (5, 1.5)), "s"),
    ("#000000", (0, (1, 1)), "^"),
    ("#cc79a7", (0, (5, 1.5, 1, 1.5)), "D"),
    ("#009e73", (0, (3, 1)), "v"),
    ("#56b4e9", (0, (7, 1, 1, 1, 1, 1)), "P"),
    ("#d55e00", (0, (2, 2)), "X"),
)
"""Colour, dashes and mark of lines that stand beside one another."""


def series(number: int) -> dict[str, Any]:
    """How the line of that number is drawn: after as many as `SERIES` has, colours return with other dashes."""
    count = len(SERIES)
    colour, (_, dashes, mark) = SERIES[number % count][0], SERIES[(number + number // count) % count]
    return {"color": colour, "linestyle": dashes, "marker": mark}


def legend_above(axes: Axes, handles: Sequence[Artist] | None = None, note: str = "") -> None:
    """A legend in two columns over the panel, where no data can be, and a note above it."""
    legend = axes.legend(
        handles=axes.get_legend_handles_labels()[0] if handles is None else handles,
        loc="lower left",
        bbox_to_anchor=(0.0, 1.0),
        borderaxespad=0.1,
        ncols=2,
        frameon=False,
        title=note,
        alignment="left",
    )
    size = float(legend.get_texts()[0].get_fontsize())
    legend.get_title().set_fontsize(size)
    # a legend may be wider than its panel, which would shrink for it; an empty title keeps the height free
    legend.set_in_layout(False)
    rows = -(-len(legend.get_lines()) // 2) + bool(note)
    axes.set_title(" ", pad=rows * ROW * size / POINTS - 4.0)


class Picture(Figure):
    """A figure that a notebook shows where it ends a cell; matplotlib's own are shown only once pyplot is in use."""

    def _repr_png_(self) -> bytes:
        drawn = io.BytesIO()
        with rc_context(STYLE):
            self.savefig(drawn, format="png")
        return drawn.getvalue()


def blank(columns: int, rows: int, heading: Iterable[str] = (), below: int = 0) -> Figure:
    """A figure for so many panels, which take no room from its heading's lines and the lines of a legend below."""
    width = WIDTH * columns
    said = "\n".join(textwrap.fill(line, letters(columns)) for line in heading if line)
    lines = below + len(said.splitlines())
    figure = Picture(figsize=(width, HEIGHT * rows + ROW * lines / 72), layout="constrained")
    figure.suptitle(said)
    return figure


def letters(columns: int) -> int:
    """How many fit beside one another over so many panels."""
    return int(LETTERS * WIDTH * columns)
