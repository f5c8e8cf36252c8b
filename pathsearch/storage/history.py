"""What the search saw, a row a step: kept in memory while it runs, in `path.h5` group `history` after."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pathsearch.search import State, Step
from pathsearch.storage.layout import Arrays

COLUMNS = {
    "stage": np.int64,
    "step": np.int64,
    "force": np.float64,
    "length": np.float64,
    "evaluations": np.int64,
    "coordinator_bytes": np.int64,
    "actor_bytes": np.int64,
}


LOOKS = ("stage", "step", "moves", "evaluations", "points")
"""Columns of the looks, whole numbers; all others are barriers."""


@dataclass
class History:
    """One row a step: COLUMNS, and the losses [S] at path positions t [S]; and the looks."""

    rows: list[tuple[Any, ...]] = field(default_factory=list)
    t: list[NDArray[np.float64]] = field(default_factory=list)
    loss: list[NDArray[np.float64]] = field(default_factory=list)
    looks: list[dict[str, float]] = field(default_factory=list)
    """of each measurement of the path under way: LOOKS, and the barrier of every metric"""

    def add(self, step: Step) -> None:
        at = step.state
        sent = step.traffic
        self.rows.append((at.stage, at.step, step.force, step.length, step.evaluations, sent.coordinator, sent.actor))
        self.t.append(step.t)
        self.loss.append(step.losses)

    def look(self, step: Step, points: int, barriers: dict[str, float]) -> None:
        at = step.state
        self.looks.append(dict(zip(LOOKS, (at.stage, at.step, at.moves, step.evaluations, points))) | barriers)

    def look_arrays(self) -> Arrays:
        columns = self.looks[0] if self.looks else ()
        kinds = {name: np.int64 if name in LOOKS else np.float64 for name in columns}
        return {name: np.array([look[name] for look in self.looks], dtype=kinds[name]) for name in columns}

    def arrays(self) -> Arrays:
        columns = list(zip(*self.rows)) or [()] * len(COLUMNS)
        found = {name: np.array(values, dtype=COLUMNS[name]) for name, values in zip(COLUMNS, columns)}
        return {**found, "t": _table(self.t), "loss": _table(self.loss)}


def before(position: State, arrays: Arrays, looks: Arrays) -> History:
    """The history kept up to `position`; the step it stands at will be taken again."""
    kept = _earlier(position, arrays)
    arrays = {name: np.zeros(len(arrays["step"]), dtype=kind) for name, kind in COLUMNS.items()} | arrays  # older files
    used = [~np.isnan(arrays["t"][row]) for row in kept]
    return History(
        rows=list(zip(*(arrays[name][kept].tolist() for name in COLUMNS))),
        t=[arrays["t"][row][points] for row, points in zip(kept, used)],
        loss=[arrays["loss"][row][points] for row, points in zip(kept, used)],
        looks=[{name: values[row].item() for name, values in looks.items()} for row in _earlier(position, looks)],
    )


def _earlier(position: State, arrays: Arrays) -> NDArray[np.int64]:
    """The rows of steps that were taken before `position`."""
    if not arrays:
        return np.zeros(0, dtype=np.int64)
    stage, step = arrays["stage"], arrays["step"]
    within = (stage == position.stage) & (step < position.step) & position.begun
    return np.flatnonzero((stage < position.stage) | within)


def _table(rows: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Rows of different lengths as one array, NaN beyond each row's end."""
    table = np.full((len(rows), max((len(row) for row in rows), default=0)), np.nan)
    for target, row in zip(table, rows):
        target[: len(row)] = row
    return table
