"""Which runs may stand in one table: those that are measured, each once, by the same loss on the same data."""

import os
from collections.abc import Mapping
from typing import Any

from pathsearch.errors import PathsearchError
from pathsearch.locks import stands
from pathsearch.run.outside import METRICS
from pathsearch.storage import Run
from pathsearch.storage.metrics import WORDS, beside_the_loss

READ = ("augment", "download", "workers")
"""Options of data that change how they are read or trained on, not what is measured."""

Options = dict[str, Any]


def refuse_unmeasured(runs: Mapping[str, Run]) -> None:
    """Raise PathsearchError where a file is named twice, a run is a minimum, or one is not measured yet."""
    named: dict[str, str] = {}
    for name, run in runs.items():
        file = os.path.realpath(run.file)
        if file in named:
            raise PathsearchError(f"{named[file]} and {name} are the same run: name it once")
        named[file] = name
        if "minimum" in run.summary or run.config["method"]["name"] == "train":
            raise PathsearchError(f"{name} is a minimum, not a path: compare runs that join two")
    states = {name: stands(run.state, run.file.parent) for name, run in runs.items()}
    if early := [name for name, run in runs.items() if run.state != "finished" or "profiles/path" not in run.groups]:
        said = ", ".join(f"{name} ({states[name]})" for name in early)
        raise PathsearchError(f"not measured yet: {said}; run them to their end first, or leave them out")


def refuse_unlike(runs: Mapping[str, Run], configs: Mapping[str, Options]) -> None:
    """Raise PathsearchError where what was measured of a run is something else than of the first.

    configs: every option of each run.
    """
    (first, run), *others = runs.items()
    for name, other in others:
        a, b = configs[first], configs[name]
        if said := _unlike(_loss(run, a), _loss(other, b)):
            raise PathsearchError(f"{name} has another loss than {first}: {said}; compare them apart")
        if said := _unlike(_data(run, a), _data(other, b)) or _elsewhere(run, a, other, b):
            raise PathsearchError(f"{name} was measured on other data than {first}: {said}; compare them apart")
        if said := _unlike(*_counts(run, a, other, b)):
            raise PathsearchError(
                f"{name} was measured on another number of examples than {first}: {said}; measure both alike"
            )
        if said := _unlike(_metrics(run, a), _metrics(other, b)):
            raise PathsearchError(f"{name} has another metric of the same name as {first}: {said}; compare them apart")


def data_name(config: Options) -> str:
    """What a run's data are called: their kind, or the folder of pictures that they are; "" without data."""
    data = _settings(config)
    return os.path.basename(os.path.normpath(data["root"])) if data.get("name") == "folder" else data.get("name", "")


def _settings(config: Options) -> Options:
    """The options of a run's data; none without data."""
    found: Options = config["objective"].get("data", {})
    return found


def _unlike(one: Options, other: Options) -> str:
    """The first option at which two differ, of those that both have; "" where none does."""
    differ = (key for key in one if key in other and one[key] != other[key])
    return next((f"{key} is {other[key]}, not {one[key]}" for key in differ), "")


def _loss(run: Run, config: Options) -> Options:
    objective = config["objective"]
    found = {f"objective.{name}": objective[name] for name in ("name", "target", "loss") if name in objective}
    return found | _hashes(run, ("objective.target", "objective.loss"))


def _data(run: Run, config: Options) -> Options:
    data = _settings(config)
    files = {option: said for option, (_, said) in run.outside.items() if option.startswith("objective.data")}
    found = {f"objective.data.{name}": value for name, value in data.items() if name not in (*READ, "root")}
    # a file of tokens is known by its content wherever it lies, a module has functions of several names
    found = {option: value for option, value in found.items() if option not in files or data["name"] != "tokens"}
    return found | _hashes(run, files)


def _elsewhere(run: Run, config: Options, other: Run, its: Options) -> str:
    """Where the pictures of two runs lie, if that is not one folder; data of all other kinds are known by name."""
    roots = [data["root"] for each in (config, its) if (data := _settings(each)).get("name") == "folder"]
    if not roots or _place(run, roots[0]) == _place(other, roots[1]):
        return ""
    here, there = (each.place.get("here", ".") for each in (run, other))
    return f"objective.data.root is {roots[1]} in {there}, not {roots[0]} in {here}"


def _place(run: Run, root: str) -> str:
    """The folder that a run found its pictures in: the first of its places that has them, the working folder's where
    none has them any more.
    """
    bases = (run.place.get(name, "") for name in ("here", "folder"))
    places = [os.path.realpath(os.path.join(base, os.path.expanduser(root))) for base in bases]
    return next((place for place in places if os.path.isdir(place)), places[0])


def _counts(run: Run, config: Options, other: Run, its: Options) -> tuple[Options, Options]:
    """How many examples two runs were measured on; files of earlier programs have only the option."""
    said = [each.summary.get("measured") for each in (run, other)]
    if all(said):
        one, two = (
            {f"the number of {WORDS[split]} examples": f"{each[split]:,} of {each[f'{split}_of']:,}" for split in WORDS}
            for each in said
            if each
        )
        return one, two
    one, two = ({"measure.examples": each["measure"]["examples"] or "all"} for each in (config, its))
    return one, two


def _metrics(run: Run, config: Options) -> Options:
    named = config["objective"].get("metrics") or {}
    names = {f"{METRICS}{name}": named.get(name, name) for name in beside_the_loss(run)}
    return names | _hashes(run, names)


def _hashes(run: Run, options: Any) -> Options:
    """The SHA-256 of the files that options name, as far as the run has kept it."""
    return {f"the file of {option}": run.outside[option][1][:10] for option in options if option in run.outside}
