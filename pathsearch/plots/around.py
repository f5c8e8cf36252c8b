"""The panel of the plane: losses around the path, and the path projected onto it."""

from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm
from numpy.typing import NDArray

from pathsearch.plots.panels import LINE, drawable, measured_loss
from pathsearch.report import label, off_plane
from pathsearch.storage import Run

LEVELS = 22
NOT_FINITE = "0.8"  # grey
BESIDE = 0.005  # share of the chord that no picture shows


def plane(run: Run, axes: Axes) -> None:
    """Losses on the plane through start, end and the path's middle, with the path projected onto it.

    The path and its pivots lie elsewhere: the title says how far, and pivots are filled with the colour of their own
    loss (white in files of earlier programs, which do not know it).
    """
    arrays, shadow = run.groups["profiles/plane"], run.groups["profiles/shadow"]
    x, y, loss = arrays["x"], arrays["y"], np.ma.masked_invalid(drawable(arrays[measured_loss(run)]))
    own = drawable(shadow["pivots_loss"]) if "pivots_loss" in shadow else None
    levels = _levels(loss.compressed(), drawable(run.groups["profiles/linear"][measured_loss(run)]), own)
    axes.set_facecolor(NOT_FINITE)
    scale: dict[str, Any] = {
        "cmap": colormaps["viridis"].with_extremes(bad=NOT_FINITE),
        "norm": BoundaryNorm(levels, 256, extend="both"),
    }
    shading = axes.contourf(x, y, loss, levels=levels, extend="both", **scale)
    shading.set_rasterized(True)  # thousands of polygons with seams between them otherwise
    lines = [level for level in levels[::3] if loss.count() and loss.min() < level < loss.max()]
    if lines:
        axes.contour(x, y, loss, levels=lines, colors="white", linewidths=0.4, linestyles="solid")
    axes.figure.colorbar(shading, ax=axes, label=label(measured_loss(run)), ticks=levels[::3], format="%.3g")
    _path(shadow, axes)
    fill = {"color": "white"} if own is None else {"c": own, "plotnonfinite": True, **scale}
    pivots_x, pivots_y = shadow["pivots_x"], shadow["pivots_y"]
    sizes = np.full(len(pivots_x), 36.0)
    sizes[[0, -1]] = 80.0
    axes.scatter(pivots_x, pivots_y, s=1.6 * sizes, color="black", zorder=3)  # seen on dark ground and on light
    axes.scatter(pivots_x, pivots_y, s=sizes, edgecolors="white", linewidths=0.9, zorder=3, **fill)
    axes.set(xlabel="distance in weight space", title="plane through start, end and middle\n" + _beside(run))
    axes.title.set_fontsize(9)
    axes.set_aspect("equal")


def why_no_plane(run: Run) -> str | None:
    """Why the plane cannot be drawn."""
    if "profiles/plane" in run.groups:
        small = min(len(run.groups["profiles/plane"][axis]) for axis in "xy") < 2
        return "measure.plane was 1, a single point" if small else None
    if not run.config["measure"]["plane"]:
        return "measure.plane was 0"
    return "start, end and middle lie on one line" if run.state == "finished" else "the plane is not measured yet"


def _path(shadow: dict[str, NDArray[np.float64]], axes: Axes) -> None:
    axes.plot(shadow["path_x"], shadow["path_y"], color="white", linewidth=2.4)
    axes.plot(shadow["path_x"], shadow["path_y"], color="black", linewidth=1.2)
    axes.plot(shadow["pivots_x"][[0, -1]], shadow["pivots_y"][[0, -1]], "--", color=LINE, linewidth=1.2)


def _beside(run: Run) -> str:
    """How far the path lies from where it is drawn."""
    off = off_plane(run)
    if off is None:
        return "path: its projection"
    if off["max"] < BESIDE:
        return "the path lies in it; pivots: their own loss"
    far = f"off by {off['mean']:.2f} chord, at most {off['max']:.2f}"
    return f"path: its projection, {far}\npivots: coloured by their own loss"


def _levels(
    loss: NDArray[np.float64], line: NDArray[np.float64], own: NDArray[np.float64] | None
) -> NDArray[np.float64]:
    """Boundaries between colours, rising, whatever the losses are."""
    own = np.empty(0) if own is None else own[np.isfinite(own)]
    line = line[np.isfinite(line)]
    shown = np.concatenate([loss, own, line])
    if not len(shown):
        return np.linspace(0.0, 1.0, LEVELS)
    # the walls around are of no interest: colours end a little above the straight line's barrier
    tops = [line.max() + 0.5 * np.ptp(line)] if len(line) else [loss.max()]
    low, high = float(shown.min()), float(max([*tops, *own]))
    largest = max(abs(low), abs(high))
    least = 1e-6 * largest if largest > 1e-100 else 1.0  # a constant loss has no range
    return np.linspace(low, max(high, low + least), LEVELS)
