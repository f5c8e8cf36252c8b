"""What is said of a run: the figures of `pathsearch show`, and the table at a run's end."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich import box
from rich.table import Table

from pathsearch.locks import stands
from pathsearch.numerics.profiles import saddle_uncertainty, summary
from pathsearch.storage import FORMAT_VERSION, Run
from pathsearch.storage.glance import last_step

ROUNDING = 1e-6
"""Share of a loss within which two are the same: the path and the line are measured at points of their own."""


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
        "force": float(history["force"][-1]) if len(history["force"]) else None,
        "last_step": {"loss": loss, "barrier": barrier},
        "traffic": _traffic(history),
        "length": None,
        "chord": run.summary.get("chord"),
        "off_plane": off_plane(run),
        "endpoint_disagreement": run.summary.get("disagreement"),
        "endpoints_as_loaded": run.summary.get("as_loaded") or None,
        "worse_than_line": worse_than_line(run),
        "warnings": warnings(run),
        "minimum": run.summary.get("minimum"),
        "minima": run.minima,
        "path": None,
        "linear": None,
        "origin": run.origin,
        "versions": run.versions,
    }
    for name, metrics in _summaries(run).items():
        found[name] = {**metrics, "saddle_uncertainty": run.summary[f"{name}_uncertainty"]}
    if found["path"]:
        found["length"] = float(run.groups["profiles/path"]["arc_length"][-1])
    return _without_nan(found)


def table(run: Run) -> Table:
    """Endpoints, straight line and path, a row a metric; of a minimum its metrics."""
    if "minimum" in run.summary:
        rows = _rows("", ("minimum",))
        for metric, value in run.summary["minimum"].items():
            rows.add_row(label(metric), _number(value, metric))
        return rows
    shown = _summaries(run)
    rows = _rows("", ("start", "end", "line max", "barrier", "path max", "barrier"))
    for metric, path in shown.get("path", {}).items():
        line = shown.get("linear", {}).get(metric, {})
        values = [path["start"], path["end"], line.get("max"), line.get("barrier")]
        values += [path["max"], path["barrier"]]
        rows.add_row(label(metric), *(_number(value, metric) for value in values))
    return rows


def minima_table(runs: dict[str, Run]) -> Table:
    """Finished minima by their names, a row each: steps, and every metric."""
    metrics = list(dict.fromkeys(metric for run in runs.values() for metric in run.summary["minimum"]))
    rows = _rows("minimum", ("steps", *(label(metric).replace(" ", "\n", 1) for metric in metrics)))
    for name, run in runs.items():
        values = (_number(run.summary["minimum"].get(metric), metric) for metric in metrics)
        rows.add_row(name, str(run.position["moves"]), *values)
    return rows


def _rows(first: str, columns: tuple[str, ...]) -> Table:
    """An empty table of numbers with names before them."""
    rows = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    rows.add_column(first, no_wrap=True)
    for column in columns:
        rows.add_column(column, justify="right", no_wrap=True)
    return rows


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
        for metric, values in arrays.items():
            odd = ~np.isfinite(values)
            if odd.any() and not _absent(metric, values):
                at = run.groups[f"profiles/{name}"]["t"][odd][0]
                where = f"points of {'the path' if name == 'path' else 'the straight line'}, first at t = {at:.4g}"
                said.append(f"{label(metric)} is not finite at {odd.sum()} of {len(odd)} {where}")
                break
    if worse_than_line(run):
        highest = [run.groups[f"profiles/{name}"][sought(run)].max() for name in ("path", "linear")]
        path, line = (_number(float(value), "") for value in highest)
        said.append(
            f"the path is worse than the straight line: {label(sought(run))} reaches {path} on it, {line} on the line. "
            + _mend(run)
        )
    return said


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


def label(metric: str) -> str:
    """A metric's name as people read it."""
    return {"train_loss_l2": "train loss + L2"}.get(metric, metric.replace("_", " "))


def headline(shown: dict[str, Any]) -> str:
    """One line on how a run stands."""
    reached = "converged" if shown["converged"] else "step budget used, no convergence claimed"
    reached = {"linear": "nothing to search", "train": "trained"}.get(shown["method"], reached)
    finished = shown["state"] == "finished"
    what = "minimum" if shown["method"] == "train" else shown["method"]
    parts = [f"{what}: {reached if finished else shown['state'] + ', at ' + shown['stage']}"]
    if shown["worse_than_line"]:
        parts.append("worse than the straight line")
    parts += [f"{shown['step']} steps", f"{shown['evaluations']} gradients"]
    if not finished and shown["last_step"]["loss"] is not None:
        loss, barrier = shown["last_step"]["loss"], shown["last_step"]["barrier"]
        beside = "" if barrier is None else f" (barrier {_number(barrier, '')})"
        parts.append(f"highest loss of the last step kept {_number(loss, '')}{beside}")
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


def _profiles(run: Run) -> dict[str, dict[str, NDArray[np.float64]]]:
    """Metrics along the path and the straight line, as far as they are measured."""
    found = {}
    for name in ("path", "linear"):
        if f"profiles/{name}" in run.groups:
            arrays = run.groups[f"profiles/{name}"]
            found[name] = {key: values for key, values in arrays.items() if key not in ("t", "arc_length")}
    return found


def _summaries(run: Run) -> dict[str, dict[str, dict[str, float]]]:
    """The figures of `_profiles`, see `profiles.summary`."""
    found = {}
    for name, metrics in _profiles(run).items():
        at = run.groups[f"profiles/{name}"]
        found[name] = {key: summary(values, at["t"], at["arc_length"]) for key, values in metrics.items()}
    return found


def _absent(metric: str, values: NDArray[np.float64]) -> bool:
    """Whether the error rate does not exist, since targets are no classes."""
    return metric.endswith("error") and bool(np.isnan(values).all())


def _number(value: float | None, metric: str) -> str:
    if value is None or (metric.endswith("error") and np.isnan(value)):
        return "–"
    if not np.isfinite(value):
        return "not finite"
    if abs(value) >= 100:
        return f"{value:.5g}"
    return f"{100 * value:.2f} %" if metric.endswith("error") else f"{value:.3g}"


def _without_nan(value: Any) -> Any:
    """JSON has no NaN: an error rate that does not exist is null."""
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    return None if isinstance(value, float) and not np.isfinite(value) else value
