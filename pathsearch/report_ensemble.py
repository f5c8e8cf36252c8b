"""What is said of an ensemble: its figures, and the tables of `pathsearch ensemble`."""

import math
from collections.abc import Iterator
from typing import Any

from rich import box
from rich.table import Table

from pathsearch.ensembles import Ensemble
from pathsearch.numerics.calibration import BINS, Figures
from pathsearch.report import number

HEADS = ("t", "test error", "NLL", "calibration error")
MEANING = f"NLL: mean of −log p of the true class; calibration error: {BINS} equal bins of confidence"


WIDEST = 12
"""Points beside each other in a table; of more, --json has where they disagree."""


def figures(found: Ensemble) -> dict[str, Any]:
    """All but the probabilities, as plain values; what is not finite is null."""
    return {
        "split": "test",
        "examples": found.examples,
        "of": found.of,
        "targets": found.targets,
        "bins": BINS,
        "t": found.t.tolist(),
        "points": [_plain(each) for each in found.points],
        "mean": _plain(found.mean),
        "predictions": _plain(found.predictions),
        "ends": _plain(found.ends),
        "weights": _plain(found.weights),
        "disagreement": found.disagreement.tolist(),
        "warnings": warnings(found),
    }


def headline(found: Ensemble) -> str:
    """How many points, and on what they were measured."""
    some, there = found.examples, found.of
    said = f"{len(found.t)} points at equal lengths along the path, on "
    said += f"all {there:,} test examples" if some == there else f"{some:,} of {there:,} test examples"
    return said + (f" with {found.targets:,} targets" if found.targets != some else "")


def tables(found: Ensemble) -> Iterator[Table]:
    """Figures of points and of ensembles; of few points, where they disagree."""
    rows, count = _table("", HEADS, MEANING), len(found.t)
    for n, (t, each) in enumerate(zip(found.t, found.points)):
        _add(rows, {0: "start", count - 1: "end"}.get(n, "point"), each, f"{t:.4g}")
    _add(rows, f"mean of the {count}", found.mean)
    rows.add_section()
    _add(rows, "both ends' predictions averaged", found.ends)
    _add(rows, f"{count} points' predictions averaged", found.predictions)
    _add(rows, f"{count} points' weights averaged", found.weights)
    yield rows
    if count > WIDEST:
        return
    rows = _table("predicted classes that differ", [f"{t:.4g}" for t in found.t])
    for t, shares in zip(found.t, found.disagreement):
        rows.add_row(f"t = {t:.4g}", *(number(share, share=True) for share in shares))
    yield rows


def warnings(found: Ensemble) -> list[str]:
    """What is wrong with a result, a line each."""
    at = {f"t = {t:.4g}": each for t, each in zip(found.t, found.points)} | {"the average of weights": found.weights}
    odd = [name for name, each in at.items() if not all(map(math.isfinite, each))]
    if not odd:
        return []
    why = "outputs there are no numbers, or give a true class no probability at all"
    return [f"figures are not finite at {', '.join(odd)}: {why}"]


def _plain(each: Figures) -> dict[str, float | None]:
    return {name: value if math.isfinite(value) else None for name, value in each._asdict().items()}


def _add(rows: Table, name: str, each: Figures, t: str = "") -> None:
    rows.add_row(name, t, number(each.error, share=True), number(each.nll), number(each.ece, share=True))


def _table(first: str, numbers: "tuple[str, ...] | list[str]", below: str | None = None) -> Table:
    rows = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), caption=below, caption_justify="left")
    rows.add_column(first, no_wrap=True)
    for head in numbers:
        rows.add_column(head, justify="right", no_wrap=True)
    return rows
