"""What is said of a landscape: its minima, the figures of all pairs, and the saddles of its tree."""

from typing import Any

import numpy as np
from rich import box
from rich.table import Table

from pathsearch.errors import PathsearchError
from pathsearch.numerics import tree
from pathsearch.numerics.tree import Array
from pathsearch.report import label, without_nan
from pathsearch.storage.landscape import FIGURES, VERSION, Landscape, Way

HEADS = ("minima", "values", "saddle", "barrier", "length over chord", "gradients", "folder")
LOWEST = ("minimax", "minimax_barrier")
"""Figures of the lowest way between two minima, over any number of others."""


def pairs(landscape: Landscape) -> dict[str, Array]:
    """Figures of all pairs [n, n], NaN where no path is known and of a minimum with itself.

    Those of `FIGURES` are of the path that joins the two. `minimax` is the highest saddle on the lowest way from one to
    the other over any minima; `minimax_barrier` how far it stands above the higher of the two.
    """
    values = landscape.values
    ways = tree.minimax(landscape.saddles)
    found = {name: landscape.table(name) for name in FIGURES}
    with np.errstate(invalid="ignore"):  # of a minimum whose value is not known; no path leads to it
        found |= {"minimax": ways, "minimax_barrier": ways - np.maximum(values[:, None], values)}
    return {name: np.where(np.isfinite(table), table, np.nan) for name, table in found.items()}


def spanning(landscape: Landscape) -> list[Way]:
    """The paths of the tree of lowest ways, the lowest saddle first."""
    ways = {(way.one, way.other): way for way in landscape.paths}
    return [ways[pair] for pair in tree.spanning_tree(landscape.saddles)]


def gone(landscape: Landscape) -> list[str]:
    """Which runs of paths are not where they were, in a line, or none."""
    missing = []
    for way in landscape.paths:
        try:
            landscape.folder(way)
        except PathsearchError:
            missing.append(way.folder)
    return [f"the runs of these paths are gone, their figures are kept: {', '.join(missing)}"] if missing else []


def figures(landscape: Landscape) -> dict[str, Any]:
    """Everything `pathsearch show --json` prints; what is not known is null."""
    names, ways = landscape.names, spanning(landscape)
    known = landscape.values[np.isfinite(landscape.values)]
    return dict(
        without_nan(
            {
                "format_version": VERSION,
                "file": str(landscape.file),
                "headline": headline(landscape),
                "metric": landscape.metric or None,
                "minima": dict(zip(names, landscape.values.tolist())),
                "minima_spread": _figures_of(known),
                "saddles_spread": _figures_of(np.array([way.figures["saddle"] for way in ways])),
                "tree": [{"one": names[w.one], "other": names[w.other], **w.figures, "folder": w.folder} for w in ways],
                "pairs": {name: table.tolist() for name, table in pairs(landscape).items()},
            }
        )
    )


def headline(landscape: Landscape) -> str:
    """In a line: how many minima and paths, and how high minima are, and the saddles of the tree."""
    count, found = len(landscape.names), len(landscape.paths)
    known = landscape.values[np.isfinite(landscape.values)]
    said = f"{count} minima, {found} path{'s' * (found != 1)} of {count * (count - 1) // 2} pairs"
    if not found:
        return said
    saddles = [way.figures["saddle"] for way in spanning(landscape)]
    parts = "" if len(saddles) == count - 1 else f", in {count - len(saddles)} parts that no path joins"
    return (
        f"{said}{parts}; {label(landscape.metric)}: minima {_spread(known)}, saddles over the tree "
        f"{_spread(np.array(saddles))}, the highest {max(saddles):.6g}"
    )


def table(landscape: Landscape) -> Table:
    """The paths of the tree, the lowest saddle first."""
    rows = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for head in HEADS:
        rows.add_column(head, justify="left" if head in ("minima", "folder") else "right")
    for way in spanning(landscape):
        figures = way.figures
        over = figures["length"] / figures["chord"] if figures["chord"] else np.nan
        rows.add_row(
            f"{landscape.names[way.one]} – {landscape.names[way.other]}",
            f"{landscape.values[way.one]:.4g}, {landscape.values[way.other]:.4g}",
            f"{figures['saddle']:.6g}",
            f"{figures['barrier']:.3g}",
            f"{over:.3g}",
            f"{figures['gradients']:.0f}",
            way.folder,
        )
    return rows


def _figures_of(values: Array) -> dict[str, float] | None:
    """Mean, standard deviation over a sample, lowest and highest; None of nothing."""
    if not len(values):
        return None
    deviation = float(values.std(ddof=1)) if len(values) > 1 else float("nan")
    return {"mean": float(values.mean()), "sd": deviation, "min": float(values.min()), "max": float(values.max())}


def _spread(values: Array) -> str:
    deviation = f" ± {values.std(ddof=1):.2g}" if len(values) > 1 else ""
    return f"{values.mean():.4g}{deviation}"
