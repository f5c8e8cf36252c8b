"""Pictures of many minima: the disconnectivity graph, the graph of their paths, the saddles of all pairs."""

from pathlib import Path

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from pathsearch.numerics import tree
from pathsearch.plots.figure import written
from pathsearch.plots.style import PATH, STYLE, blank
from pathsearch.report import label
from pathsearch.storage.landscape import Landscape

MAP = "viridis"


@rc_context(STYLE)
def drawn(landscape: Landscape) -> Figure:
    """All pictures of a landscape with at least one path."""
    figure = blank(2, 2)
    panels = figure.subplots(2, 2)
    disconnectivity(landscape, panels[0, 0])
    connectivity(landscape, panels[0, 1])
    matrix(landscape, panels[1, 0], landscape.saddles, "saddle")
    matrix(landscape, panels[1, 1], tree.minimax(landscape.saddles), "lowest way's saddle")
    return figure


def save(landscape: Landscape, file: Path) -> None:
    """Write all pictures of a landscape in the format of the file's suffix; raises as `figure.save` does."""
    written(lambda: drawn(landscape), file)


def disconnectivity(landscape: Landscape, axes: Axes) -> None:
    """Every minimum a line that begins at its value; lines meet where the lowest way between them is highest.

    Heights are exact (Becker & Karplus 1997 have levels).
    """
    values, saddles = landscape.values, landscape.saddles
    order = tree.leaves(values, saddles)
    place = {n: float(at) for at, n in enumerate(order)}
    top: dict[int, tuple[float, float]] = {n: (place[n], values[n]) for n in order}  # of each one's group
    for merge in tree.merges(values, saddles):
        (x1, y1), (x2, y2) = top[merge.first[0]], top[merge.second[0]]
        axes.plot([x1, x1, x2, x2], [y1, merge.height, merge.height, y2], color=PATH, solid_joinstyle="miter")
        top |= dict.fromkeys((*merge.first, *merge.second), (0.5 * (x1 + x2), merge.height))
    for x, y in {top[n] for n in order}:  # of each part that is joined
        finite = saddles[np.isfinite(saddles)]
        high = finite.max() + 0.06 * (finite.max() - values[np.isfinite(values)].min())
        axes.plot([x, x], [y, high], color=PATH)
    known = values[np.isfinite(values)]
    heights = [merge.height for merge in tree.merges(values, saddles)]
    if known.min() > 0 and max(heights) > 10 * known.min():
        axes.set_yscale("log")
    axes.set_xticks(range(len(order)), [landscape.names[n] for n in order], rotation=90)
    axes.set_ylabel(label(landscape.metric))
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def connectivity(landscape: Landscape, axes: Axes) -> None:
    """Minima on a circle, the better the darker, and paths between them, those of the tree thick."""
    count = len(landscape.names)
    turn = np.pi / 2 - 2 * np.pi * np.arange(count) / count
    x, y = np.cos(turn), np.sin(turn)
    saddles = [way.figures["saddle"] for way in landscape.paths]
    colours = ScalarMappable(Normalize(min(saddles), max(saddles)), MAP)
    shades = dict(zip(saddles, colours.to_rgba(np.array(saddles))))
    on_tree = set(tree.spanning_tree(landscape.saddles))
    for way in sorted(landscape.paths, key=lambda way: -way.figures["saddle"]):
        ends = [way.one, way.other]
        width = 2.4 if (way.one, way.other) in on_tree else 0.7
        axes.plot(x[ends], y[ends], color=shades[way.figures["saddle"]], linewidth=width, zorder=1)
    axes.scatter(x, y, c="white", edgecolors="black", s=30, zorder=2)
    for n, name in enumerate(landscape.names):
        side = "center" if abs(x[n]) < 0.1 else "left" if x[n] > 0 else "right"
        axes.annotate(name, (x[n], y[n]), (1.12 * x[n], 1.15 * y[n]), ha=side, va="center")
    axes.set(xlim=(-1.7, 1.7), ylim=(-1.4, 1.4), aspect="equal")
    axes.set_axis_off()
    axes.figure.colorbar(colours, ax=axes, label=f"saddle, {label(landscape.metric)}", shrink=0.85)


def matrix(landscape: Landscape, axes: Axes, table: np.ndarray, said: str) -> None:
    """A figure of all pairs, in the order of the tree; what is not known stays white."""
    order = tree.leaves(landscape.values, landscape.saddles)
    shown = np.where(np.isfinite(table), table, np.nan)[np.ix_(order, order)]
    image = axes.imshow(shown, cmap=MAP)
    names = [landscape.names[n] for n in order]
    axes.set_xticks(range(len(order)), names, rotation=90)
    axes.set_yticks(range(len(order)), names)
    axes.figure.colorbar(image, ax=axes, label=f"{said}, {label(landscape.metric)}", shrink=0.85)
