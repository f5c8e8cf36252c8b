"""Sweeps: the runs that several values of some options make, and the endpoints they share."""

import itertools
import math
import re
from dataclasses import dataclass

from pathsearch.errors import PathsearchError
from pathsearch.methods import Linear
from pathsearch.run.settings import Endpoints, FromRun, Measurement, RunSettings, Trained

MOST = 10_000  # runs of a sweep


@dataclass(frozen=True)
class Plan:
    """Runs by the names of their folders: `trainings` come first, `paths` take their endpoints from there."""

    trainings: dict[str, RunSettings]
    paths: dict[str, RunSettings]


def combinations(sweeps: list[str]) -> dict[str, list[str]]:
    """Overrides of every combination, by folder name; a sweep is key=FROM:TO (TO left out) or key=A,B,C.

    Raises PathsearchError where one is neither.
    """
    keys = [sweep.partition("=")[0] for sweep in sweeps]
    for key in keys:
        if keys.count(key) > 1:
            raise PathsearchError(f"--sweep {key}: it is swept twice; write all its values in one, as {key}=1,2,5")
    choices = [_choices(sweep) for sweep in sweeps]
    count = math.prod(map(len, choices))
    if count > MOST:
        raise PathsearchError(f"--sweep: {count:,} runs are more than the {MOST:,} that one submission may have")
    named = {_folder(chosen): list(chosen) for chosen in itertools.product(*choices)}
    if len(named) < count:
        raise PathsearchError(f"--sweep {' --sweep '.join(sweeps)}: some of these runs have the same name")
    return named


def refuse_equal(runs: dict[str, RunSettings]) -> None:
    """Raise PathsearchError where two runs are the same though their names differ, as lr=0.1 and lr=1e-1."""
    seen: dict[str, str] = {}
    for name, settings in runs.items():
        other = seen.setdefault(settings.model_dump_json(), name)
        if other != name:
            raise PathsearchError(f"--sweep: {other} and {name} are the same run")


def plan(runs: dict[str, RunSettings], root: str) -> Plan:
    """Have every endpoint that runs train be trained once, two at a time, by runs of their own below `root`."""
    wanted: dict[str, tuple[RunSettings, Trained]] = {}
    for settings in runs.values():
        for end in _trained(settings):
            wanted.setdefault(_key(settings, end), (settings, end))
    trainings: dict[str, RunSettings] = {}
    found: dict[str, FromRun] = {}
    waiting = dict(wanted)
    while waiting:
        key = next(iter(waiting))
        settings, first = waiting.pop(key)
        # a partner of the same kind, else whatever this run has at its other end
        partner = next((other for other, (own, _) in waiting.items() if _alike(own, settings)), None)
        points = settings.endpoints
        assert points is not None  # it has an endpoint to train
        name = f"endpoints-{len(trainings)}"
        if partner is None:
            second = points.end if first == points.start else points.start
        else:
            second = waiting.pop(partner)[1]
            found[partner] = FromRun(run=f"{root}/{name}", pivot=-1)
        found[key] = FromRun(run=f"{root}/{name}", pivot=0)
        trainings[name] = settings.model_copy(
            update={
                "endpoints": Endpoints(start=first, end=second),
                "method": Linear(),
                "measure": Measurement(points=3, plane=0),
            }
        )
    return Plan(trainings, {name: _with(settings, found) for name, settings in runs.items()})


def _choices(sweep: str) -> list[str]:
    key, equals, values = sweep.partition("=")
    if not equals or not key or not values:
        raise PathsearchError(f"--sweep {sweep}: write key=0:8 for numbers from 0 to 7, or key=a,b,c")
    numbers = re.fullmatch(r"(-?\d+):(-?\d+)", values)
    chosen = [str(n) for n in range(int(numbers[1]), int(numbers[2]))[: MOST + 1]] if numbers else values.split(",")
    if any(mark in values for mark in "{}[]"):
        raise PathsearchError(f"--sweep {sweep}: commas separate values here; sweep the options inside one by one")
    if not chosen or not all(chosen):
        raise PathsearchError(f"--sweep {sweep}: no values there; write key=0:8 for 0 to 7, or key=a,b,c")
    return [f"{key}={value}" for value in chosen]


def _folder(overrides: tuple[str, ...]) -> str:
    return ",".join(re.sub(r"[^\w.,=+-]", "-", override) for override in overrides)


def _trained(settings: RunSettings) -> list[Trained]:
    points = settings.endpoints
    return [end for end in (points.start, points.end) if isinstance(end, Trained)] if points else []


def _key(settings: RunSettings, end: Trained) -> str:
    """What a trained endpoint follows from."""
    return f"{settings.objective.model_dump_json()} {settings.device} {end.model_dump_json()}"


def _alike(one: RunSettings, other: RunSettings) -> bool:
    return one.objective == other.objective and one.device == other.device


def _with(settings: RunSettings, found: dict[str, FromRun]) -> RunSettings:
    points = settings.endpoints
    if points is None:
        return settings
    ends = {
        side: found[_key(settings, end)] if isinstance(end := getattr(points, side), Trained) else end
        for side in ("start", "end")
    }
    return settings.model_copy(update={"endpoints": points.model_copy(update=ends)})
