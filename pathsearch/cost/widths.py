"""Barriers of the straight line by width, as two networks come and aligned: `python -m pathsearch.cost.widths [FILE]`.

Networks with one hidden layer learn the digits; pairs of them, of different seeds, are joined by a straight line as
they come, and by one to the second aligned by weights or by activations: mean and deviation, over the pairs, of the
training and the test loss's barrier. The published row is MNIST's, of the same network (51 pairs, aligned by weights).
With FILE a picture is drawn there, of the test loss.
"""

import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pathsearch.cost.precisions import Quiet
from pathsearch.plots.trend import Row, trend
from pathsearch.report import figures
from pathsearch.run import config, whole
from pathsearch.run.settings import Asked
from pathsearch.run.stop import Stop

WIDTHS = (8, 16, 32, 64, 128, 256)
PAIRS = ((0, 1), (2, 3), (4, 5), (6, 7), (8, 9))
WAYS = {"none": "as they come", "weights": "aligned by weights", "activations": "aligned by activations"}
METRICS = ("train_loss", "test_loss")
PUBLISHED = Row([0.211, 0.212, 0.139, 0.033, 0.010, 0.003], [0.136, 0.119, 0.057, 0.012, 0.004, 0.002])


@dataclass(frozen=True)
class Barriers:
    """Of networks of one width, joined in one way: a number a pair, by metric."""

    width: int
    way: str
    found: Mapping[str, list[float]]


def barriers(folder: Path) -> Iterator[Barriers]:
    """Those of every width and way; runs and minima are kept in the folder."""
    for width in WIDTHS:
        for way in WAYS:
            found: dict[str, list[float]] = {metric: [] for metric in METRICS}
            for pair in PAIRS:
                run = whole.run(asked(width, way, pair), folder / f"{width}-{way}-{pair[0]}", Quiet(), Stop())
                line = figures(run)["linear"]
                for metric, several in found.items():
                    several.append(line[metric]["barrier"])
            yield Barriers(width, way, found)


def asked(width: int, way: str, pair: tuple[int, int]) -> Asked:
    """A run that measures the straight line between two networks of digits."""
    seeds = [f"endpoints.{side}.train.seed={seed}" for side, seed in zip(("start", "end"), pair)]
    model = f"objective.model={{name: mlp, args: {{width: {width}, depth: 1}}}}"
    given = [model, *seeds, f"endpoints.align={way}", "method=linear", "measure.plane=0"]
    return Asked(*config.load("digits", given))


def rows(all_of_them: list[Barriers], metric: str) -> dict[str, Row]:
    """Mean and deviation by way, a number a width."""
    found = {}
    for way, title in WAYS.items():
        each = [np.array(one.found[metric]) for one in all_of_them if one.way == way]
        found[title] = Row([float(one.mean()) for one in each], [float(one.std(ddof=1)) for one in each])
    return found


def table(found: dict[str, dict[str, Row]]) -> str:
    """Rows by metric, as text."""
    head = f"{'':36}" + "".join(f"{width:>19}" for width in WIDTHS)
    shown: dict[str, Any] = {
        f"{metric}, {way}".replace("_", " "): row for metric, each in found.items() for way, row in each.items()
    }
    shown["MNIST, published, by weights"] = PUBLISHED
    lines = []
    for name, row in shown.items():
        lines.append(f"{name:36}" + "".join(f"{m:9.3g} ± {s:<7.1g}" for m, s in zip(row.mean, row.deviation)))
    return "\n".join([head, *lines])


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        every = list(barriers(Path(place)))
    by_metric = {metric: rows(every, metric) for metric in METRICS}
    print(table(by_metric))
    if len(sys.argv) > 1:
        drawn = {**by_metric["test_loss"], "MNIST, published": PUBLISHED}
        trend(WIDTHS, drawn, ("width of the hidden layer", "barrier of the straight line"), Path(sys.argv[1]))
