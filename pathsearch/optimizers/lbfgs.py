"""Global L-BFGS by inner products alone (Nocedal 1980; Chen et al. 2014; for bands Sheppard et al. 2008).

The pairs (s, y) are states beside the weights; the two-loop recursion runs on coefficients over them, and every
inner product is summed over all pivots, so the whole path is one vector of unknowns.
"""

from collections.abc import Callable
from typing import Literal

import numpy as np
from pydantic import Field

from pathsearch.numerics.basis import GEOMETRY, Array, capped, dots, unit, whole_norm, widen
from pathsearch.numerics.messages import Plan
from pathsearch.optimizers.fire import default_cap
from pathsearch.optimizers.memory import Memory
from pathsearch.settings import Settings

WORSE, CUT, GROW = 3.0, 0.5, 1.3  # force ratio at which the cap is cut, by what, and how it comes back
Dot = Callable[[Array, Array], float]


class Lbfgs(Settings):
    """Quasi-Newton without a line search (a band's force has no energy); needs a deterministic objective."""

    name: Literal["lbfgs"] = "lbfgs"
    memory: int = Field(20, ge=1, description="pairs of past steps and force changes kept")
    max_step: float | None = Field(
        None, gt=0, description="longest move of one pivot; default: 0.8 of a mean segment at the start"
    )

    def state_names(self) -> tuple[str, ...]:
        pairs = [f"{kind}{j}" for j in range(self.memory) for kind in ("step", "change")]
        return ("force", *pairs)

    def advance(self, force: Array, gram: Array, memory: Memory, done: float) -> tuple[Plan, Memory]:
        n, k = gram.shape[:2]
        force = widen(force, k)
        step = lambda slot: unit(n, k, GEOMETRY + 1 + 2 * slot)
        change = lambda slot: unit(n, k, GEOMETRY + 2 + 2 * slot)
        dot = lambda a, b: float(dots(a, b, gram).sum())
        longest = self.max_step or memory.get("longest") or default_cap(gram, 0.8)
        cap, scale = memory.get("cap") or longest, memory.get("scale")
        strength = whole_norm(force, gram)
        count, slots = int(memory.get("count", 0)), list(memory.get("slots", []))

        pairs = [(step(slot), change(slot)) for slot in slots]
        assign = {"force": force}
        if count > 0:
            last = (count - 1) % self.memory
            before = unit(n, k, GEOMETRY)
            s, y = step(last), before - force
            # a pair without positive curvature says nothing of a minimum: it is left out
            if dot(s, y) > 1e-10 * whole_norm(s, gram) * whole_norm(y, gram):
                pairs.append((s, y))
                slots.append(last)
                assign[f"change{last}"] = y
                scale = dot(s, y) / dot(y, y)
            # a band's force has no energy to compare: where it grows much, the step went beyond what the pairs know
            if strength > WORSE * whole_norm(before, gram):
                pairs, slots, cap, scale = [], [], cap and CUT * cap, scale and CUT * scale
            elif cap is not None and longest is not None:
                cap = min(GROW * cap, longest)
        slot = count % self.memory

        direction = _two_loops(force, pairs, dot)
        if strength > 0.0 and dot(direction, force) < 1e-3 * strength * whole_norm(direction, gram):
            pairs, slots, direction = [], [], force  # nearly across the force: the model is wrong, begin anew
        if not pairs and scale is not None:
            direction = scale * force
        elif not pairs and cap is not None and strength > 0.0:
            # no curvature known yet: a tenth of the cap for the pivot with the largest force
            direction = direction * (0.1 * cap / np.sqrt(dots(force, force, gram).max()))
        move = capped(direction, gram, cap)
        assign |= {f"step{slot}": move, "weights": move}
        kept = [old for old in slots if old != slot]  # the new step takes the oldest one's place
        return Plan(assign), {"count": count + 1, "slots": kept, "cap": cap, "longest": longest, "scale": scale}


def _two_loops(force: Array, pairs: list[tuple[Array, Array]], dot: Dot) -> Array:
    """H·F by the two-loop recursion (Nocedal & Wright 2006, algorithm 7.4)."""
    q, alphas = force, []
    for s, y in reversed(pairs):
        alphas.append(dot(s, q) / dot(s, y))
        q = q - alphas[-1] * y
    if pairs:
        s, y = pairs[-1]
        q = q * (dot(s, y) / dot(y, y))
    for (s, y), alpha in zip(pairs, reversed(alphas)):
        q = q + (alpha - dot(y, q) / dot(s, y)) * s
    return q
