"""Many runs side by side: groups of those that differ in nothing but seeds, and the figures of each group."""

import json
import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any

from pathsearch import report, storage
from pathsearch.comparing.comparable import Options, data_name, refuse_unlike, refuse_unmeasured
from pathsearch.comparing.published import Published
from pathsearch.errors import PathsearchError
from pathsearch.run.outside import METRICS
from pathsearch.run.past import recorded
from pathsearch.run.settings import UNCOMPARED
from pathsearch.storage import Run
from pathsearch.storage.metrics import metric

SEEDS = ("seed", "endpoints.start.train.seed", "endpoints.end.train.seed")
"""Options in which the runs of a group differ."""

ASIDE = (
    *(f"{name}." for name in UNCOMPARED),
    *(f"measure.{name}" for name in ("plane", "chunk", "examples")),
    *(f"objective.data.{name}" for name in ("root", "download", "workers")),
    METRICS,
)
"""Beginnings of options that make no other group: they change no figure, or `comparable` has looked at them."""

LONGEST = 40
"""Letters of a run's name in a picture."""

ALONG = {"path": "", "linear": "line."}
"""What begins the figures of a profile."""


@dataclass(frozen=True)
class Member:
    """A run in its group: its name on the command line, seeds, and figures by key, NaN for one that is not finite."""

    name: str
    seeds: tuple[Any, ...]
    figures: dict[str, float]


@dataclass(frozen=True)
class Spread:
    """The mean of a figure over a group, its standard deviation (over n − 1; None of a single run), and its values."""

    mean: float
    sd: float | None
    values: tuple[float, ...] = ()


@dataclass(frozen=True)
class Group:
    """Runs that differ in nothing but seeds. options: by dotted key; data: their name; differs: from other groups;
    shares: the metrics that are shares of 1.
    """

    options: Options
    data: str
    members: tuple[Member, ...]
    differs: Options
    shares: frozenset[str] = frozenset()

    def metrics(self) -> set[str]:
        """What is measured of all its runs; without shares that do not exist, as that of wrong classes."""
        found = {key.removesuffix(".max"): each for key, each in self.spreads().items() if key.endswith(".max")}
        absent = {name for name in self.shares & found.keys() if all(map(math.isnan, found[name].values))}
        return found.keys() - absent

    def spreads(self) -> dict[str, Spread]:
        """Every figure that all of its runs have."""
        first, *others = (member.figures for member in self.members)
        keys = [key for key in first if all(key in other for other in others)]
        return {key: spread([member.figures[key] for member in self.members]) for key in keys}


def spread(values: list[float]) -> Spread:
    """Mean and standard deviation of at least one value."""
    finite = all(map(math.isfinite, values))
    sd = None if len(values) < 2 else stdev(values) if finite else math.nan
    return Spread(fmean(values), sd, tuple(values))


def groups(runs: Mapping[str, Run]) -> list[Group]:
    """The groups of runs, given by their names, in the order in which they come first.

    Raises PathsearchError where figures of theirs do not belong in one table: see `comparable`; and where two runs have
    the same configuration and the same seeds.
    """
    configs = together(runs)
    found: dict[str, tuple[Options, list[Member]]] = {}
    for name, run in runs.items():
        options = flat(configs[name]) | _from_files(run) | _rates(run)
        seeds = tuple(options.pop(key, None) for key in SEEDS)
        options = {key: value for key, value in options.items() if not key.startswith(ASIDE)}
        _, members = found.setdefault(json.dumps(options, sort_keys=True), (options, []))
        if twin := next((member.name for member in members if member.seeds == seeds), None):
            raise PathsearchError(f"{twin} and {name} have the same configuration and the same seeds: name one of them")
        members.append(Member(name, seeds, figures(run)))
    labels = differing([options for options, _ in found.values()])
    data = data_name(next(iter(configs.values())))
    return [
        Group(options, data, tuple(members), label, _shares(runs[members[0].name]))
        for (options, members), label in zip(found.values(), labels)
    ]


def _shares(run: Run) -> frozenset[str]:
    """The metrics that are shares of 1."""
    return frozenset(name for name in run.groups["profiles/path"] if metric(run, name).share)


def together(runs: Mapping[str, Run]) -> dict[str, Options]:
    """The options of runs that may stand in one table or picture, see `comparable`; raises PathsearchError else."""
    refuse_unmeasured(runs)
    configs = {name: recorded(run).model_dump(mode="json") for name, run in runs.items()}
    refuse_unlike(runs, configs)
    return configs


def figures(run: Run) -> dict[str, float]:
    """Every figure of a measured run, by a dotted key: `metric.figure` of the path, `line.metric.figure`, and others.

    Beside those of `profiles.summary` there is `ends`, the mean of both end values.
    """
    shown = report.figures(run)
    found: dict[str, Any] = {}
    for name, prefix in ALONG.items():
        metrics = dict(shown[name] or {})
        if metrics:
            found[f"{prefix}saddle_uncertainty"] = metrics.pop("saddle_uncertainty")
        for column, said in metrics.items():
            ends = [said["start"], said["end"]]
            values = {"ends": None if None in ends else fmean(ends), **said}
            found |= {f"{prefix}{column}.{key}": values[key] for key in values if key != "higher_is_better"}
    length, chord = shown["length"], shown["chord"]
    found |= {"length": length, "chord": chord, "length_over_chord": length / chord if length and chord else None}
    found |= {"gradients": shown["evaluations"], "steps": shown["step"]}
    found["device_hours"] = shown["device_hours"]
    if goal := shown["until"]:
        found["gradients_to_goal"] = goal["evaluations"] if goal["reached"] else None
        found["device_hours_to_goal"] = report.device_hours(run, "search") if goal["reached"] else None
    found |= {key: shown[key] for key in ("pivots", "parameters", "converged", "endpoint_disagreement")}
    return {key: math.nan if value is None else float(value) for key, value in found.items()}


def published(group: Group, rows: Iterable[Published]) -> list[tuple[Published, dict[str, Spread]]]:
    """The published rows that fit a group, with their figures."""
    parameters = group.spreads()["parameters"].mean
    fit = [row for row in rows if row.beside(group.options, group.data, parameters)]
    return [(row, {key: Spread(*pair) for key, pair in row.figures.items()}) for row in fit]


def flat(values: Any, prefix: str = "") -> Options:
    """Options by dotted key, lists by number; those that are None have none."""
    if not isinstance(values, (dict, list)):
        return {} if values is None else {prefix: values}
    items = values.items() if isinstance(values, dict) else enumerate(values)
    found: Options = {}
    for key, value in items:
        found |= flat(value, f"{prefix}.{key}" if prefix else str(key))
    return found


def differing(options: list[Options]) -> list[Options]:
    """Of each group what tells it from the others, by dotted key; None for an option that only others have.

    Options of a kind (those of method neb) are compared among groups with that kind: that another method has others
    says its name.
    """
    keys = dict.fromkeys(key for each in options for key in each)
    found: list[Options] = [{} for _ in options]
    for key in sorted(keys, key=lambda key: not key.startswith("method.")):  # the method comes first
        kinds = [_kinds(key, each) for each in options]
        values = [json.dumps(each.get(key)) for each in options]
        told = {kind for kind in kinds if len({value for k, value in zip(kinds, values) if k == kind}) > 1}
        if len(set(values)) > 1 and all(key in each for each in options):  # as the images of two kinds of band
            told = set(kinds)
        for each, kind, its in zip(found, kinds, options):
            if kind in told:
                each[key] = its.get(key)
    return found


def _kinds(key: str, options: Options) -> tuple[Any, ...]:
    """The kinds of all that an option belongs to, as `(network,)` of objective.batch."""
    parts = key.removesuffix(".name").split(".")[:-1]
    return tuple(options.get(".".join([*parts[: n + 1], "name"])) for n in range(len(parts)))


def _from_files(run: Run) -> Options:
    """The SHA-256 of files that a run's endpoints and network came from: of the same name there may be others."""
    return {
        f"{option} (file)": said[:10]
        for option, (_, said) in run.outside.items()
        if option.startswith(("endpoints.", "objective.model"))
    }


def said(value: Any) -> str:
    """An option's value as YAML has it."""
    if isinstance(value, bool) or value is None:
        return {None: "null", True: "true", False: "false"}[value]
    return f"{value:g}" if isinstance(value, float) else str(value)


def _rates(run: Run) -> Options:
    """Where a search was extended, and its learning rates became those of another number of steps."""
    changed = [f"from step {at} those of {steps}" for at, steps in run.summary.get("rates", [])]
    return {"rates (extended)": "; ".join(changed)} if changed else {}


def labels(runs: Mapping[str, Run]) -> list[str]:
    """A short name for each run: the options in which it differs from others, else its folder."""
    options = [flat(recorded(run).model_dump(mode="json")) | _from_files(run) | _rates(run) for run in runs.values()]
    told = differing([{key: each[key] for key in each if not key.startswith(ASIDE)} for each in options])
    short = heads(told)
    names = [", ".join(_told(short[key], value) for key, value in each.items()) for each in told]
    if len(set(names)) == len(runs) and max(map(len, names)) <= LONGEST:
        return names
    folders = [os.path.abspath(run.file.parent if run.file.name == "path.h5" else run.file) for run in runs.values()]
    return [os.path.relpath(folder, os.path.commonpath(folders)) for folder in folders]


def heads(told: list[Options]) -> dict[str, str]:
    """A short word for each option by which runs are told apart: the last of its key, where no other has the same."""
    last = {key: key.removesuffix(".name").rpartition(".")[2] for each in told for key in each}
    return {key: short if list(last.values()).count(short) == 1 else key for key, short in last.items()}


def _told(head: str, value: Any) -> str:
    return said(value) if head == "method" else f"{head}={said(value)}"


def read(names: Iterable[str]) -> dict[str, Run]:
    """Runs by their names, folders or files. Raises PathsearchError as `storage.read`, and for a name given twice."""
    found: dict[str, Run] = {}
    for name in names:
        if name in found:
            raise PathsearchError(f"{name} is named twice: name it once")
        found[name] = storage.read(name)
    return found
