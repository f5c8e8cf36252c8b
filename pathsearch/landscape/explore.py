"""Exploring a landscape: minima are joined round after round, each pair by a run in a folder of its own.

Which pairs are in a round follows from what the rounds before it found. So after an interruption the same pairs come
again, and those whose runs are finished are read, not searched for again; and how many are searched for at the same
time, here, on Ray or on SLURM, changes nothing but the time it takes.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pathsearch import storage
from pathsearch.errors import Interrupted, MachineLost, PathsearchError
from pathsearch.landscape.choice import Choice, together
from pathsearch.locks import alone
from pathsearch.numerics.tree import Array, Pair, below, minimax
from pathsearch.objectives import importable
from pathsearch.report import device_hours, figures
from pathsearch.run import config, whole
from pathsearch.run.minima import Minimum, kept, minimum
from pathsearch.run.past import past
from pathsearch.run.settings import Asked, RunSettings, Training
from pathsearch.run.stop import Stop
from pathsearch.run.watcher import Watcher
from pathsearch.storage.landscape import FIGURES, NAME, Landscape, Way, write

PATHS = "paths"
SMALL = 0.01
"""What a pair must be able to lower a saddle by, of the highest one over the lowest minimum; less is search noise."""
UNLIKE = 1e-4
"""How much values of one minimum may differ between runs, relative: the devices' rounding, and no more."""


Carry = Callable[[Mapping[Path, Asked]], Iterator[tuple[Path, str]]]
"""Carries out runs, by their folders: gives each folder when its run has ended, with what went wrong, or nothing."""


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
    hours: float | None = None,
    carry: Carry | None = None,
) -> tuple[Landscape, list[str]]:
    """Join pairs until `choose` has none, or has had `budget` of them, or devices have worked for `hours` on them.

    Returns the landscape and what failed. No round begins when the hours are over; one that has begun is finished.

    store: of trained minima, by default `minima` in the folder. carry: how runs are carried out, by default here, on
    as many devices at once as the settings have. Raises Interrupted and MachineLost as a run does; what was found is
    kept. Raises PathsearchError where a minimum has other values in one run than in another.
    """
    store = store or folder / "minima"
    failed: dict[Pair, str] = {}
    tried: list[Pair] = []
    with alone(folder), ExitStack() as stack:
        runs = _there(settings, config_folder, points, folder)
        values = _values(settings, config_folder, points, store, watcher, stop, carry)
        carry = carry or _here(settings, config_folder, watcher, stop, stack)
        while True:
            had = {pair: runs[pair] for pair in tried if pair in runs}
            so_far = _landscape(settings, points, values, had, folder)
            left = None if budget is None else budget - len(tried)
            if hours is not None and sum(device_hours(run) or 0.0 for run in had.values()) >= hours:
                left = 0
            pairs = together(choose, so_far.values, so_far.saddles, tried, tolerance(so_far), left)
            landscape = _landscape(settings, points, values, runs, folder)
            write(landscape)
            if not pairs:
                return landscape, list(failed.values())
            places = {folder / PATHS / _name(points, pair): pair for pair in pairs if pair not in runs}
            for place, said in _round(settings, config_folder, points, places, store, carry, watcher):
                if said:  # the others may be found
                    failed[places[place]] = f"{place}: {said}"
                    watcher.log(f"failed: {place}: {said}")
                else:
                    runs[places[place]] = storage.read(place)
                    write(_landscape(settings, points, values, runs, folder))
            tried += pairs


def _round(
    settings: RunSettings,
    config_folder: Path,
    points: Sequence[Point],
    places: Mapping[Path, Pair],
    store: Path,
    carry: Carry,
    watcher: Watcher,
) -> Iterator[tuple[Path, str]]:
    """Carry out the runs of a round, where there are some; a pair that cannot be joined is one that failed."""
    asked = {}
    for place, (u, v) in places.items():
        try:
            asked[place] = Asked(between(settings, points[u], points[v]), config_folder, store=store)
        except PathsearchError as error:
            yield place, str(error)
    if asked:
        watcher.log(f"joins {', '.join(place.name for place in asked)}")
        yield from carry(asked)


def _here(settings: RunSettings, config_folder: Path, watcher: Watcher, stop: Stop, stack: ExitStack) -> Carry:
    """Runs by this process: each a task of Ray on a device of its own where there are several, else one by one.

    Where the settings say how many actors a run has, that are large networks: one by one, each on all of these.
    """
    if settings.holder.actors is None and whole.several_devices(settings, config_folder):
        from pathsearch.run import tasks  # Ray takes a second to import, and may not be installed

        options = settings.holder.at("ray", settings.device)

        def on_ray(runs: Mapping[Path, Asked]) -> Iterator[tuple[Path, str]]:
            watcher.phase("paths", len(runs))
            for ended in tasks.carry_out(runs, options, stop, stack):
                watcher.tick(1)
                yield ended

        return on_ray

    def one_by_one(runs: Mapping[Path, Asked]) -> Iterator[tuple[Path, str]]:
        for place, asked in runs.items():
            watcher.log(f"path {place.name}, in {place}")
            try:
                whole.run(asked, place, watcher, stop)
            except (Interrupted, MachineLost):
                raise
            except PathsearchError as error:
                yield place, str(error)
            else:
                yield place, ""

    return one_by_one


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
    carry: Carry | None,
) -> Array:
    """What is known of the minima before they are joined: trained ones are measured; others are not, and infinite."""
    named = {
        n: minimum(settings, Training.model_validate(point.end["train"]), config_folder, store)
        for n, point in enumerate(points)
        if isinstance(point.end, dict) and "train" in point.end
    }
    with importable(config_folder):
        if carry is not None:
            _trained_by(carry, list(named.values()), config_folder)
        else:
            with ExitStack() as stack:
                whole.train(list(named.values()), settings, config_folder, watcher, stop, stack)
    found = np.full(len(points), np.inf)
    for n, each in named.items():
        figures = storage.read(each.folder).summary["minimum"]
        found[n] = next(iter(figures.values()))
    return found


def _trained_by(carry: Carry, wanted: list[Minimum], config_folder: Path) -> None:
    missing = {each.folder: Asked(each.settings, config_folder) for each in wanted if not kept(each, config_folder)}
    failed = [f"{place}: {said}" for place, said in (carry(missing) if missing else ()) if said]
    if failed:
        raise PathsearchError("; ".join(failed))


def _landscape(
    settings: RunSettings, points: Sequence[Point], values: Array, runs: Mapping[Pair, storage.Run], folder: Path
) -> Landscape:
    """What the runs say; values: those that are known without them."""
    metric, known, ways = "", values.copy(), []
    for (u, v), run in sorted(runs.items()):  # in whatever order they ended
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


def tolerance(landscape: Landscape) -> float:
    """What a pair must be able to lower a saddle by to be worth a search."""
    ways = minimax(landscape.saddles)
    finite = ways[np.isfinite(ways)]
    lowest = landscape.values[np.isfinite(landscape.values)]
    return SMALL * float(finite.max() - lowest.min()) if finite.size and lowest.size else 0.0


def _name(points: Sequence[Point], pair: Pair) -> str:
    return f"{points[pair[0]].name}-{points[pair[1]].name}"
