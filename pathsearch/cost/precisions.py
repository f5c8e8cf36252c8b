"""Barriers by bfloat16 and by micro-batches beside float32's: `python -m pathsearch.cost.precisions [CIFAR]`.

For pairs of seeds, minima are trained and joined by a Bézier curve, each way from the beginning: mean and deviation,
over the pairs, of the training loss's barrier on the line and on the path; a way's path is within float32's spread if
the means differ by no more than float32's deviation. Digits run as configured. CIFAR is a folder with the pictures of
CIFAR-10 in train/ and test/: a ResNet-8 with batch norm, on a schedule of a minute or two a pair, so that its minima
are far from trained, and on 500 measured pictures of each set.
"""

import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pathsearch.report import figures
from pathsearch.run import config, whole
from pathsearch.run.settings import Asked, RunSettings
from pathsearch.run.stop import Stop
from pathsearch.search import Step

SEEDS = ((0, 1), (2, 3), (4, 5))
WAYS: dict[str, Callable[[int], dict[str, Any]]] = {
    "float32": lambda batch: {},
    "bfloat16": lambda batch: {"precision": "bfloat16"},
    "micro-batches": lambda batch: {"micro_batch": batch // 4},
}
BATCH, TRAINED, JOINED, MEASURED = 64, 200, 150, 500  # of CIFAR


@dataclass(frozen=True)
class Barriers:
    """Of one configuration by one way: a number a pair of seeds."""

    line: list[float]
    path: list[float]


class Quiet:
    """A watcher that nobody hears."""

    def log(self, line: str) -> None:
        pass

    def step(self, step: Step) -> None:
        pass

    def phase(self, name: str, total: int) -> None:
        pass

    def tick(self, count: int) -> None:
        pass


def digits() -> dict[str, Any]:
    """The configuration of that name, as values."""
    return config.load("digits", ["measure.plane=0"])[0].model_dump(mode="json")


def cifar(root: Path) -> dict[str, Any]:
    """A configuration for pictures in `root`, as values."""
    sgd = {"name": "sgd", "lr": 0.1, "schedule": "cosine"}
    return {
        "objective": {
            "name": "network",
            "model": "resnet8",
            "data": {"name": "folder", "root": str(root.resolve())},
            "batch": BATCH,
            "weight_decay": 1e-4,
        },
        "endpoints": {side: {"train": {"seed": 0, "steps": TRAINED, "optimizer": sgd}} for side in ("start", "end")},
        "method": {"name": "bezier", "bends": 1},
        "optimizer": {"name": "sgd", "lr": 0.05, "schedule": "garipov"},
        "steps": JOINED,
        "measure": {"points": 9, "plane": 0, "examples": MEASURED},
    }


def barriers(values: dict[str, Any], folder: Path) -> Iterator[tuple[str, Barriers]]:
    """Those of a configuration by every way."""
    for name, way in WAYS.items():
        found = Barriers([], [])
        for seeds in SEEDS:
            run = whole.run(_asked(values, way, seeds), folder / f"{name}-{seeds[0]}", Quiet(), Stop())
            shown = figures(run)
            found.line.append(shown["linear"]["train_loss"]["barrier"])
            found.path.append(shown["path"]["train_loss"]["barrier"])
        yield name, found


def _asked(values: dict[str, Any], way: Callable[[int], dict[str, Any]], seeds: tuple[int, int]) -> Asked:
    objective = {**values["objective"], **way(values["objective"]["batch"])}
    ends = {
        side: {"train": {**values["endpoints"][side]["train"], "seed": seed}}
        for side, seed in zip(("start", "end"), seeds)
    }
    settings: RunSettings = config.validated({**values, "objective": objective, "endpoints": ends}, "precisions")
    return Asked(settings, Path.cwd())


def row(name: str, found: Barriers, float32: Barriers) -> str:
    """A line of the table."""
    both = "".join(f"{np.mean(each):9.3g} ± {np.std(each, ddof=1):<8.2g}" for each in (found.line, found.path))
    within = abs(np.mean(found.path) - np.mean(float32.path)) <= np.std(float32.path, ddof=1)
    return f"{name:16}{both}{'yes' if within else 'no':8}{', '.join(f'{each:.3g}' for each in found.path)}"


if __name__ == "__main__":
    configurations = {"digits": digits()}
    if len(sys.argv) > 1:
        configurations["CIFAR-10 (JPEG), ResNet-8"] = cifar(Path(sys.argv[1]))
    for title, chosen in configurations.items():
        print(f"{title}\n{'':19}{'line':20}{'path':17}{'within':8}paths of the pairs", flush=True)
        with tempfile.TemporaryDirectory() as place:
            known: dict[str, Barriers] = {}
            for each, numbers in barriers(chosen, Path(place)):
                known[each] = numbers
                print(row(each, numbers, known["float32"]), flush=True)
