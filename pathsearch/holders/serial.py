"""The reference holder: all vectors in this process, on one device."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pathsearch.holders import vectors
from pathsearch.holders.block import Block, copied
from pathsearch.holders.protocol import Tick, Vectors, unheard
from pathsearch.holders.questions import QUESTIONS
from pathsearch.holders.settings import HolderSettings
from pathsearch.numerics.basis import Array
from pathsearch.numerics.messages import Plan, Sample, Traffic
from pathsearch.objectives.gradients import chosen, prepared
from pathsearch.objectives.protocol import Objective


class SerialHolder:
    """One block that owns the whole path; verbs as in `Holder`."""

    def __init__(self, objective: Objective) -> None:
        self.block = Block(objective)

    def load(self, pivots: Vectors, moving: list[int], states: Mapping[str, Vectors]) -> None:
        self.block.forget()
        for row in range(len(pivots)):
            self.block.take(row, pivots[row])
        self.begin(moving, tuple(states))
        for name, values in states.items():
            for n, row in enumerate(moving):
                self.block.states[name][row] = self.block.tensor(values[n])

    def begin(self, moving: list[int], states: tuple[str, ...]) -> None:
        self.block.begin(len(self.block.own), moving, states)

    def prepare_gradients(self, how: str) -> str:
        self.block.evaluator = prepared(self.block.objective, chosen(how))
        return chosen(how)

    def evaluate(self, sample: Sample) -> tuple[Array, Array]:
        losses = self.block.evaluate(sample.mix, sample.back, sample.keys)
        return losses, self.block.gram()

    def update(self, plan: Plan) -> None:
        self.block.update(plan)

    def mix(self, mixture: Array) -> None:
        if len(mixture) != self.block.count:
            self.begin([], ())
        self.block.mix(dict(enumerate(mixture)), len(mixture), self.block.moving, {})

    def ask(self, name: str, mixture: Array, *arguments: Any, tick: Tick = unheard) -> list[Any]:
        answers = []
        for i, weights in enumerate(mixture):
            answers.append(self.block.ask(QUESTIONS[name], weights, *arguments))
            tick(i, answers[i])
        return answers

    def lengths(self) -> Array:
        return np.array(list(self.block.lengths().values()))

    def inner_products(self) -> Array:
        own = self.block.own
        lower = [[vectors.product(own[i], own[j], own[0]) if j <= i else 0.0 for j in own] for i in own]
        return np.tril(lower) + np.tril(lower, -1).T

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

    def count(self) -> float:
        return 1.0

    def revive(self) -> None:
        pass

    def close(self) -> None:
        pass


def opened(settings: HolderSettings, objective: Objective, make: Any, log: Any) -> SerialHolder:
    """The holder around this process's own objective."""
    return SerialHolder(objective)
