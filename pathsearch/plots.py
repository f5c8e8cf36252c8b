"""Pictures of a run: profile, plane, convergence. `path.h5` in, one PNG out."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from pathsearch.errors import PathsearchError
from pathsearch.report import figures, headline, label
from pathsearch.storage import Run

PATH, LINE = "#0b6e99", "#c8553d"


def picture(run: Run) -> Figure:
    """All that can be drawn of a run, side by side."""
    draw = [profile]
    if "test_error" in run.groups.get("profiles/path", {}):
        draw.append(error)
    if "profiles/plane" in run.groups:
        draw.append(plane)
    if len(run.groups["history"]["step"]):
        draw.append(convergence)
    figure = Figure(figsize=(4.6 * len(draw), 4.2), layout="constrained")
    for axes, part in zip(figure.subplots(1, len(draw), squeeze=False)[0], draw):
        part(run, axes)
    figure.suptitle(headline(figures(run)), fontsize=9)
    return figure


def save(run: Run, file: Path) -> None:
    """Write the picture as PNG; raises PathsearchError where the path is not measured yet, or the file not writable."""
    if "profiles/path" not in run.groups or "profiles/linear" not in run.groups:
        raise PathsearchError(f"{run.file} is not measured yet: run it to its end first")
    figure = picture(run)
    FigureCanvasAgg(figure)
    try:
        figure.savefig(file, dpi=130, format="png")
    except (OSError, ValueError) as error:
        raise PathsearchError(f"cannot write {file}: {error}") from error


def profile(run: Run, axes: Axes) -> None:
    """The loss along the path and the straight line, against the share of each one's length."""
    _along(run, axes, _loss(run), 1.0)
    name = label(_loss(run))
    if "test_loss" in run.groups["profiles/path"]:
        _along(run, axes, "test_loss", 1.0, dashed=True)
        name = "loss (dashed: test)"
    axes.set(xlabel="share of the length", ylabel=name, title="loss along the path")
    axes.legend(frameon=False)


def error(run: Run, axes: Axes) -> None:
    """Training and test error along the path and the straight line."""
    _along(run, axes, "train_error", 100.0)
    _along(run, axes, "test_error", 100.0, dashed=True)
    axes.set(xlabel="share of the length", ylabel="error, % (dashed: test)", title="error along the path")


def plane(run: Run, axes: Axes) -> None:
    """Losses on the plane through start, end and the path's middle, with the path's shadow on it."""
    arrays, shadow = run.groups["profiles/plane"], run.groups["profiles/shadow"]
    loss = arrays[_loss(run)]
    ends = run.groups["profiles/linear"][_loss(run)]
    # the walls around are of no interest: colours end a little above the straight line's barrier
    low, high = float(np.nanmin(loss)), float(ends.max() + 0.5 * np.ptp(ends))
    levels = np.linspace(low, high if high > low else low + 1.0, 22)
    shading = axes.contourf(arrays["x"], arrays["y"], loss, levels=levels, cmap="viridis", extend="both")
    axes.contour(arrays["x"], arrays["y"], loss, levels=levels[::3], colors="white", linewidths=0.4)
    axes.figure.colorbar(shading, ax=axes, label=label(_loss(run)))
    axes.plot(shadow["path_x"], shadow["path_y"], color="white", linewidth=2.4)
    axes.plot(shadow["path_x"], shadow["path_y"], color="black", linewidth=1.2, label="path (its shadow)")
    axes.plot(shadow["pivots_x"], shadow["pivots_y"], "o", color="black", markersize=3.5, markerfacecolor="white")
    axes.plot(shadow["pivots_x"][[0, -1]], shadow["pivots_y"][[0, -1]], "o", color="black", markersize=6)
    axes.plot(shadow["pivots_x"][[0, -1]], shadow["pivots_y"][[0, -1]], "--", color=LINE, linewidth=1.2)
    axes.set(xlabel="distance in weight space", title="plane through start, end and middle")
    axes.set_aspect("equal")


def convergence(run: Run, axes: Axes) -> None:
    """The highest loss and the largest force the search saw, step by step."""
    history = run.groups["history"]
    rows = history["stage"] >= run.summary["training"]
    if not rows.any():
        rows = np.ones(len(rows), dtype=bool)
    steps = np.arange(int(rows.sum()))
    force, losses = history["force"][rows], np.nanmax(history["loss"][rows], axis=1)
    axes.plot(steps, losses, color=PATH, linewidth=1.0)
    axes.set(xlabel="step", ylabel="highest loss", title="convergence")
    for start in np.flatnonzero(np.diff(history["stage"][rows])):
        axes.axvline(start + 0.5, color="0.8", linewidth=0.8, zorder=0)
    right = axes.twinx()
    right.plot(steps, force, color=LINE, linewidth=0.8, alpha=0.8)
    if (force > 0).any():
        right.set_yscale("log")
    right.set_ylabel("largest force", color=LINE)
    axes.yaxis.label.set_color(PATH)


def _loss(run: Run) -> str:
    return "train_loss" if "train_loss" in run.groups["profiles/path"] else "loss"


def _along(run: Run, axes: Axes, metric: str, scale: float, dashed: bool = False) -> None:
    for name, colour, said in (("linear", LINE, "straight line"), ("path", PATH, "path")):
        arrays = run.groups[f"profiles/{name}"]
        share = arrays["arc_length"] / arrays["arc_length"][-1]
        style = {"linestyle": "--", "linewidth": 1.0} if dashed else {"label": said}
        axes.plot(share, scale * arrays[metric], color=colour, **style)
