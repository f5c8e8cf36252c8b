"""Sweeps: the runs that several values of some options make."""

import itertools
import math
import re

from pathsearch.errors import PathsearchError
from pathsearch.run.settings import RunSettings

MOST = 10_000  # runs of a sweep


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


def listed(values: str) -> list[str]:
    """What FROM:TO (TO left out) or A,B,C names, of a range no more than MOST + 1."""
    numbers = re.fullmatch(r"(-?\d{1,18}):(-?\d{1,18})", values)
    return [str(n) for n in range(int(numbers[1]), int(numbers[2]))[: MOST + 1]] if numbers else values.split(",")


def _choices(sweep: str) -> list[str]:
    key, equals, values = sweep.partition("=")
    if not equals or not key or not values:
        raise PathsearchError(f"--sweep {sweep}: write key=0:8 for numbers from 0 to 7, or key=a,b,c")
    chosen = listed(values)
    if any(mark in values for mark in "{}[]"):
        raise PathsearchError(f"--sweep {sweep}: commas separate values here; sweep the options inside one by one")
    if not chosen or not all(chosen):
        raise PathsearchError(f"--sweep {sweep}: no values there; write key=0:8 for 0 to 7, or key=a,b,c")
    return [f"{key}={value}" for value in chosen]


def _folder(overrides: tuple[str, ...]) -> str:
    return ",".join(re.sub(r"[^\w.,=+-]", "-", override) for override in overrides)
