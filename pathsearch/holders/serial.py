"""The reference holder: all vectors in this process, on one device."""

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pathsearch.holders import vectors
from pathsearch.holders.block import Block, copied
from pathsearch.holders.protocol import Tick, Traffic, Vectors, unheard
from pathsearch.holders.settings import HolderSettings
from pathsearch.methods.sampling import Sample
from pathsearch.numerics.basis import Array
from pathsearch.numerics.seeds import Key
from pathsearch.objectives.gradients import chosen, prepared
from pathsearch.objectives.protocol import Objective
from pathsearch.optimizers.rules import Plan


class SerialHolder:
    """One block that owns the whole path; verbs as in `Holder`."""

    def __init__(self, objective: Objective) -> None:
        self.block = Block(objective)

    def load(self, pivots: Vectors, rows: list[int], states: Mapping[str, Vectors]) -> None:
        self.block.forget()
        for row in range(len(pivots)):
            self.block.take(row, pivots[row])
        self.begin(rows, tuple(states))
        for name, values in states.items():
            for n, row in enumerate(rows):
                self.block.states[name][row] = self.block.tensor(values[n])

    def begin(self, rows: list[int], states: tuple[str, ...]) -> None:
        self.block.begin(len(self.block.own), rows, states)

    def prepare_gradients(self, how: str, batches: Collection[int | None]) -> str:
        self.block.evaluator = prepared(self.block.objective, chosen(how), batches)
        return chosen(how)

    def evaluate(self, sample: Sample) -> tuple[Array, Array]:
        losses = self.block.evaluate(sample.mix, sample.back, sample.keys)
        return losses, self.block.gram()

    def update(self, plan: Plan) -> None:
        self.block.update(plan)

    def mix(self, mixture: Array) -> None:
        if len(mixture) != self.block.count:
            self.begin([], ())
        self.block.mix(dict(enumerate(mixture)), len(mixture), self.block.movable, {})

    def losses(self, mixture: Array, keys: list[Key]) -> Array:
        return np.array([self.block.loss(weights, keys) for weights in mixture])

    def lengths(self) -> Array:
        return np.array(list(self.block.lengths().values()))

    def inner_products(self) -> Array:
        rows = self.block.own
        lower = [[vectors.product(rows[i], rows[j], rows[0]) if j <= i else 0.0 for j in rows] for i in rows]
        return np.tril(lower) + np.tril(lower, -1).T

    def measure(self, mixture: Array, tick: Tick = unheard) -> dict[str, Array]:
        measured = []
        for i, weights in enumerate(mixture):
            measured.append(self.block.objective.measure(self.block.point(weights)))
            tick(i, measured[i])
        return {name: np.array([point[name] for point in measured]) for name in self.block.objective.metrics}

    def measure_with(self, row: int, buffers: dict[str, NDArray[Any]]) -> dict[str, float]:
        return self.block.measure_with(row, buffers)

    def predictions(self, mixture: Array) -> NDArray[np.int64] | None:
        predicted = [self.block.objective.predictions(self.block.point(weights)) for weights in mixture]
        return None if any(p is None for p in predicted) else np.stack(predicted)  # type: ignore[arg-type]

    def pivot(self, row: int) -> NDArray[Any]:
        return copied(self.block.own[row])

    def optimizer_state(self, name: str, row: int) -> NDArray[Any]:
        return copied(self.block.states[name][row])

    def place(self, sample: int) -> str:
        return ""

    def traffic(self) -> Traffic:
        return Traffic()

    def describe(self) -> str:
        return f"on {self.block.objective.device}"

    def devices(self) -> str:
        return self.block.objective.device.type

    def revive(self) -> None:
        pass

    def close(self) -> None:
        pass


def opened(settings: HolderSettings, objective: Objective, make: Any, log: Any) -> SerialHolder:
    """The holder around this process's own objective."""
    return SerialHolder(objective)
