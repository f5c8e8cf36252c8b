"""The panel of the plane: losses around the path, and the path projected onto it."""

from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedFormatter
from numpy.typing import NDArray

from pathsearch.plots.panels import drawable, measured_loss
from pathsearch.plots.style import LINE, legend_above
from pathsearch.report import label, off_plane
from pathsearch.storage import Run

LEVELS = 10
SPAN = (
    512  # of the highest level over the lowest at most, both above the minimum; Garipov et al. 2018 had about as much
)
NOT_FINITE = "0.8"  # grey
SQUARE = 1.01  # width over height of what is drawn to scale
BESIDE = 0.005  # share of the chord that no picture shows


def plane(run: Run, axes: Axes) -> None:
    """Losses on the plane through start, end and the path's middle, with the path projected onto it.

    The path and its pivots lie elsewhere: the legend says how far, and pivots are filled with the colour of their own
    loss (white in files of earlier programs, which do not know it).
    """
    arrays, shadow = run.groups["profiles/plane"], run.groups["profiles/shadow"]
    x, y, loss = arrays["x"], arrays["y"], np.ma.masked_invalid(drawable(arrays[measured_loss(run)]))
    own = drawable(shadow["pivots_loss"]) if "pivots_loss" in shadow else None
    line = drawable(run.groups["profiles/linear"][measured_loss(run)])
    levels = log_levels(*_range(loss.compressed(), line, own))
    axes.set_facecolor(NOT_FINITE)
    scale: dict[str, Any] = {
        "cmap": colormaps["viridis"].with_extremes(bad=NOT_FINITE),
        "norm": BoundaryNorm(levels, 256, extend="max"),
    }
    shading = axes.contourf(x, y, loss, levels=levels, extend="max", **scale)
    shading.set_rasterized(True)  # thousands of polygons with seams between them otherwise
    lines = [level for level in levels if loss.count() and loss.min() < level < loss.max()]
    if lines:
        axes.contour(x, y, loss, levels=lines, colors="white", linewidths=0.3, linestyles="solid")
    bar = axes.figure.colorbar(shading, ax=axes, label=label(measured_loss(run)), ticks=levels)
    bar.ax.yaxis.set_major_formatter(FixedFormatter(told_apart(levels)))
    bar.ax.minorticks_off()
    _path(run, axes, own, scale)
    axes.set(xlabel="distance in weight space")
    stretched = float(np.ptp(x) / np.ptp(y))
    if stretched < SQUARE:
        axes.set_aspect("equal")
    else:  # the path is all but straight
        axes.set_box_aspect(1.0)
        axes.set(ylabel=f"distance, {stretched:.2g} × enlarged")


def why_no_plane(run: Run) -> str | None:
    """Why the plane cannot be drawn."""
    if "profiles/plane" in run.groups:
        small = min(len(run.groups["profiles/plane"][axis]) for axis in "xy") < 2
        return "measure.plane was 1, a single point" if small else None
    if not run.config["measure"]["plane"]:
        return "measure.plane was 0"
    return "start, end and middle lie on one line" if run.state == "finished" else "the plane is not measured yet"


def log_levels(low: float, step: float, high: float) -> NDArray[np.float64]:
    """Rising levels from low to high, from low + step on evenly spaced in log(level − low) (Garipov et al. 2018)."""
    return np.concatenate([[low], low + np.geomspace(step, high - low, LEVELS)[:-1], [high]])


def told_apart(levels: NDArray[np.float64]) -> list[str]:
    """Levels in as few digits as tell them apart."""
    for digits in range(2, 18):
        said = [_number(level, digits) for level in levels]
        if len(set(said)) == len(levels):
            break
    return said


def _number(value: float, digits: int) -> str:
    """No power of ten for what takes few digits without one."""
    whole = len(f"{abs(value):.0f}")
    return f"{value:.{max(digits, whole) if whole < 6 else digits}g}".replace("-", "−")


def _path(run: Run, axes: Axes, own: NDArray[np.float64] | None, scale: dict[str, Any]) -> None:
    """The path, the straight line, and the pivots in the colour of their own loss."""
    shadow = run.groups["profiles/shadow"]
    axes.plot(shadow["path_x"], shadow["path_y"], color="white", linewidth=2.0)  # seen on dark ground and on light
    path = axes.plot(shadow["path_x"], shadow["path_y"], color="black", linewidth=1.0, label="path")
    x, y = shadow["pivots_x"], shadow["pivots_y"]
    line = axes.plot(x[[0, -1]], y[[0, -1]], "--", color=LINE, linewidth=1.0, label="straight line")
    mark, name = ("o", "pivots") if run.curve == "polygon" else ("D", "bends")
    for those, shape, size in (((0, -1), "o", 36.0), (range(1, len(x) - 1), mark, 16.0)):
        part = list(those)
        fill = {"color": "white"} if own is None else {"c": own[part], "plotnonfinite": True, **scale}
        axes.scatter(x[part], y[part], s=1.7 * size, marker=shape, color="black", zorder=3)
        axes.scatter(x[part], y[part], s=size, marker=shape, edgecolors="white", linewidths=0.6, zorder=3, **fill)
    dots = Line2D([], [], linestyle="", marker=mark, color="black", markerfacecolor="white", label=name)
    if own is not None:
        dots.set_label(f"{name} (own loss)")
    legend_above(axes, handles=[*line, *path, *([dots] if len(x) > 2 else [])], note=_beside(run))


def _beside(run: Run) -> str:
    """How far the path lies from where it is drawn; nothing where it lies there."""
    off = off_plane(run)
    if off is None:
        return "path: its projection"
    return "" if off["max"] < BESIDE else f"path {off['mean']:.2f} chord off the plane, at most {off['max']:.2f}"


def _range(
    loss: NDArray[np.float64], line: NDArray[np.float64], own: NDArray[np.float64] | None
) -> tuple[float, float, float]:
    """The lowest loss, how far above it the next level lies, and the highest level, whatever the losses are."""
    own = np.empty(0) if own is None else own[np.isfinite(own)]
    line = line[np.isfinite(line)]
    shown = np.concatenate([loss, own, line])
    if not len(shown):
        return 0.0, 1.0 / SPAN, 1.0
    # the walls around are of no interest: colours end a little above the straight line's barrier
    tops = [line.max() + 0.5 * np.ptp(line)] if len(line) else [loss.max()]
    low, high = float(shown.min()), float(max([*tops, *own]))
    largest = max(abs(low), abs(high))
    least = 1e-6 * largest if largest > 1e-100 else 1.0  # a constant loss has no range
    high = max(high, low + least)
    ends = float(max(line[[0, -1]])) if len(line) else low  # what lies below the higher one is of little interest, too
    return low, float(np.clip(ends - low, (high - low) / SPAN, (high - low) / 2)), high
