"""What is said of a run: the figures of `pathsearch show`, and the table at a run's end."""

import textwrap
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich import box
from rich.table import Table

from pathsearch.locks import stands
from pathsearch.numerics.profiles import saddle_uncertainty, summary
from pathsearch.storage import FORMAT_VERSION, Run
from pathsearch.storage.glance import last_step
from pathsearch.storage.history import LOOKS
from pathsearch.storage.metrics import columns, metric, subset

ROUNDING = 1e-6
"""Share of a loss within which two are the same: the path and the line are measured at points of their own."""

LONGEST, HEAD = 24, 12
"""Letters of a metric's name in a line, beside its numbers and above them: so that a table fits into 100 columns."""


def figures(run: Run) -> dict[str, Any]:
    """Everything `pathsearch show --json` prints; what is not measured yet is null."""
    position, history = run.position, run.groups["history"]
    loss, barrier = last_step(history)
    found: dict[str, Any] = {
        "format_version": FORMAT_VERSION,
        "file": str(run.file),
        "state": stands(run.state, run.file.parent),
        "converged": bool(position["converged"]),
        "method": run.config["method"]["name"],
        "step": int(position["moves"]),
        "stage": _stage(run),
        "evaluations": int(position["evaluations"]),
        "parameters": int(run.shape[1]),
        "pivots": int(run.shape[0]),
        "until": goal(run),
        "force": float(history["force"][-1]) if len(history["force"]) else None,
        "last_step": {"loss": loss, "barrier": barrier},
        "traffic": _traffic(history),
        "length": None,
        "chord": run.summary.get("chord"),
        "off_plane": off_plane(run),
        "measured": run.summary.get("measured"),
        "measured_on": subset(run) or None,
        "endpoint_disagreement": run.summary.get("disagreement"),
        "endpoints_as_loaded": run.summary.get("as_loaded") or None,
        "worse_than_line": worse_than_line(run),
        "warnings": warnings(run),
        "minimum": run.summary.get("minimum"),
        "minima": run.minima,
        "alignment": run.alignment or None,
        "path": None,
        "linear": None,
        "origin": run.origin,
        "versions": run.versions,
        "device_hours": device_hours(run),
    }
    for name, metrics in _summaries(run).items():
        metrics = {key: {**each, "higher_is_better": metric(run, key).higher} for key, each in metrics.items()}
        found[name] = {**metrics, "saddle_uncertainty": run.summary[f"{name}_uncertainty"]}
    if found["path"]:
        found["length"] = float(run.groups["profiles/path"]["arc_length"][-1])
    return without_nan(found)


def device_hours(run: Run, *parts: str) -> float | None:
    """What devices worked in all attempts, of `parts` or of all: search and measuring, without minima and aligning.

    What was lost when an attempt was killed is not in it. None of files that earlier programs wrote to.
    """
    spent = [writer.get("device_seconds") for writer in run.writers]
    if not spent or None in spent:
        return None
    return sum(each[part] for each in spent if each for part in parts or each) / 3600


def table(run: Run) -> Table:
    """Endpoints, straight line and path, a row a metric; of a minimum its metrics.

    Where more of a metric is better, its least value stands in place of the largest.
    """
    if "minimum" in run.summary:
        rows = _rows("", ("minimum",), subset(run))
        for name, value in run.summary["minimum"].items():
            rows.add_row(_folded(label(name)), number(value, metric(run, name).share))
        return rows
    shown = _summaries(run)
    rows = _rows("", ("start", "end", "line max", "barrier", "path max", "barrier"), subset(run))
    for name, path in shown.get("path", {}).items():
        line, kind = shown.get("linear", {}).get(name, {}), metric(run, name)
        worst = "min" if kind.higher else "max"
        values = [path["start"], path["end"], line.get(worst), line.get("barrier"), path[worst], path["barrier"]]
        said = f"{label(name)} (least)" if kind.higher else label(name)
        rows.add_row(_folded(said), *(number(value, kind.share) for value in values))
    return rows


def goal(run: Run) -> dict[str, Any] | None:
    """What became of a run's goal: as the last look found it, whether that is reached or not; None without a goal.

    `evaluations` are the search's gradients by then, `points` those that all looks measured.
    """
    asked, looks = run.config.get("until"), run.groups.get("looks", {})
    if asked is None or not looks:
        return None
    metric = asked["metric"] or next(name for name in looks if name not in LOOKS)
    last = {name: looks[name][-1].item() for name in ("moves", "evaluations", metric)}
    return {
        "metric": metric,
        "goal": asked["barrier"],
        "reached": "reached" in run.summary,
        "barrier": last[metric],
        "step": last["moves"],
        "stage": run.summary["stages"][int(looks["stage"][-1])],
        "evaluations": last["evaluations"],
        "looks": len(looks["points"]),
        "points": int(looks["points"].sum()),
    }


def goal_table(run: Run) -> Table | None:
    """What became of a run's goal, in a row; None without a goal."""
    found = goal(run)
    if found is None:
        return None
    said = f"the last look was at {run.groups['looks']['points'][-1]} points"
    if "measured" in run.summary and (examples := run.config["until"]["examples"]) is not None:
        said += f" on up to {examples:,} examples a set"
    rows = _rows("goal", ("wanted", "reached", "barrier", "step", "gradients", "looks"), said)
    share = metric(run, found["metric"]).share
    rows.add_row(
        _folded(label(found["metric"])),
        number(found["goal"], share),
        "yes" if found["reached"] else "no",
        number(found["barrier"], share),
        *(f"{found[name]:,}" for name in ("step", "evaluations", "looks")),
    )
    return rows


def minima_table(runs: dict[str, Run]) -> Table:
    """Finished minima by their names, a row each: steps, and every metric."""
    names = list(dict.fromkeys(name for run in runs.values() for name in run.summary["minimum"]))
    subsets = dict.fromkeys(said for run in runs.values() if (said := subset(run)))
    heads = (_folded(label(name).replace(" ", "\n", 1), HEAD) for name in names)
    rows = _rows("minimum", ("steps", *heads), *subsets)
    for minimum, run in runs.items():
        values = (number(run.summary["minimum"].get(name), metric(run, name).share) for name in names)
        rows.add_row(minimum, str(run.position["moves"]), *values)
    return rows


def _rows(first: str, numbers: tuple[str, ...], *below: str) -> Table:
    """An empty table of numbers with names before them, and lines that stand below."""
    caption = "\n".join(line for line in below if line) or None
    rows = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), caption=caption, caption_justify="left")
    rows.add_column(first, no_wrap=True)
    for column in numbers:
        rows.add_column(column, justify="right", no_wrap=True)
    return rows


def _folded(said: str, letters: int = LONGEST) -> str:
    """A metric's name in lines of at most so many letters."""
    return "\n".join(textwrap.fill(line, letters) for line in said.splitlines())


def worse_than_line(run: Run) -> bool | None:
    """Whether the path rises higher than the straight line, for certain, in the loss that is sought.

    None where that is not known: not measured yet, or neither is finite.
    """
    try:
        path, line = (run.groups[f"profiles/{name}"][sought(run)] for name in ("path", "linear"))
    except KeyError:
        return None
    if not np.isfinite(line).all():
        return False if np.isfinite(path).all() else None
    if not np.isfinite(path).all():
        return True
    # the path is at least as high as measured; between the line's points there may be more
    unknown = saddle_uncertainty(line) + ROUNDING * float(np.abs(line).max())
    return bool(path.max() - line.max() > unknown)


def warnings(run: Run) -> list[str]:
    """What is wrong with a result, a line each."""
    said = []
    for name, arrays in _profiles(run).items():
        for column, values in arrays.items():
            odd = ~np.isfinite(values)
            if odd.any() and not absent(run, column):
                at = run.groups[f"profiles/{name}"]["t"][odd][0]
                where = f"points of {'the path' if name == 'path' else 'the straight line'}, first at t = {at:.4g}"
                said.append(f"{label(column)} is not finite at {odd.sum()} of {len(odd)} {where}")
                break
    if worse_than_line(run):
        highest = [run.groups[f"profiles/{name}"][sought(run)].max() for name in ("path", "linear")]
        path, line = (number(float(value)) for value in highest)
        said.append(
            f"the path is worse than the straight line: {label(sought(run))} reaches {path} on it, {line} on the line. "
            + _mend(run)
        )
    return said


def aligned(point: dict[str, Any], said: dict[str, Any]) -> str:
    """How one point was permuted, in a line; said: of the whole alignment, as a file has it."""
    side, moved, barrier, how = point["side"], point["moved"], point["barrier"], said["how"]["name"]
    line = "the straight line's barrier"
    if not moved["units"]:
        before = number(barrier["before"])
        return f"{side} left as it came: no permutation of units is better by {how}; {line} is {before}"
    found = (
        f"{moved['units']:,} of {said['units']:,} units in {moved['groups']} of {said['groups']} groups moved, "
        f"distance {_change(point['distance'])}, {line} {_change(barrier)}"
    )
    if point["identity"]:
        return f"{side} left as it came: aligned with start by {how} it is no better, {found}"
    return f"{side} aligned with start by {how}: {found}"


def _change(figure: dict[str, float]) -> str:
    return f"{number(figure['before'])} → {number(figure['after'])}"


def _mend(run: Run) -> str:
    """What may lead to a better path."""
    optimizer = run.config.get("optimizer", {})
    if run.position["converged"]:
        return "The search converged there: try more images or bends, another method, or endpoints.through"
    lr = f"a smaller optimizer.lr (it was {optimizer['lr']:g})" if optimizer.get("lr") else "another optimizer"
    return f"Try {lr}, or more steps"


def sought(run: Run) -> str:
    """The metric that the search makes small."""
    names = next(iter(_profiles(run).values()), {})
    return "train_loss_l2" if "train_loss_l2" in names else next(iter(names), "loss")


def off_plane(run: Run) -> dict[str, float] | None:
    """How far the path runs from the plane it is drawn on, in chords: mean and max; None where that is not known."""
    off, chord = run.groups.get("profiles/shadow", {}).get("path_off"), run.summary.get("chord")
    return {"mean": float(off.mean() / chord), "max": float(off.max() / chord)} if off is not None and chord else None


def label(column: str) -> str:
    """A metric's name as people read it."""
    return {"train_loss_l2": "train loss + L2"}.get(column, column.replace("_", " "))


def headline(shown: dict[str, Any]) -> str:
    """One line on how a run stands."""
    reached = "converged" if shown["converged"] else "step budget used, no convergence claimed"
    reached = {"linear": "nothing to search", "train": "trained"}.get(shown["method"], reached)
    if shown["until"]:
        reached = "goal reached" if shown["until"]["reached"] else f"{reached}, goal not reached"
    finished = shown["state"] == "finished"
    what = "minimum" if shown["method"] == "train" else shown["method"]
    parts = [f"{what}: {reached if finished else shown['state'] + ', at ' + shown['stage']}"]
    if shown["worse_than_line"]:
        parts.append("worse than the straight line")
    parts += [f"{shown['step']} steps", f"{shown['evaluations']} gradients"]
    if not finished and shown["last_step"]["loss"] is not None:
        loss, barrier = shown["last_step"]["loss"], shown["last_step"]["barrier"]
        beside = "" if barrier is None else f" (barrier {number(barrier)})"
        parts.append(f"highest loss of the last step kept {number(loss)}{beside}")
    count = shown["pivots"]
    parts.append(f"{'a pivot' if count == 1 else f'{count} pivots'} of {shown['parameters']:,} weights")
    if shown["length"] and shown["chord"]:
        parts.append(f"length {shown['length'] / shown['chord']:.2f} × chord")
    if shown["traffic"] is not None:
        coordinator, actor = (
            f"{shown['traffic'][name] / 1000:.3g} kB" for name in ("coordinator_bytes", "actor_bytes")
        )
        parts.append(f"a step moves {coordinator} through the coordinator, at most {actor} into an actor")
    if shown["endpoint_disagreement"] is not None:
        parts.append(f"endpoints disagree on {100 * shown['endpoint_disagreement']:.1f} % of test examples")
    return ", ".join(parts)


def _traffic(history: dict[str, Any]) -> dict[str, float] | None:
    """Bytes a step, its median, in and out of the coordinator and into the busiest actor; None on one device."""
    columns = ("coordinator_bytes", "actor_bytes")
    if not len(history.get(columns[0], ())) or not history[columns[0]].any():
        return None
    return {name: float(np.median(history[name])) for name in columns}


def _stage(run: Run) -> str:
    names, stage = run.summary["stages"], run.position["stage"]
    return names[stage] if stage < len(names) else "measuring" if run.state != "finished" else "done"


def absent(run: Run, column: str) -> bool:
    """Whether a share does not exist, as that of wrong classes where targets are no classes."""
    values = (arrays[column] for arrays in _profiles(run).values() if column in arrays)
    return metric(run, column).share and all(np.isnan(each).all() for each in values)


def _profiles(run: Run) -> dict[str, dict[str, NDArray[np.float64]]]:
    """Metrics along the path and the straight line, as far as they are measured."""
    names = (name for name in ("path", "linear") if f"profiles/{name}" in run.groups)
    return {name: columns(run.groups[f"profiles/{name}"]) for name in names}


def _summaries(run: Run) -> dict[str, dict[str, dict[str, float]]]:
    """The figures of `_profiles`, see `profiles.summary`."""
    found = {}
    for name, metrics in _profiles(run).items():
        at = run.groups[f"profiles/{name}"]
        t, arc = at["t"], at["arc_length"]
        found[name] = {key: summary(values, t, arc, metric(run, key).higher) for key, values in metrics.items()}
    return found


def number(value: float | None, share: bool = False) -> str:
    """A figure as people read it; a share that does not exist is a dash."""
    if value is None or (share and np.isnan(value)):
        return "–"
    if not np.isfinite(value):
        return "not finite"
    if share:
        return f"{100 * value:.2f} %"
    return f"{value:.5g}" if abs(value) >= 100 else f"{value:.3g}"


def without_nan(value: Any) -> Any:
    """JSON has no NaN: a share that does not exist is null."""
    if isinstance(value, dict):
        return {key: without_nan(item) for key, item in value.items()}
    if isinstance(value, list):
        return [without_nan(item) for item in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value
