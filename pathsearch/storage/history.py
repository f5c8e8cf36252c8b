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


@dataclass
class History:
    """One row a step: COLUMNS, and the losses [S] at path positions t [S]."""

    rows: list[tuple[Any, ...]] = field(default_factory=list)
    t: list[NDArray[np.float64]] = field(default_factory=list)
    loss: list[NDArray[np.float64]] = field(default_factory=list)

    def add(self, step: Step) -> None:
        at = step.state
        sent = step.traffic
        self.rows.append((at.stage, at.step, step.force, step.length, step.evaluations, sent.coordinator, sent.actor))
        self.t.append(step.t)
        self.loss.append(step.losses)

    def arrays(self) -> Arrays:
        columns = list(zip(*self.rows)) or [()] * len(COLUMNS)
        found = {name: np.array(values, dtype=COLUMNS[name]) for name, values in zip(COLUMNS, columns)}
        return {**found, "t": _table(self.t), "loss": _table(self.loss)}


def before(position: State, arrays: Arrays) -> History:
    """The history kept up to `position`; the step it stands at will be taken again."""
    stage, step = arrays["stage"], arrays["step"]
    within = (stage == position.stage) & (step < position.step) & position.begun
    kept = np.flatnonzero((stage < position.stage) | within)
    arrays = {name: np.zeros(len(stage), dtype=kind) for name, kind in COLUMNS.items()} | arrays  # of older files
    used = [~np.isnan(arrays["t"][row]) for row in kept]
    return History(
        rows=list(zip(*(arrays[name][kept].tolist() for name in COLUMNS))),
        t=[arrays["t"][row][points] for row, points in zip(kept, used)],
        loss=[arrays["loss"][row][points] for row, points in zip(kept, used)],
    )


def _table(rows: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Rows of different lengths as one array, NaN beyond each row's end."""
    table = np.full((len(rows), max((len(row) for row in rows), default=0)), np.nan)
    for target, row in zip(table, rows):
        target[: len(row)] = row
    return table
