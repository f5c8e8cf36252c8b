"""What is said of a landscape: its minima, and the saddles of its tree."""

import numpy as np
from rich import box
from rich.table import Table

from pathsearch.numerics.tree import spanning_tree
from pathsearch.report import label
from pathsearch.storage.landscape import Landscape

HEADS = ("minima", "values", "saddle", "barrier", "length over chord", "gradients", "folder")


def headline(landscape: Landscape) -> str:
    """In a line: how many minima and paths, and how high minima are, and the saddles of the tree."""
    count, found = len(landscape.names), len(landscape.paths)
    known = landscape.values[np.isfinite(landscape.values)]
    said = f"{count} minima, {found} path{'s' * (found != 1)} of {count * (count - 1) // 2} pairs"
    if not found:
        return said
    tree = [landscape.saddles[pair] for pair in spanning_tree(landscape.saddles)]
    parts = "" if len(tree) == count - 1 else f", in {count - len(tree)} parts that no path joins"
    return (
        f"{said}{parts}; {label(landscape.metric)}: minima {_spread(known)}, saddles over the tree "
        f"{_spread(np.array(tree))}, the highest {max(tree):.6g}"
    )


def table(landscape: Landscape) -> Table:
    """The paths of the tree, the lowest saddle first."""
    rows = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for head in HEADS:
        rows.add_column(head, justify="left" if head in ("minima", "folder") else "right")
    ways = {(way.one, way.other): way for way in landscape.paths}
    for u, v in spanning_tree(landscape.saddles):
        way = ways[u, v]
        figures = way.figures
        over = figures["length"] / figures["chord"] if figures["chord"] else np.nan
        rows.add_row(
            f"{landscape.names[u]} – {landscape.names[v]}",
            f"{landscape.values[u]:.4g}, {landscape.values[v]:.4g}",
            f"{figures['saddle']:.6g}",
            f"{figures['barrier']:.3g}",
            f"{over:.3g}",
            f"{figures['gradients']:.0f}",
            way.folder,
        )
    return rows


def _spread(values: np.ndarray) -> str:
    deviation = f" ± {values.std(ddof=1):.2g}" if len(values) > 1 else ""
    return f"{values.mean():.4g}{deviation}"
