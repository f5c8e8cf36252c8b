"""Exploring a landscape: minima are joined round after round, each pair by a run in a folder of its own.

Which pairs are in a round follows from what the rounds before it found. So after an interruption the same pairs come
again, and those whose runs are finished are read, not searched for again; and how many are searched for at the same
time, here, on Ray or on SLURM, changes nothing but the time it takes.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from pathsearch import storage
from pathsearch.errors import Interrupted, MachineLost, PathsearchError
from pathsearch.landscape.choice import Choice, together
from pathsearch.landscape.joins import Joins
from pathsearch.locks import alone
from pathsearch.numerics.tree import Array, Pair, below, minimax
from pathsearch.objectives import importable
from pathsearch.report import device_hours, figures, label
from pathsearch.run import endpoints, whole
from pathsearch.run.minima import Minimum, kept, minimum
from pathsearch.run.past import beyond, past
from pathsearch.run.settings import Asked, Training
from pathsearch.run.stop import Stop
from pathsearch.run.watcher import Watcher
from pathsearch.storage.landscape import FIGURES, NAME, Landscape, Way, read, write

SMALL = 0.01
"""What a pair must be able to lower a saddle by, of the highest one over the lowest minimum; less is search noise."""
UNLIKE = 1e-4
"""How much values of one minimum may differ between runs, relative: the devices' rounding, and no more."""


Carry = Callable[[Mapping[Path, Asked]], Iterator[tuple[Path, str]]]
"""Carries out runs, by their folders: gives each folder when its run has ended, with what went wrong, or nothing."""


def explore(
    joins: Joins,
    choose: Choice,
    watcher: Watcher,
    stop: Stop,
    store: Path | None = None,
    budget: int | None = None,
    hours: float | None = None,
    once: bool = False,
    carry: Carry | None = None,
) -> tuple[Landscape, list[str]]:
    """Join pairs until `choose` has none, or has had `budget` of them, or devices have worked for `hours` on them.

    Returns the landscape and what failed. No round begins when the hours are over; one that has begun is finished.

    store: of trained minima, by default `minima` in the folder. once: all minima are aligned with the best one, as far
    as that is known before they are joined, rather than the two of each pair. carry: how runs are carried out, by
    default here, on as many devices at once as the settings have. Raises Interrupted and MachineLost as a run does;
    what was found is kept. Raises PathsearchError where a minimum has other values in one run than in another.
    """
    store = store or joins.folder / "minima"
    failed: dict[Pair, str] = {}
    tried: list[Pair] = []
    with alone(joins.folder), ExitStack() as stack:
        _look_for_all(joins)
        runs = {} if once else _there(joins)  # before anything is trained, where that can be
        values = _values(joins, store, watcher, stop, carry)
        if once:
            joins = replace(joins, reference=int(np.argmin(values)))
            runs = _there(joins)
        _refuse_loss(joins)
        carry = carry or _here(joins, watcher, stop, stack)
        while True:
            had = {pair: runs[pair] for pair in tried if pair in runs}
            so_far = _landscape(joins, values, had)
            left = None if budget is None else budget - len(tried)
            if hours is not None and _hours(joins, tried) >= hours:
                left = 0
            pairs = together(choose, so_far.values, so_far.saddles, tried, tolerance(so_far), left)
            landscape = _landscape(joins, values, runs)
            write(landscape)
            if not pairs:
                return landscape, list(failed.values())
            places = {joins.place(pair): pair for pair in pairs if pair not in runs}
            for place, said in _round(joins, places, store, carry, watcher):
                run = None if said else storage.read(place)
                if run is not None and not (said := _without_saddle(run)):
                    runs[places[place]] = run
                    write(_landscape(joins, values, runs))
                else:  # the others may be found
                    failed[places[place]] = f"{place}: {said}"
                    watcher.log(f"failed: {place}: {said}")
            tried += pairs


def _hours(joins: Joins, pairs: Iterable[Pair]) -> float:
    """What devices have worked on pairs, those that failed too, as far as it was kept."""
    spent = 0.0
    for pair in pairs:
        with suppress(PathsearchError):  # a path that failed before its first checkpoint has no file
            spent += device_hours(storage.read(joins.place(pair))) or 0.0
    return spent


def _look_for_all(joins: Joins) -> None:
    """Raise PathsearchError where a file that a minimum is to come from is not there."""
    for point in joins.points:
        name = point.end.get("run") if isinstance(point.end, dict) else point.end
        if isinstance(name, str):
            endpoints.found(name, joins.config_folder)


def _refuse_loss(joins: Joins) -> None:
    """Raise PathsearchError where the folder holds a landscape with paths between other minima."""
    try:
        there = read(joins.folder)
    except PathsearchError:  # none, or damaged: it is made anew from its runs
        return
    pairs = combinations(range(len(joins.points)), 2)
    ours = {str(joins.place(pair).relative_to(joins.folder)) for pair in pairs}
    if lost := [way.folder for way in there.paths if way.folder not in ours]:
        raise PathsearchError(
            f"{joins.folder} holds the landscape of other minima ({', '.join(there.names)}; {lost[0]} joins none of "
            "these): ask for those too, or name another folder with --out"
        )


def _round(
    joins: Joins, places: Mapping[Path, Pair], store: Path, carry: Carry, watcher: Watcher
) -> Iterator[tuple[Path, str]]:
    """Carry out the runs of a round, where there are some; a pair that cannot be joined is one that failed."""
    asked = {}
    for place, pair in places.items():
        try:
            asked[place] = Asked(joins.run(pair), joins.config_folder, store=store)
        except PathsearchError as error:
            yield place, str(error)
    if asked:
        watcher.log(f"joins {', '.join(place.name for place in asked)}")
        yield from carry(asked)


def _here(joins: Joins, watcher: Watcher, stop: Stop, stack: ExitStack) -> Carry:
    """Runs by this process: each a task of Ray on a device of its own where there are several, else one by one.

    Where the settings say how many actors a run has, that are large networks: one by one, each on all of these.
    """
    settings = joins.settings
    if settings.holder.actors is None and whole.several_devices(settings, joins.config_folder):
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


def _there(joins: Joins) -> dict[Pair, storage.Run]:
    """The runs of earlier that have nothing left to do; raises PathsearchError where one had other settings."""
    found: dict[Pair, storage.Run] = {}
    for pair in combinations(range(len(joins.points)), 2):
        file = joins.place(pair) / "path.h5"
        if not file.is_file():
            continue
        settings = joins.run(pair)
        run = past(file, settings, joins.config_folder)
        if run is None or run.state != "finished" or beyond(run, settings) or _without_saddle(run):
            continue
        found[pair] = run
    return found


def _without_saddle(run: storage.Run) -> str:
    """Why a path has no saddle, or nothing."""
    name, _ = _sought(figures(run))
    finite = np.isfinite(run.groups["profiles/path"][name]).all()
    return "" if finite else f"{label(name)} is not finite all along the path, which has no saddle then"


def _sought(shown: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """The metric that values and saddles of minima are of, the first, and its figures along a path."""
    return next((name, each) for name, each in shown["path"].items() if isinstance(each, dict))


def _values(joins: Joins, store: Path, watcher: Watcher, stop: Stop, carry: Carry | None) -> Array:
    """What is known of the minima before they are joined: trained ones are measured; others are not, and infinite."""
    settings, config_folder = joins.settings, joins.config_folder
    named = {
        n: minimum(settings, Training.model_validate(point.end["train"]), config_folder, store)
        for n, point in enumerate(joins.points)
        if isinstance(point.end, dict) and "train" in point.end
    }
    with importable(config_folder):
        if carry is not None:
            _trained_by(carry, list(named.values()), config_folder)
        else:
            with ExitStack() as stack:
                whole.train(list(named.values()), settings, config_folder, watcher, stop, stack)
    found = np.full(len(joins.points), np.inf)
    for n, each in named.items():
        figures = storage.read(each.folder).summary["minimum"]
        found[n] = next(iter(figures.values()))
    return found


def _trained_by(carry: Carry, wanted: list[Minimum], config_folder: Path) -> None:
    missing = {each.folder: Asked(each.settings, config_folder) for each in wanted if not kept(each, config_folder)}
    failed = [f"{place}: {said}" for place, said in (carry(missing) if missing else ()) if said]
    if failed:
        raise PathsearchError("; ".join(failed))


def _landscape(joins: Joins, values: Array, runs: Mapping[Pair, storage.Run]) -> Landscape:
    """What the runs say; values: those that are known without them."""
    metric, known, ways = "", values.copy(), []
    names = tuple(point.name for point in joins.points)
    for pair, run in sorted(runs.items()):  # in whatever order they ended
        shown = figures(run)
        metric, found = _sought(shown)
        for n, value in zip(joins.ends(pair), (found["start"], found["end"])):
            if np.isfinite(known[n]) and not math.isclose(known[n], value, rel_tol=UNLIKE, abs_tol=1e-9):
                raise PathsearchError(
                    f"{names[n]} has {metric.replace('_', ' ')} {known[n]:.6g}, and {value:.6g} in {run.file}: "
                    "it was measured on something else; explore in another folder (--out)"
                )
            known[n] = value
        kept = {**found, "saddle": found["max"], "gradients": shown["evaluations"]}
        kept |= {name: shown[name] for name in ("length", "chord")}
        place = str(joins.place(pair).relative_to(joins.folder))
        ways.append(Way(*pair, place, {name: float(kept[name]) for name in FIGURES}))
    config = joins.settings.model_dump(mode="json")
    landscape = Landscape(joins.folder / NAME, config, metric, names, known, tuple(ways))
    for u, v in below(known, landscape.saddles, UNLIKE * float(np.abs(known[np.isfinite(known)]).max(initial=1e-9))):
        raise PathsearchError(f"the saddle between {names[u]} and {names[v]} is lower than they are: report this")
    return landscape


def tolerance(landscape: Landscape) -> float:
    """What a pair must be able to lower a saddle by to be worth a search."""
    ways = minimax(landscape.saddles)
    finite = ways[np.isfinite(ways)]
    lowest = landscape.values[np.isfinite(landscape.values)]
    return SMALL * float(finite.max() - lowest.min()) if finite.size and lowest.size else 0.0
