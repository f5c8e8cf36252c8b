"""What is said of a run: the figures of `pathsearch show`, and the table at a run's end."""

from typing import Any

import numpy as np
from rich import box
from rich.table import Table

from pathsearch.numerics.profiles import summary
from pathsearch.storage import FORMAT_VERSION, Run


def figures(run: Run) -> dict[str, Any]:
    """Everything `pathsearch show --json` prints; what is not measured yet is null."""
    position, history = run.position, run.groups["history"]
    training = run.summary["training"]
    found: dict[str, Any] = {
        "format_version": FORMAT_VERSION,
        "file": str(run.file),
        "state": run.state,
        "converged": bool(position["converged"]),
        "method": run.config["method"]["name"],
        "step": max(0, int(position["moves"]) - run.summary["training_steps"]),
        "stage": _stage(run),
        "evaluations": int(position["evaluations"]),
        "parameters": int(run.shape[1]),
        "pivots": int(run.shape[0]),
        "force": float(history["force"][-1]) if (history["stage"] >= training).any() else None,
        "traffic": _traffic(history),
        "length": None,
        "chord": run.summary.get("chord"),
        "endpoint_disagreement": run.summary.get("disagreement"),
        "endpoints_as_loaded": run.summary.get("as_loaded") or None,
        "path": None,
        "linear": None,
        "origin": run.origin,
        "versions": run.versions,
    }
    for name in ("path", "linear"):
        arrays = run.groups.get(f"profiles/{name}")
        if arrays is None:
            continue
        metrics = {key: values for key, values in arrays.items() if key not in ("t", "arc_length")}
        found[name] = {key: summary(values, arrays["t"], arrays["arc_length"]) for key, values in metrics.items()}
        found[name]["saddle_uncertainty"] = run.summary[f"{name}_uncertainty"]
        if name == "path":
            found["length"] = float(arrays["arc_length"][-1])
    return _without_nan(found)


def table(run: Run) -> Table:
    """Endpoints, straight line and path, a row a metric."""
    shown = figures(run)
    rows = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    rows.add_column("", no_wrap=True)
    for column in ("start", "end", "line max", "barrier", "path max", "barrier"):
        rows.add_column(column, justify="right", no_wrap=True)
    for metric in (key for key in shown["path"] or {} if key != "saddle_uncertainty"):
        path, line = shown["path"][metric], (shown["linear"] or {}).get(metric, {})
        values = [path["start"], path["end"], line.get("max"), line.get("barrier")]
        values += [path["max"], path["barrier"]]
        rows.add_row(label(metric), *(_number(value, metric) for value in values))
    return rows


def label(metric: str) -> str:
    """A metric's name as people read it."""
    return {"train_loss_l2": "train loss + L2"}.get(metric, metric.replace("_", " "))


def headline(shown: dict[str, Any]) -> str:
    """One line on how a run stands."""
    reached = "converged" if shown["converged"] else "step budget used, no convergence claimed"
    reached = "nothing to search" if shown["method"] == "linear" else reached
    ended = reached if shown["state"] == "finished" else f"{shown['state']}, {shown['stage']}"
    parts = [f"{shown['method']}: {ended}", f"{shown['step']} steps", f"{shown['evaluations']} gradients"]
    parts.append(f"{shown['pivots']} pivots of {shown['parameters']:,} weights")
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


def _number(value: float | None, metric: str) -> str:
    if value is None:
        return "–"
    if abs(value) >= 100:
        return f"{value:.5g}"
    return f"{100 * value:.2f} %" if metric.endswith("error") else f"{value:.3g}"


def _without_nan(value: Any) -> Any:
    """JSON has no NaN: an error rate that does not exist is null."""
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    return None if isinstance(value, float) and not np.isfinite(value) else value
