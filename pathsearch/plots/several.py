"""Profiles of several runs in one picture: the loss, and the error or another metric that all have."""

from collections.abc import Mapping, Sequence
from textwrap import fill

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from pathsearch.errors import PathsearchError
from pathsearch.plots.panels import LENGTH, axis_label, over_length, pivots_along
from pathsearch.plots.style import STYLE, blank, legend_above, letters, series
from pathsearch.report import absent, warnings
from pathsearch.settings import one_of
from pathsearch.storage import Run
from pathsearch.storage.metrics import beside_the_loss, columns, metric, subset

FAINT = "0.7"
Points = tuple[NDArray[np.float64], NDArray[np.float64]]
HANDLE = 8  # letters that its dashes take


@rc_context(STYLE)
def together(named: Mapping[str, Run], panels: Sequence[str] = ()) -> Figure:
    """Profiles of several runs over the arc length, a panel a metric: by default the loss, and the error or another.

    Straight lines are drawn faintly, one for each pair of endpoints, and may leave the axes, which are for the paths.
    named: the runs by what they are called in it. They have been measured alike, see `comparing.comparable`. Raises
    PathsearchError where they have no metric in common, or no such panel.
    """
    runs, names = list(named.values()), list(named)
    there = _columns(runs)
    for panel in panels:
        if panel not in there:
            raise PathsearchError(f"several runs have no panel {one_of(panel, there)}")
    drawn = [there[panel] for panel in panels] or [there[panel] for panel in _usual(list(there))]
    # matplotlib would read mathematics between two dollars
    said = [fill(name, letters(len(drawn)) - HANDLE).replace("$", r"\$") for name in names]
    fitting = max(1, letters(len(drawn)) // (HANDLE + max(map(len, said))))
    lines = -(-len(runs) // fitting) * max(name.count("\n") + 1 for name in said)
    figure = blank(len(drawn), 1, _wrong(runs, said), lines)
    for axes, column in zip(figure.subplots(1, len(drawn), squeeze=False)[0], drawn):
        _profiles(runs, axes, column)
    looks = [series(n) | ({} if pivots_along(run) else {"marker": ""}) for n, run in enumerate(runs)]
    handles = [Line2D([], [], label=name, **look) for name, look in zip(said, looks)]
    figure.legend(handles=handles, loc="outside lower center", ncols=min(fitting, len(runs)))
    return figure


def _columns(runs: Sequence[Run]) -> dict[str, str]:
    """The panels that all runs have, and what each shows: the training set's loss, a metric on the test set."""
    have = [{column for column in columns(run.groups["profiles/path"]) if not absent(run, column)} for run in runs]
    found = {"profile": ("train_loss", "loss")}
    for name in beside_the_loss(runs[0]):  # a metric may be called as the panel of the loss is
        found[f"metric_{name}" if name in found else name] = (f"test_{name}", f"train_{name}")
    common = set.intersection(*have)
    shown = {
        panel: next(column for column in wanted if column in common)
        for panel, wanted in found.items()
        if not common.isdisjoint(wanted)
    }
    if not shown:
        raise PathsearchError(
            "the runs have no metric in common: "
            + "; ".join(f"{run.file} has {', '.join(sorted(those))}" for run, those in zip(runs, have))
        )
    return shown


def _usual(there: Sequence[str]) -> list[str]:
    """The panels that are drawn where none is named."""
    metrics = [name for name in there if name != "profile"]
    return [*(["profile"] if "profile" in there else []), *(["error"] if "error" in metrics else metrics[:1])]


def _profiles(runs: Sequence[Run], axes: Axes, column: str) -> None:
    """One column along all paths, pivots marked, and along the straight lines."""
    share = metric(runs[0], column).share
    scale = 100.0 if share else 1.0
    for n, run in enumerate(runs):
        x, values = over_length(run, "path", column)
        axes.plot(x, scale * values, markevery=pivots_along(run), **series(n))
    axes.autoscale_view()
    axes.autoscale(False)
    axes.set(xlabel=LENGTH, ylabel=axis_label(column, share))
    lines = _lines(runs, column)
    for x, values in lines:
        axes.plot(x, scale * values, color=FAINT, linewidth=0.8, zorder=1)
    seen = [scale * each for _, values in lines for each in values if np.isfinite(each)]
    if seen:
        low, high = axes.get_ylim()
        below = f", down to {min(seen):.3g}" if min(seen) < low else ""
        limit = f", up to {max(seen):.3g}" if max(seen) > high else below
        axes.lines[-1].set_label(f"straight line{'' if len(lines) == 1 else 's'}{limit}")
        legend_above(axes)


def _lines(runs: Sequence[Run], column: str) -> list[Points]:
    """The column along the straight lines, one for each pair of endpoints.

    Files name endpoints in many ways; two pairs that lie as far apart and are as good at both ends are taken for one.
    """
    found: list[tuple[list[float], Points]] = []
    for run in runs:
        if column not in run.groups.get("profiles/linear", {}):
            continue
        points = over_length(run, "linear", column)
        pair = [run.groups["profiles/linear"]["arc_length"][-1], *points[1][[0, -1]]]
        if not any(np.allclose(pair, other, rtol=1e-4, atol=0.0, equal_nan=True) for other, _ in found):
            found.append((pair, points))
    return [points for _, points in found]


def _wrong(runs: Sequence[Run], names: Sequence[str]) -> list[str]:
    """What is to be known of the runs, a line each, and on what part of the data all were measured."""
    lines = []
    for name, run in zip(names, runs):
        lines += [] if run.state == "finished" else [f"{name}: {run.state}"]
        lines += [f"{name}: {line}" for line in warnings(run)]
    return [*lines, subset(runs[0])]
