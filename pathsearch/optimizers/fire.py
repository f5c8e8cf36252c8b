"""FIRE (Bitzek et al. 2006) over the whole path: one power, one time step, one mixing for all pivots."""

from typing import Literal

import numpy as np
from pydantic import Field

from pathsearch.numerics.basis import GEOMETRY, Array, capped, dots, unit, whole_norm, widen
from pathsearch.numerics.messages import Plan
from pathsearch.optimizers.memory import Memory
from pathsearch.settings import Settings


class Fire(Settings):
    """Damped dynamics that restarts where it runs uphill; needs a deterministic objective."""

    name: Literal["fire"] = "fire"
    dt: float = Field(0.01, gt=0, description="first time step, in units of 1 / √curvature")
    dt_max: float = Field(1.0, gt=0, description="longest time step")
    grow: float = Field(1.1, gt=1, description="growth of dt while the power is positive")
    shrink: float = Field(0.5, gt=0, lt=1, description="cut of dt where it is not")
    delay: int = Field(5, ge=0, description="steps of positive power before dt grows")
    mixing: float = Field(0.1, gt=0, lt=1, description="share of the velocity turned to the force's direction")
    mixing_decay: float = Field(0.99, gt=0, lt=1, description="factor on mixing while dt grows")
    max_step: float | None = Field(
        None, gt=0, description="longest move of one pivot; default: 0.3 of a mean segment at the start"
    )

    def state_names(self) -> tuple[str, ...]:
        return ("velocity",)

    def advance(self, force: Array, gram: Array, memory: Memory, done: float) -> tuple[Plan, Memory]:
        n, k = gram.shape[:2]
        force, velocity = widen(force, k), unit(n, k, GEOMETRY)
        dt = float(memory.get("dt", self.dt))
        mixing, streak = float(memory.get("mixing", self.mixing)), int(memory.get("streak", 0))
        if dots(force, velocity, gram).sum() > 0.0:  # the power P = F·v
            speed, strength = whole_norm(velocity, gram), whole_norm(force, gram)
            velocity = (1.0 - mixing) * velocity + mixing * speed / strength * force
            streak += 1
            if streak > self.delay:
                dt, mixing = min(self.grow * dt, self.dt_max), mixing * self.mixing_decay
        else:
            if streak > 0:
                dt *= self.shrink
            velocity, mixing, streak = np.zeros_like(velocity), self.mixing, 0
        # semi-implicit Euler; a capped pivot loses the speed it was not allowed to use
        cap = self.max_step or memory.get("cap") or default_cap(gram, 0.3)
        move = capped(dt * (velocity + dt * force), gram, cap)
        plan = Plan({"velocity": move / dt, "weights": move})
        return plan, {"dt": dt, "mixing": mixing, "streak": streak, "cap": cap}


def default_cap(gram: Array, share: float) -> float | None:
    """A share of the path's mean segment length, so that the cap needs no units; None where there is no path.

    Taken once, at a stage's first step: a cap that grew with the path would let it run away.
    """
    lengths = np.sqrt(np.stack([gram[:, 0, 0], gram[:, 1, 1]]))
    return share * float(lengths.mean()) if lengths.any() else None
