"""Files of format version 1, as version 2 has them.

Version 1 trained endpoints as the first stages of the search itself, called "train endpoints": stage numbers, steps and
gradients counted them, and the history has a row for each of their steps. Here the search begins where they end.
"""

import json
from collections.abc import Mapping
from typing import Any

from pathsearch.storage.layout import Arrays

OPTIONS = {("holder", "stack"): ("holder", "gradients")}
"""Options that have another name now; their values are the same."""

SUMMARY = {"stack": "gradients"}
"""The same of the summary."""

TRAINING = ("training", "training_steps")
"""What the summary said of stages that are no more."""


def attributes(kept: Mapping[str, Any]) -> dict[str, Any]:
    """The root's attributes, read, by the names of version 2; the first programs of version 1 wrote fewer."""
    known = {name: json.loads(kept[name]) for name in ("config", "position", "summary", "versions")}
    more = {name: json.loads(kept.get(name, "{}")) for name in ("last", "outside", "place")}
    writer = {"versions": known.pop("versions"), "origin": str(kept["origin"])}
    # all other methods of version 1 went along straight segments
    curve = "bezier" if known["config"]["method"]["name"] == "bezier" else "polygon"
    new = {"curve": curve, "minima": [], "writers": [writer], "alignment": {}}
    return {"state": str(kept["state"]), **known, **more, **new}


def migrated(old: dict[str, Any], history: Arrays) -> tuple[dict[str, Any], Arrays, str]:
    """Attributes and history without the training of endpoints, and why the run cannot go on; "" where it can."""
    summary = old["summary"]
    trainings, moves = int(summary["training"]), int(summary["training_steps"])
    trained = history["stage"] < trainings
    evaluations = int(history["evaluations"][trained].max(initial=0))

    def searched(state: dict[str, Any]) -> dict[str, Any]:
        """A `search.State`, counted from where the search begins."""
        found = {
            "stage": state["stage"] - trainings,
            "moves": state["moves"] - moves,
            "evaluations": state["evaluations"] - evaluations,
        }
        if found["stage"] < 0:  # still in training
            found = {**dict.fromkeys((*found, "step"), 0), "begun": False, "method": {}, "optimizer": {}}
        return {**state, **found}

    kept = {name: values[~trained] for name, values in history.items()}
    kept |= {"stage": kept["stage"] - trainings, "evaluations": kept["evaluations"] - evaluations}
    new = {
        "config": _renamed(old["config"]),
        "position": searched(old["position"]),
        "last": searched(old["last"]) if old["last"] else {},
        "summary": {
            **{SUMMARY.get(name, name): value for name, value in summary.items() if name not in TRAINING},
            "stages": summary["stages"][trainings:],
            "steps": summary.get("steps", [])[trainings:],
        },
    }
    in_training = old["position"]["stage"] < trainings
    halted = "an earlier pathsearch was stopped in it while it trained the endpoints" if in_training else ""
    return {**old, **new}, kept, halted


def _renamed(config: dict[str, Any]) -> dict[str, Any]:
    """A configuration with the names that its options have now."""
    found = dict(config)
    for (part, old), (_, new) in OPTIONS.items():
        if old in found.get(part, {}):
            found[part] = {new if name == old else name: value for name, value in found[part].items()}
    return found
