"""Panels over the path and over the steps: loss, error, convergence."""

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from pathsearch.report import label, sought
from pathsearch.storage import Run
from pathsearch.storage.glance import last_step

PATH, LINE = "#0b6e99", "#c8553d"
NOT_MEASURED = "the path is not measured yet"


def profile(run: Run, axes: Axes) -> None:
    """The loss along the path and the straight line; of a path not measured yet, as its last step saw it."""
    if "profiles/path" not in run.groups:
        _as_searched(run, axes)
        return
    _along(run, axes, measured_loss(run), 1.0)
    name = label(measured_loss(run))
    if "test_loss" in run.groups["profiles/path"]:
        _along(run, axes, "test_loss", 1.0, dashed=True)
        name = "loss (dashed: test)"
    axes.set(xlabel="share of the length", ylabel=name, title="loss along the path")
    axes.legend(frameon=False)


def why_no_profile(run: Run) -> str | None:
    """Why the loss along the path cannot be drawn."""
    if "profiles/path" in run.groups or _barrier(run) is not None:
        return None
    return NOT_MEASURED


def error(run: Run, axes: Axes) -> None:
    """Training and test error along the path and the straight line."""
    _along(run, axes, "train_error", 100.0)
    _along(run, axes, "test_error", 100.0, dashed=True)
    axes.set(xlabel="share of the length", ylabel="error, % (dashed: test)", title="error along the path")


def why_no_error(run: Run) -> str | None:
    """Why errors cannot be drawn."""
    if "profiles/path" not in run.groups:
        return NOT_MEASURED
    known = run.groups["profiles/path"].get("train_error")
    return "its objective has no classes" if known is None or np.isnan(known).all() else None


def convergence(run: Run, axes: Axes) -> None:
    """The highest loss and the largest force that the search saw, step by step; of a minimum, its own."""
    history = run.groups["history"]
    steps = np.arange(len(history["step"]))
    force, losses = history["force"], drawable(np.nanmax(history["loss"], axis=1))
    marker = "o" if len(steps) == 1 else None  # a line of one point cannot be seen
    axes.plot(steps, losses, marker=marker, color=PATH, linewidth=1.0)
    alone = run.shape[0] == 1  # a minimum
    axes.set(xlabel="step", ylabel="loss" if alone else "highest loss", title="training" if alone else "convergence")
    for start in np.flatnonzero(np.diff(history["stage"])):
        axes.axvline(start + 0.5, color="0.8", linewidth=0.8, zorder=0)
    right = axes.twinx()
    right.plot(steps, force, marker=marker, color=LINE, linewidth=0.8)
    if (force > 0).any():
        right.set_yscale("log")
    right.set_ylabel("force" if alone else "largest force", color=LINE)
    axes.yaxis.label.set_color(PATH)


def why_no_convergence(run: Run) -> str | None:
    """Why the steps of the search cannot be drawn."""
    if len(run.groups["history"]["step"]):
        return None
    return "nothing was searched" if run.state == "finished" else "no step of the search is kept"


def measured_loss(run: Run) -> str:
    """The loss that is drawn: without weight decay, which is no part of the data's."""
    return "train_loss" if "train_loss" in run.groups["profiles/path"] else sought(run)


def drawable(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Values with NaN for what no picture can show; beyond 1e100 matplotlib's arithmetic overflows."""
    return np.where(np.abs(values) < 1e100, values, np.nan)


def _barrier(run: Run) -> float | None:
    return last_step(run.groups["history"])[1]


def _as_searched(run: Run, axes: Axes) -> None:
    history = run.groups["history"]
    t, losses = history["t"][-1], history["loss"][-1]
    axes.plot(t, losses, "o--", color=PATH, linewidth=1.0, markersize=3.5, label="as the last step kept saw it")
    axes.set(xlabel="t", ylabel="loss", title="loss along the path, not measured yet")
    axes.legend(frameon=False)


def _along(run: Run, axes: Axes, metric: str, scale: float, dashed: bool = False) -> None:
    for name, colour, said in (("linear", LINE, "straight line"), ("path", PATH, "path")):
        arrays = run.groups.get(f"profiles/{name}")
        if arrays is None:
            continue
        share = arrays["arc_length"] / arrays["arc_length"][-1]
        style = {"linestyle": "--", "linewidth": 1.0} if dashed else {"label": said}
        axes.plot(share, scale * drawable(arrays[metric]), color=colour, **style)
