"""A picture of what grows or falls over sizes: a line with bars of deviation for each of several ways."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from matplotlib.figure import Figure

from pathsearch.plots.figure import written
from pathsearch.plots.style import blank, series


class Row(NamedTuple):
    """Mean and deviation, a number a size."""

    mean: list[float]
    deviation: list[float]


def trend(sizes: Sequence[int], rows: Mapping[str, Row], labels: tuple[str, str], file: Path) -> None:
    """Draw rows over sizes, both axes in powers; labels: of the axes. What is no more than zero is left out."""
    written(lambda: _drawn(sizes, rows, labels), file)


def _drawn(sizes: Sequence[int], rows: Mapping[str, Row], labels: tuple[str, str]) -> Figure:
    figure = blank(1, 1, below=len(rows))
    axes = figure.add_subplot()
    for number, (name, row) in enumerate(rows.items()):
        seen = [n for n, mean in enumerate(row.mean) if mean > 0]
        x, mean = [sizes[n] * 1.03**number for n in seen], [row.mean[n] for n in seen]  # bars beside one another
        low = [min(row.deviation[n], 0.9 * row.mean[n]) for n in seen]  # a bar to zero has no end on this axis
        bars = [low, [row.deviation[n] for n in seen]]
        axes.errorbar(x, mean, yerr=bars, capsize=1.5, elinewidth=0.6, capthick=0.6, label=name, **series(number))
    axes.set(xscale="log", yscale="log", xlabel=labels[0], ylabel=labels[1])
    axes.set_xticks(sizes, [str(each) for each in sizes])
    axes.minorticks_off()
    figure.legend(loc="outside upper left")
    return figure
