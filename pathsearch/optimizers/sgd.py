"""Stochastic gradient descent with momentum, as torch.optim.SGD does it."""

from typing import Annotated, Literal

from pydantic import Field

from pathsearch.numerics.basis import GEOMETRY, Array, capped, unit, widen
from pathsearch.numerics.messages import Plan
from pathsearch.numerics.schedules import SCHEDULES
from pathsearch.optimizers.memory import Memory
from pathsearch.settings import Settings, choice

Schedule = Annotated[str, choice(SCHEDULES)]


class Sgd(Settings):
    """v ← μv + F, w ← w + lr·v; with `nesterov`, w ← w + lr·(F + μv)."""

    name: Literal["sgd"] = "sgd"
    lr: float = Field(0.1, gt=0, description="learning rate")
    momentum: float = Field(0.9, ge=0, lt=1, description="what a step keeps of the velocity")
    nesterov: bool = Field(False, description="Nesterov's momentum: the force of where the velocity leads")
    schedule: Schedule = Field("constant", description="how lr falls over the steps of a stage")
    max_step: float | None = Field(None, gt=0, description="longest move of one pivot in one step")

    def state_names(self) -> tuple[str, ...]:
        return ("velocity",)

    def advance(self, force: Array, gram: Array, memory: Memory, done: float) -> tuple[Plan, Memory]:
        k = gram.shape[1]
        force, rate = widen(force, k), self.lr * SCHEDULES[self.schedule](done)
        velocity = self.momentum * unit(len(force), k, GEOMETRY) + force
        direction = force + self.momentum * velocity if self.nesterov else velocity
        return Plan({"velocity": velocity, "weights": capped(rate * direction, gram, self.max_step)}), memory
