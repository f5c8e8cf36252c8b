"""Adam (Kingma & Ba 2015)."""

from typing import Literal

from pydantic import Field

from pathsearch.numerics.basis import Array, widen
from pathsearch.numerics.messages import Adaptive, Plan
from pathsearch.numerics.schedules import SCHEDULES
from pathsearch.optimizers.memory import Memory
from pathsearch.optimizers.sgd import Schedule
from pathsearch.settings import Settings


class Adam(Settings):
    """Adam on the method's force; elementwise, so the vectors' owner does it."""

    name: Literal["adam"] = "adam"
    lr: float = Field(1e-3, gt=0, description="learning rate")
    beta1: float = Field(0.9, ge=0, lt=1, description="what a step keeps of the mean force")
    beta2: float = Field(0.999, ge=0, lt=1, description="what a step keeps of the mean square force")
    eps: float = Field(1e-8, gt=0, description="added to the root of the mean square")
    schedule: Schedule = Field("constant", description="how lr falls over the steps of a stage")
    max_step: float | None = Field(None, gt=0, description="longest move of one pivot in one step")

    def state_names(self) -> tuple[str, ...]:
        return ("mean", "square")

    def advance(self, force: Array, gram: Array, memory: Memory, done: float) -> tuple[Plan, Memory]:
        count = int(memory.get("count", 0)) + 1
        rate = self.lr * SCHEDULES[self.schedule](done)
        rule = Adaptive(widen(force, gram.shape[1]), rate, self.beta1, self.beta2, self.eps, count, self.max_step)
        return Plan(adaptive=rule), {"count": count}
