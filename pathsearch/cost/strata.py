"""One t a mini-batch or several: `python -m pathsearch.cost.strata`.

A curve's gradient is worked out at one t that is drawn anew for each mini-batch (Garipov et al. 2018), or at several,
one drawn in each of as many equal parts of [0, 1]. Two networks of the digits are joined by a Bézier curve with equal
numbers of gradients, each search on a schedule of its own: the average loss over t that is minimised, L2 of the point
included, and how many gradients reach what one t reaches with the most.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from pathsearch.cost.precisions import Quiet, digits
from pathsearch.report import figures
from pathsearch.run import config, whole
from pathsearch.run.settings import Asked
from pathsearch.run.stop import Stop

SAMPLES = (1, 2, 4, 8)
GRADIENTS = (240, 480, 960, 1920, 3840)
PAIRS = ((0, 1), (2, 3), (4, 5))
LEAST = "train_loss_l2"


def averages(folder: Path, samples: int, gradients: int) -> list[float]:
    """The average loss along the curves of all pairs; runs and minima are kept in the folder."""
    found = []
    for start, end in PAIRS:
        values = digits()
        values["endpoints"]["start"]["train"]["seed"], values["endpoints"]["end"]["train"]["seed"] = start, end
        values["method"]["samples"], values["steps"] = samples, gradients // samples
        settings = config.validated(values, "strata")
        run = whole.run(Asked(settings, Path.cwd()), folder / f"{samples}-{gradients}-{start}", Quiet(), Stop())
        found.append(float(figures(run)["path"][LEAST]["mean"]))
    return found


def rows(folder: Path) -> Iterator[tuple[int, list[list[float]]]]:
    """By the number of t's: for each number of gradients the average loss of every pair."""
    for samples in SAMPLES:
        yield samples, [averages(folder, samples, gradients) for gradients in GRADIENTS]


def enough(found: list[list[float]], wanted: float) -> int | None:
    """The fewest gradients whose mean over pairs is no higher than what is wanted."""
    reached = [gradients for gradients, each in zip(GRADIENTS, found) if np.mean(each) <= wanted]
    return min(reached, default=None)


if __name__ == "__main__":
    print(f"{'gradients':>10}" + "".join(f"{each:>20}" for each in GRADIENTS), flush=True)
    wanted = None
    with tempfile.TemporaryDirectory() as place:
        for samples, found in rows(Path(place)):
            wanted = float(np.mean(found[-1])) if wanted is None else wanted
            cells = "".join(f"{np.mean(each):12.5f} ± {np.std(each, ddof=1):.4f}" for each in found)
            print(f"{samples:>8} t{cells}   as low as one t: {enough(found, wanted) or 'not reached'}", flush=True)
