"""Pictures of many minima: the disconnectivity graph, the graphs of paths and tree, profiles, figures of all pairs."""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import takewhile
from pathlib import Path
from string import digits

import numpy as np
from matplotlib import colormaps, rc_context
from matplotlib.axes import Axes
from matplotlib.axis import Axis, XAxis
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from pathsearch import storage
from pathsearch.errors import PathsearchError
from pathsearch.numerics import tree
from pathsearch.numerics.radial import radial
from pathsearch.numerics.tree import Array
from pathsearch.plots.figure import Panel, Panels, possible, refuse_missing, side_by_side, written
from pathsearch.plots.panels import LENGTH, over_length, pivots_along
from pathsearch.plots.style import PATH, POINTS, STYLE
from pathsearch.report import label
from pathsearch.report_landscape import LOWEST, headline, pairs, spanning
from pathsearch.storage import Run
from pathsearch.storage.landscape import FIGURES, Landscape, Way

MAP = ListedColormap(colormaps["viridis"](np.linspace(0.0, 0.93, 256)), "saddles")  # its yellow is faint on paper
GREYS = ListedColormap(colormaps["Greys_r"](np.linspace(0.15, 1.0, 256)), "minima")
LETTERS = 32  # of all names that fit beside one another
SAID = {"minimax": "saddle of the lowest way", "minimax_barrier": "barrier of the lowest way"}


def panels(read: Callable[[], Landscape]) -> Panels:
    """The panels of a landscape as functions; read: gives it as it is then."""
    return Panels(read, lambda landscape: PANELS, picture)


@rc_context(STYLE)
def picture(landscape: Landscape, names: Sequence[str] = ()) -> Figure:
    """The panels of these names, two side by side; where none is named, all usual ones that can be drawn.

    Raises PathsearchError where a panel has no such name, cannot be drawn, or nothing can.
    """
    drawn = list(names) or [name for name in possible(landscape, PANELS) if name in USUAL]
    for name in drawn or USUAL[:1]:
        refuse_missing(landscape, PANELS, name)
    missing = [] if names else [why for name in USUAL if (why := PANELS[name].missing(landscape)) is not None]
    heading = missing if names else [headline(landscape), *(f"no profiles: {why}" for why in missing)]
    return side_by_side(landscape, [PANELS[name] for name in drawn], heading)


def save(landscape: Landscape, file: Path, names: Sequence[str] = ()) -> None:
    """Write a picture of a landscape in the format of the file's suffix; raises as `picture` and `figure.save` do."""
    written(lambda: picture(landscape, names), file)


def disconnectivity(landscape: Landscape, axes: Axes) -> None:
    """Every minimum a line that begins at its value; lines meet where the lowest way between them is highest.

    Heights are exact (Becker & Karplus 1997 have levels).
    """
    values, saddles = landscape.values, landscape.saddles
    order, merges = tree.leaves(values, saddles), tree.merges(values, saddles)
    place = {n: float(at) for at, n in enumerate(order)}
    top: dict[int, tuple[float, float]] = {n: (place[n], values[n]) for n in order}  # of each one's group
    for merge in merges:
        (x1, y1), (x2, y2) = top[merge.first[0]], top[merge.second[0]]
        axes.plot([x1, x1, x2, x2], [y1, merge.height, merge.height, y2], color=PATH, solid_joinstyle="miter")
        top |= dict.fromkeys((*merge.first, *merge.second), (0.5 * (x1 + x2), merge.height))
    heights = np.array([*values[np.isfinite(values)], *(merge.height for merge in merges)])
    if _wide(heights):
        axes.set_yscale("log")
        _plain_logarithms(axes.yaxis, heights)
        high = heights.max() * (heights.max() / heights.min()) ** 0.06
    else:
        high = heights.max() + 0.06 * np.ptp(heights)
    for x, y in {top[n] for n in order}:  # of each part that is joined
        axes.plot([x, x], [y, high], color=PATH)
    _name(landscape, order, axes.xaxis)
    axes.set_ylabel(label(landscape.metric))
    axes.set_xlim(-0.5, len(order) - 0.5)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def connectivity(landscape: Landscape, axes: Axes) -> None:
    """Minima on a circle in the order of the tree, and all paths between them, those of the tree thick."""
    order = tree.leaves(landscape.values, landscape.saddles)
    turn = np.empty(len(order))
    turn[order] = np.pi / 2 - 2 * np.pi * np.arange(len(order)) / len(order)
    _graph(landscape, axes, np.stack([np.cos(turn), np.sin(turn)], axis=1), landscape.paths)


def spanning_tree(landscape: Landscape, axes: Axes) -> None:
    """The tree of lowest ways, from its middle outwards."""
    ways = spanning(landscape)
    _graph(landscape, axes, radial(len(landscape.names), [(way.one, way.other) for way in ways]), ways)


def profiles(landscape: Landscape, axes: Axes) -> None:
    """The loss along every path of the tree from the better minimum to the other, pivots marked."""
    found = _measured(landscape)
    norm = _norm(np.array([way.figures["saddle"] for way, _ in found]))
    for way, run in sorted(found, key=lambda each: -each[0].figures["saddle"]):
        x, values = over_length(run, "path", landscape.metric)
        x = 1.0 - x if values[0] > values[-1] else x
        shade = MAP(norm(way.figures["saddle"]))
        axes.plot(x, values, "D-", color=shade, markevery=pivots_along(run), markersize=2.5, linewidth=1.0)
    if _wide(heights := np.concatenate([line.get_ydata() for line in axes.get_lines()])):
        axes.set_yscale("log")
        _plain_logarithms(axes.yaxis, heights)
    axes.set(xlabel=LENGTH, ylabel=label(landscape.metric), xlim=(-0.03, 1.03))
    _bar(axes, ScalarMappable(norm, MAP), "saddle")


def matrix(landscape: Landscape, axes: Axes, figure: str) -> None:
    """A figure of all pairs, in the order of the tree; pairs without it are hatched."""
    order = tree.leaves(landscape.values, landscape.saddles)
    shown = pairs(landscape)[figure][np.ix_(order, order)]
    image = axes.imshow(shown, cmap=MAP, norm=_norm(shown), aspect="auto")  # square, the layout would not fit
    for v, u in np.argwhere(np.isnan(shown) & ~np.eye(len(order), dtype=bool)).tolist():
        axes.add_patch(
            Rectangle((u - 0.5, v - 0.5), 1, 1, facecolor="0.93", edgecolor="0.6", hatch="////", linewidth=0)
        )
    _name(landscape, order, axes.xaxis)
    _name(landscape, order, axes.yaxis)
    said = SAID.get(figure, figure.replace("_", " "))
    _bar(axes, image, said if figure in ("length", "chord", "gradients") else f"{said}, {label(landscape.metric)}")


def _graph(landscape: Landscape, axes: Axes, places: Array, ways: Sequence[Way]) -> None:
    """Minima at places [n, 2], the lower the darker, in them what their names differ in; and paths between them."""
    values = np.where(np.isfinite(landscape.values), landscape.values, np.nan)
    saddles, heights = _norm(np.array([way.figures["saddle"] for way in ways])), _norm(values)
    on_tree = {(way.one, way.other) for way in spanning(landscape)}
    for way in sorted(ways, key=lambda way: -way.figures["saddle"]):
        width = 2.4 if (way.one, way.other) in on_tree else 0.7
        axes.plot(*places[[way.one, way.other]].T, color=MAP(saddles(way.figures["saddle"])), linewidth=width)
    size = min(POINTS, 110 / len(places))
    for name, (x, y), value in zip(_without_beginning(landscape.names), places.tolist(), values):
        shade = GREYS(heights(value)) if np.isfinite(value) else (1.0, 1.0, 1.0, 1.0)
        box = {"boxstyle": "circle,pad=0.25", "facecolor": shade, "edgecolor": "black", "linewidth": 0.6}
        ink = "white" if shade[0] < 0.5 else "black"
        axes.text(x, y, name, size=size, color=ink, ha="center", va="center", bbox=box, zorder=3)
    far = 1.12 * float(np.abs(places).max())
    axes.set(xlim=(-far, far), ylim=(-far, far), aspect="equal")
    axes.set_axis_off()
    said = label(landscape.metric)
    _bar(axes, ScalarMappable(saddles, MAP), f"saddle, {said}", 0.54)
    _bar(axes, ScalarMappable(heights, GREYS), "minimum", 0.0, 0.42)


def _bar(axes: Axes, colours: ScalarMappable, said: str, bottom: float = 0.0, top: float = 1.0) -> None:
    """A bar of colours on the right, between two shares of the panel's height."""
    beside = axes.inset_axes((1.04, bottom, 0.05, top - bottom))
    bar = axes.figure.colorbar(colours, cax=beside, label=said)
    if isinstance(colours.norm, LogNorm):
        _plain_logarithms(bar.ax.yaxis, np.array([colours.norm.vmin, colours.norm.vmax], dtype=float))
    else:
        bar.ax.yaxis.set_major_locator(MaxNLocator(6 if top - bottom > 0.5 else 4, steps=[1, 2, 2.5, 5, 10]))


def _plain_logarithms(axis: Axis, values: Array) -> None:
    """Ticks of a logarithmic axis as plain numbers, 1, 2 and 5 of every decade unless there are many."""
    decades = np.log10(values.max() / values.min())
    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if decades < 3 else (1.0,)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def _name(landscape: Landscape, order: Sequence[int], axis: Axis) -> None:
    """Names of minima along an axis, as large as they fit; below it upright where they would not fit else."""
    names = [landscape.names[n] for n in order]
    axis.set_ticks(range(len(order)), names)
    across = isinstance(axis, XAxis) and sum(map(len, names)) > LETTERS
    axis.set_tick_params(labelsize=min(POINTS, 125 / len(order)), labelrotation=90 if across else 0)


def _without_beginning(names: Sequence[str]) -> list[str]:
    """Names without what all begin with, but for digits; as they are where one would be empty."""
    alike = [letters[0] for letters in takewhile(lambda letters: len(set(letters)) == 1, zip(*names))]
    begin = len("".join(alike).rstrip(digits))
    return list(names) if begin in map(len, names) else [name[begin:] for name in names]


def _norm(values: Array) -> Normalize:
    """The range of finite values, of their logarithms where they are wide apart."""
    known = values[np.isfinite(values)]
    return (LogNorm if _wide(known) else Normalize)(known.min(), known.max())


def _wide(values: Array) -> bool:
    """Whether values are to be shown by their logarithm."""
    known = values[np.isfinite(values)]
    return bool(known.min() > 0 and known.max() > 10 * known.min())


def _measured(landscape: Landscape) -> list[tuple[Way, Run]]:
    """The runs of the tree; raises PathsearchError for one that is gone, not measured, or another one by now."""
    found = []
    for way in spanning(landscape):
        run = storage.read(landscape.folder(way))
        profile = run.groups.get("profiles/path", {})
        if landscape.metric not in profile:
            raise PathsearchError(f"{run.file} is not measured: run the same `pathsearch explore` again")
        if float(profile[landscape.metric].max()) != way.figures["saddle"]:
            raise PathsearchError(
                f"{run.file} is another run than {landscape.file.name} has: run the same `pathsearch explore` again"
            )
        found.append((way, run))
    return found


def _no_paths(landscape: Landscape) -> str | None:
    return None if landscape.paths else "no path is found yet"


def _no_profiles(landscape: Landscape) -> str | None:
    try:
        _measured(landscape)
    except PathsearchError as error:
        return str(error)
    return _no_paths(landscape)


USUAL = ("disconnectivity", "connectivity", "tree", "profiles", "saddle", "minimax")
"""Panels that are drawn where none is named."""

PANELS = {
    "disconnectivity": Panel(disconnectivity, _no_paths),
    "connectivity": Panel(connectivity, _no_paths),
    "tree": Panel(spanning_tree, _no_paths),
    "profiles": Panel(profiles, _no_profiles),
    **{name: Panel(partial(matrix, figure=name), _no_paths) for name in (*FIGURES, *LOWEST)},
}
