"""Arithmetic on long vectors, a chunk at a time: what every holder does with its block of pivots.

A pivot's numbers come from the same operations on the same chunks whichever pivots lie beside it, so a block can be
cut anywhere without changing a bit. Inner products are float64, summed over chunks in order.
"""

from collections.abc import Callable, Iterator, Mapping

import numpy as np
import torch

from pathsearch.numerics.basis import Array
from pathsearch.optimizers.rules import Adaptive, Plan

CHUNK = 1 << 18  # elements: a few such vectors fit a core's cache, in float64 too
ALIGNMENT = 64  # elements

Rows = Mapping[int, torch.Tensor]
"""Vectors [M] by the index of their pivot."""


def zeros(size: int, dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    """A vector of zeros at an aligned address.

    Some matrix kernels round differently by address; so a pivot's loss does not depend on where it is kept.
    """
    padded = -(-size // ALIGNMENT) * ALIGNMENT
    return torch.zeros(padded, dtype=dtype, device=device)[:size]


def gram(pivots: Rows, count: int, rows: list[int], gradients: Rows, registers: list[Rows]) -> Array:
    """Gram matrices [n, k, k] of (d⁻, d⁺, g, *registers) of the movable `rows` of a path of `count` pivots."""
    if not rows:
        return np.zeros((0, 3 + len(registers), 3 + len(registers)))
    k, some = 3 + len(registers), gradients[rows[0]]
    total = torch.zeros(len(rows), k, k, dtype=torch.float64, device=some.device)
    for part in chunks(len(some)):
        for n, row in enumerate(rows):
            own = [gradients[row][part], *(register[row][part] for register in registers)]
            basis = torch.stack(_basis(_around(pivots, count, row, part), own)).double()
            total[n] += basis @ basis.T
    return array(total)


def update(
    pivots: Rows, count: int, rows: list[int], gradients: Rows, registers: Mapping[str, Rows], plan: Plan
) -> None:
    """Carry out a plan on `rows` in place; all right-hand sides are the old vectors."""
    for part in chunks(len(gradients[rows[0]]) if rows else 0):
        # neighbours' old weights are read after their new ones are written
        old = {row: pivots[row][part].clone() for row in rows}
        around = [_around(pivots, count, row, part, old) for row in rows]
        for n, row in enumerate(rows):
            own = {name: register[row][part] for name, register in registers.items()}
            basis = _basis(around[n], [gradients[row][part], *own.values()])
            # dictionary order: every combination is computed before any register is written
            moved = {name: _combined(weights[n], basis) for name, weights in plan.assign.items()}
            for name, values in moved.items():
                if name == "weights":
                    pivots[row][part] += values
                else:
                    own[name].copy_(values)
            if plan.adaptive is not None:
                force = _combined(plan.adaptive.force[n], basis)
                own["mean"].lerp_(force, 1.0 - plan.adaptive.beta1)
                own["square"].mul_(plan.adaptive.beta2).addcmul_(force, force, value=1.0 - plan.adaptive.beta2)
    if plan.adaptive is not None:
        for row in rows:
            _adaptive_step(pivots[row], registers["mean"][row], registers["square"][row], plan.adaptive)


def mixed(weights: Array, vectors: Rows) -> torch.Tensor:
    """The sum of weights[k] times vector k; weights that pick one vector copy it exactly."""
    used = [int(k) for k in np.flatnonzero(weights)]
    some = vectors[used[0]] if used else next(iter(vectors.values()))
    out = zeros(len(some), some.dtype, some.device)
    for k in used:
        out.add_(vectors[k], alpha=float(weights[k]))
    return out


def distance(a: torch.Tensor, b: torch.Tensor) -> float:
    """Euclidean distance of two vectors."""
    return float(np.sqrt(_total(lambda part: (a[part].double() - b[part].double()).square().sum(), a)))


def product(a: torch.Tensor, b: torch.Tensor, origin: torch.Tensor) -> float:
    """Inner product of two vectors, both taken from `origin`."""

    def partial(part: slice) -> torch.Tensor:
        start = origin[part].double()
        return ((a[part].double() - start) * (b[part].double() - start)).sum()

    return _total(partial, a)


def chunks(size: int) -> Iterator[slice]:
    """Slices of CHUNK elements that cover a vector."""
    return (slice(start, start + CHUNK) for start in range(0, size, CHUNK))


def array(small: torch.Tensor) -> Array:
    """A small tensor as numpy, wherever it lies."""
    return np.asarray(small.cpu().numpy())


def _total(partial: Callable[[slice], torch.Tensor], vector: torch.Tensor) -> float:
    total = torch.zeros((), dtype=torch.float64, device=vector.device)
    for part in chunks(len(vector)):
        total += partial(part)
    return float(total)


Around = tuple[torch.Tensor | None, torch.Tensor, torch.Tensor | None]


def _around(pivots: Rows, count: int, row: int, part: slice, old: Rows | None = None) -> Around:
    """Part of the pivot before a row, of the row, and of the one after it; None beyond the ends."""

    def at(k: int) -> torch.Tensor:
        return old[k] if old is not None and k in old else pivots[k][part]

    return at(row - 1) if row > 0 else None, at(row), at(row + 1) if row + 1 < count else None


def _basis(around: Around, own: list[torch.Tensor]) -> list[torch.Tensor]:
    before, here, after = around
    # an end has one neighbour: the missing difference counts as zero
    back = here - before if before is not None else torch.zeros_like(here)
    ahead = after - here if after is not None else torch.zeros_like(here)
    return [back, ahead, *own]


def _combined(weights: Array, basis: list[torch.Tensor]) -> torch.Tensor:
    total = torch.zeros_like(basis[0])
    for k in np.flatnonzero(weights):
        total.add_(basis[k], alpha=float(weights[k]))
    return total


def _adaptive_step(weights: torch.Tensor, mean: torch.Tensor, square: torch.Tensor, rule: Adaptive) -> None:
    """Adam's move with bias-corrected moments (Kingma & Ba 2015, algorithm 1), its length capped."""
    first, second = 1.0 - rule.beta1**rule.count, 1.0 - rule.beta2**rule.count
    move = mean / first / ((square / second).sqrt_() + rule.eps) * rule.rate
    if rule.cap is not None:
        length = float(torch.linalg.vector_norm(move, dtype=torch.float64))
        move *= min(1.0, rule.cap / max(length, 1e-300))
    weights += move
