"""What alignment saves a search on CIFAR-10: `python -m pathsearch.cost.aligned CIFAR`.

CIFAR is a folder with pictures in train/ and test/. Two ResNet-8 with batch norm are trained, and joined by a polygon
with one bend as they come, and aligned by weights or by activations, with several numbers of gradients, each on a
schedule of its own: the barriers of line and path, and how many gradients an aligned search needs for a path as low as
the longest one without. Metrics are measured on 500 pictures of each set, statistics re-estimated at each point.
"""

import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pathsearch.cost.precisions import Quiet, cifar
from pathsearch.report import figures
from pathsearch.run import config, whole
from pathsearch.run.settings import Asked, RunSettings
from pathsearch.run.stop import Stop

WAYS = ("none", "weights", "activations")
SEEDS = (0, 1)
TRAINED = 600  # steps
GRADIENTS = (25, 75, 225)
LINE, PATH = "linear", "path"
METRICS = ("train_loss", "test_loss", "test_error")


@dataclass(frozen=True)
class Joined:
    """Two networks joined in one way with so many gradients: by metric the barriers of line and path."""

    way: str
    gradients: int
    line: Mapping[str, float]
    path: Mapping[str, float]


def joined(root: Path, folder: Path) -> Iterator[Joined]:
    """Every way with every number of gradients; runs and minima are kept in the folder."""
    for way in WAYS:
        for gradients in GRADIENTS:
            run = whole.run(asked(root, way, gradients), folder / f"{way}-{gradients}", Quiet(), Stop())
            shown = figures(run)
            line, path = ({name: shown[where][name]["barrier"] for name in METRICS} for where in (LINE, PATH))
            yield Joined(way, gradients, line, path)


def asked(root: Path, way: str, gradients: int) -> Asked:
    """One search."""
    values = cifar(root)
    ends = {
        side: {"train": {**values["endpoints"][side]["train"], "seed": seed, "steps": TRAINED}}
        for side, seed in zip(("start", "end"), SEEDS)
    }
    changed = {
        "endpoints": {**ends, "align": way},
        "method": {"name": "polygon", "bends": 1},
        "steps": gradients,
    }
    settings: RunSettings = config.validated({**values, **changed}, "aligned")
    return Asked(settings, Path.cwd())


def needed(every: list[Joined]) -> dict[str, int | None]:
    """By way, the fewest gradients to a training loss's barrier no higher than the longest search's without alignment;
    None where no search came so low."""
    lowest = [each.path["train_loss"] for each in every if each.way == "none"][-1]
    found: dict[str, int | None] = {}
    for way in WAYS:
        enough = [each.gradients for each in every if each.way == way and each.path["train_loss"] <= lowest]
        found[way] = min(enough, default=None)
    return found


def row(each: Joined) -> str:
    """A line of the table."""
    barriers = "".join(f"{where[name]:12.3g}" for name in METRICS for where in (each.line, each.path))
    return f"{each.way:12}{each.gradients:>10}{barriers}"


if __name__ == "__main__":
    print(f"{'':12}{'gradients':>10}" + "".join(f"{name.replace('_', ' '):>24}" for name in METRICS))
    print(f"{'':22}" + f"{'line':>12}{'path':>12}" * len(METRICS), flush=True)
    with tempfile.TemporaryDirectory() as place:
        every: list[Joined] = []
        for one in joined(Path(sys.argv[1]), Path(place)):
            every.append(one)
            print(row(one), flush=True)
    for way, gradients in needed(every).items():
        print(f"as low as the longest search without alignment, {way}: {gradients or 'not reached'}")
