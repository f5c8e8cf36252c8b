"""Exploring a landscape: minima are joined pair after pair, each by a run in a folder of its own.

Which pair is next follows from what has been found. So after an interruption the same pairs come in the same order,
and those whose runs are finished are read, not searched for again.
"""

import math
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pathsearch import storage
from pathsearch.errors import Interrupted, MachineLost, PathsearchError
from pathsearch.landscape.choice import Choice
from pathsearch.locks import alone
from pathsearch.numerics.tree import Array, Pair, below, minimax
from pathsearch.objectives import importable
from pathsearch.report import figures
from pathsearch.run import config, whole
from pathsearch.run.minima import minimum
from pathsearch.run.past import past
from pathsearch.run.session import Watcher
from pathsearch.run.settings import Asked, RunSettings, Training
from pathsearch.run.stop import Stop
from pathsearch.storage.landscape import FIGURES, NAME, Landscape, Way, write

PATHS = "paths"
SMALL = 0.01
"""What a pair must be able to lower a saddle by, of the highest one over the lowest minimum; less is search noise."""
UNLIKE = 1e-4
"""How much values of one minimum may differ between runs, relative: the devices' rounding, and no more."""


@dataclass(frozen=True)
class Point:
    """A minimum: its name in folders, and what an endpoint of a configuration says of it."""

    name: str
    end: Any


def trained(template: Training, seeds: Sequence[int]) -> list[Point]:
    """Minima trained from seeds."""
    return [
        Point(f"seed{seed}", {"train": template.model_copy(update={"seed": seed}).model_dump(mode="json")})
        for seed in seeds
    ]


def explore(
    settings: RunSettings,
    config_folder: Path,
    points: Sequence[Point],
    choose: Choice,
    folder: Path,
    watcher: Watcher,
    stop: Stop,
    store: Path | None = None,
    budget: int | None = None,
) -> tuple[Landscape, list[str]]:
    """Join pairs until `choose` has none, or `budget` paths are there; returns the landscape and what failed.

    store: of trained minima, by default `minima` in the folder. Raises Interrupted and MachineLost as a run does; what
    was found is kept. Raises PathsearchError where a minimum has other values in one run than in another.
    """
    store = store or folder / "minima"
    failed: dict[Pair, str] = {}
    with alone(folder):
        runs = _there(settings, config_folder, points, folder)
        values = _values(settings, config_folder, points, store, watcher, stop)
        while True:
            landscape = _landscape(settings, points, values, runs, folder)
            write(landscape)
            tried = {*runs, *failed}
            spent = budget is not None and len(runs) >= budget
            pair = None if spent else choose(landscape.values, landscape.saddles, tried, _tolerance(landscape))
            if pair is None:
                return landscape, list(failed.values())
            start, end = (points[n] for n in pair)
            place = folder / PATHS / _name(points, pair)
            watcher.log(f"path {len(tried) + 1}: {start.name} to {end.name}, in {place}")
            try:
                asked = Asked(between(settings, start, end), config_folder, store=store)
                runs[pair] = whole.run(asked, place, watcher, stop)
            except (Interrupted, MachineLost):
                raise
            except PathsearchError as error:  # the others may be found
                failed[pair] = f"{place}: {error}"
                watcher.log(f"failed: {failed[pair]}")


def between(settings: RunSettings, start: Point, end: Point) -> RunSettings:
    """The settings of a run from one minimum to another."""
    values = settings.model_dump(mode="json")
    ends = {key: value for key, value in (values["endpoints"] or {}).items() if key != "through"}
    return config.validated({**values, "endpoints": {**ends, "start": start.end, "end": end.end}}, "explore")


def _there(
    settings: RunSettings, config_folder: Path, points: Sequence[Point], folder: Path
) -> dict[Pair, storage.Run]:
    """The finished runs of earlier; raises PathsearchError where one was made with other settings."""
    found: dict[Pair, storage.Run] = {}
    for u in range(len(points)):
        for v in range(u + 1, len(points)):
            file = folder / PATHS / _name(points, (u, v)) / "path.h5"
            run = past(file, between(settings, points[u], points[v]), config_folder) if file.is_file() else None
            if run is not None and run.state == "finished":
                found[u, v] = run
    return found


def _values(
    settings: RunSettings,
    config_folder: Path,
    points: Sequence[Point],
    store: Path,
    watcher: Watcher,
    stop: Stop,
) -> Array:
    """What is known of the minima before they are joined: trained ones are measured; others are not, and infinite."""
    named = {
        n: minimum(settings, Training.model_validate(point.end["train"]), config_folder, store)
        for n, point in enumerate(points)
        if isinstance(point.end, dict) and "train" in point.end
    }
    with ExitStack() as stack, importable(config_folder):
        whole.train(list(named.values()), settings, config_folder, watcher, stop, stack)
    found = np.full(len(points), np.inf)
    for n, each in named.items():
        figures = storage.read(each.folder).summary["minimum"]
        found[n] = next(iter(figures.values()))
    return found


def _landscape(
    settings: RunSettings, points: Sequence[Point], values: Array, runs: Mapping[Pair, storage.Run], folder: Path
) -> Landscape:
    """What the runs say; values: those that are known without them."""
    metric, known, ways = "", values.copy(), []
    for (u, v), run in runs.items():
        shown = figures(run)
        metric, found = next((name, each) for name, each in shown["path"].items() if isinstance(each, dict))
        for n, value in ((u, found["start"]), (v, found["end"])):
            if np.isfinite(known[n]) and not math.isclose(known[n], value, rel_tol=UNLIKE, abs_tol=1e-9):
                raise PathsearchError(
                    f"{points[n].name} has {metric.replace('_', ' ')} {known[n]:.6g}, and {value:.6g} in {run.file}: "
                    "it was measured on something else; explore in another folder (--out)"
                )
            known[n] = value
        kept = {**found, "saddle": found["max"], "gradients": shown["evaluations"], **_lengths(shown)}
        place = str((folder / PATHS / _name(points, (u, v))).relative_to(folder))
        ways.append(Way(u, v, place, {name: float(kept[name]) for name in FIGURES}))
    names = tuple(point.name for point in points)
    config = settings.model_dump(mode="json")
    landscape = Landscape(folder / NAME, config, metric, names, known, tuple(ways))
    for u, v in below(known, landscape.saddles, UNLIKE * float(np.abs(known[np.isfinite(known)]).max(initial=1e-9))):
        raise PathsearchError(f"the saddle between {names[u]} and {names[v]} is lower than they are: report this")
    return landscape


def _lengths(shown: Mapping[str, Any]) -> dict[str, float]:
    return {"length": shown["length"], "chord": shown["chord"]}


def _tolerance(landscape: Landscape) -> float:
    ways = minimax(landscape.saddles)
    finite = ways[np.isfinite(ways)]
    lowest = landscape.values[np.isfinite(landscape.values)]
    return SMALL * float(finite.max() - lowest.min()) if finite.size and lowest.size else 0.0


def _name(points: Sequence[Point], pair: Pair) -> str:
    return f"{points[pair[0]].name}-{points[pair[1]].name}"
