"""Panels over the path and over the steps: loss, metrics, convergence."""

import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from pathsearch.plots.style import LINE, PATH, legend_above
from pathsearch.report import absent, label, sought
from pathsearch.storage import Run
from pathsearch.storage.glance import last_step
from pathsearch.storage.metrics import SPLITS, WORDS, metric

LETTERS = 30  # of a metric's name in a line
LENGTH = "arc length (fraction)"
NOT_MEASURED = "the path is not measured yet"
DASHES: Any = ("-", "--")  # of the training set, of the test set
PARTS = 100  # of a long search, each drawn as its median


def profile(run: Run, axes: Axes) -> None:
    """The loss along the path and the straight line; of a path not measured yet, as its last step saw it."""
    if "profiles/path" not in run.groups:
        _as_searched(run, axes)
        return
    columns = [measured_loss(run), *(["test_loss"] if "test_loss" in run.groups["profiles/path"] else [])]
    _both(run, axes, columns, 1.0)
    axes.set(xlabel=LENGTH, ylabel=label(columns[0]) if len(columns) == 1 else "loss")
    _legend(axes, columns, _as_came(run, axes, columns[0]))


def why_no_profile(run: Run) -> str | None:
    """Why the loss along the path cannot be drawn."""
    if "profiles/path" in run.groups or _barrier(run) is not None:
        return None
    return NOT_MEASURED


def along(run: Run, axes: Axes, name: str) -> None:
    """A metric along the path and the straight line, on the training and on the test set."""
    columns = _columns(run, name)
    share = any(metric(run, column).share for column in columns)
    _both(run, axes, columns, 100.0 if share else 1.0)
    axes.set(xlabel=LENGTH, ylabel=axis_label(name if len(columns) > 1 else columns[0], share))
    _legend(axes, columns)


def why_not_along(run: Run, name: str) -> str | None:
    """Why a metric cannot be drawn."""
    if "profiles/path" not in run.groups:
        return NOT_MEASURED
    return "its objective has no classes" if all(absent(run, column) for column in _columns(run, name)) else None


def convergence(run: Run, axes: Axes) -> None:
    """The highest loss and the largest force that the search saw, step by step; of a minimum, its own.

    Long searches on mini-batches are noise: their steps are drawn faintly, and over them medians of hundredths.
    """
    history = run.groups["history"]
    steps = np.arange(len(history["step"]))
    force, losses = history["force"], drawable(np.nanmax(history["loss"], axis=1))
    marker = "o" if len(steps) == 1 else None  # a line of one point cannot be seen
    long = len(steps) > 2 * PARTS
    faint: Any = {"alpha": 0.2, "linewidth": 0.5} if long else {"linewidth": 0.8}
    axes.plot(steps, losses, marker=marker, color=PATH, **faint)
    if long:
        axes.plot(medians(steps), medians(losses), color=PATH)
    alone = run.shape[0] == 1  # a minimum
    axes.set(xlabel="step", ylabel="loss" if alone else "highest loss")
    for start in np.flatnonzero(np.diff(history["stage"])):
        axes.axvline(start + 0.5, color="0.8", linewidth=0.6, zorder=0)
    right = axes.twinx()
    right.plot(steps, force, marker=marker, color=LINE, **faint)
    if (force > 0).any():
        right.set_yscale("log")
    if long:
        middle = medians(force)
        right.plot(medians(steps), middle, color=LINE)
        if (middle > 0).any():  # single steps of almost no force would take most of the axis
            right.set_ylim(bottom=0.1 * middle[middle > 0].min())
    right.set_ylabel("force" if alone else "largest force", color=LINE)
    axes.yaxis.label.set_color(PATH)


def medians(values: NDArray[Any]) -> NDArray[np.float64]:
    """Medians of as many equal parts as there are to be of a long series, one after another; NaN where all are."""
    parts = [part[np.isfinite(part)] for part in np.array_split(np.asarray(values, dtype=float), PARTS)]
    return np.array([np.median(part) if len(part) else np.nan for part in parts])


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


def over_length(run: Run, name: str, column: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """A column of the profile `path` or `linear`: fractions of the arc length [T], values [T]."""
    arrays = run.groups[f"profiles/{name}"]
    return arrays["arc_length"] / arrays["arc_length"][-1], drawable(arrays[column])


def pivots_along(run: Run) -> list[int]:
    """Which points of the path's profile are its pivots; none where it is straight or does not run through them."""
    if run.curve != "polygon" or run.shape[0] < 3:
        return []
    pivots = np.linspace(0.0, 1.0, run.shape[0])  # equal shares of t to every segment
    return [int(np.abs(run.groups["profiles/path"]["t"] - t).argmin()) for t in pivots]


def axis_label(column: str, share: bool) -> str:
    """A metric's name beside an axis; a share of one is drawn in per cent."""
    return textwrap.fill(label(column), LETTERS) + (", %" if share else "")


def _columns(run: Run, name: str) -> list[str]:
    """A metric's columns of the path's profile."""
    return [f"{split}_{name}" for split in SPLITS if f"{split}_{name}" in run.groups["profiles/path"]]


def _barrier(run: Run) -> float | None:
    return last_step(run.groups["history"])[1]


def _as_searched(run: Run, axes: Axes) -> None:
    history = run.groups["history"]
    t, losses = history["t"][-1], history["loss"][-1]
    axes.plot(t, losses, "o--", color=PATH, linewidth=1.0, label="as the last step kept saw it, not measured yet")
    axes.set(xlabel="t", ylabel="loss")
    legend_above(axes)


def _as_came(run: Run, axes: Axes, column: str) -> str:
    """The straight line to an end that was permuted, before it was; it may leave the axes, which are for the others.

    Returns what is to be said of it.
    """
    line = run.groups.get("alignment/line", {})
    if column not in line or any(point["side"] == "end" and point["identity"] for point in run.alignment["sides"]):
        return ""
    share, losses = line["arc_length"] / line["arc_length"][-1], drawable(line[column])
    axes.autoscale_view()
    axes.autoscale(False)
    axes.plot(share, losses, color=LINE, linewidth=0.9, alpha=0.4, zorder=1)
    top = f", up to {np.nanmax(losses):.3g}" if np.isfinite(losses).any() else ""
    return f"faint: straight line not aligned{top}"


def _both(run: Run, axes: Axes, columns: Sequence[str], scale: float) -> None:
    """Columns along the straight line and along the path, pivots marked; those of a second column dashed."""
    pivots = pivots_along(run)
    for dashes, column, inside in zip(DASHES, columns, (PATH, "white")):
        first = column == columns[0]
        if "profiles/linear" in run.groups:
            share, values = over_length(run, "linear", column)
            said = "straight line" if first else None
            axes.plot(share, scale * values, dashes, color=LINE, linewidth=0.9, label=said)
        share, values = over_length(run, "path", column)
        (line,) = axes.plot(share, scale * values, dashes, color=PATH)
        if pivots:
            line.set(marker="o", markevery=pivots, markerfacecolor=inside)
        if first:
            line.set_label("path and its pivots" if pivots else "path")


def _legend(axes: Axes, columns: Sequence[str], note: str = "") -> None:
    """What the lines are; of two columns which are dashed."""
    handles: list[Artist] = list(axes.get_legend_handles_labels()[0])
    if len(columns) > 1:
        splits = [f"{WORDS[column.partition('_')[0]]} set" for column in columns]
        handles += [Line2D([], [], color="0.3", linestyle=how, label=said) for how, said in zip(DASHES, splits)]
    legend_above(axes, handles, note)
