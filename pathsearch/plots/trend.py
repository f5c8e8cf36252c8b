"""A picture of what grows or falls over sizes: a line with bars of deviation for each of several ways."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure


class Row(NamedTuple):
    """Mean and deviation, a number a size."""

    mean: list[float]
    deviation: list[float]


def trend(sizes: Sequence[int], rows: Mapping[str, Row], labels: tuple[str, str], file: Path) -> None:
    """Draw rows over sizes, both axes in powers; labels: of the axes. What is no more than zero is left out."""
    figure = Figure(figsize=(5.6, 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for number, (name, row) in enumerate(rows.items()):
        seen = [n for n, mean in enumerate(row.mean) if mean > 0]
        x, mean = [sizes[n] * 1.03**number for n in seen], [row.mean[n] for n in seen]  # bars beside one another
        low = [min(row.deviation[n], 0.9 * row.mean[n]) for n in seen]  # a bar to zero has no end on this axis
        axes.errorbar(x, mean, yerr=[low, [row.deviation[n] for n in seen]], marker="o", capsize=2, label=name)
    axes.set(xscale="log", yscale="log", xlabel=labels[0], ylabel=labels[1])
    axes.set_xticks(sizes, [str(each) for each in sizes])
    axes.minorticks_off()
    axes.legend(frameon=False, fontsize=8)
    figure.savefig(file, dpi=150)
