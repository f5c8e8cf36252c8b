"""Arithmetic on long vectors, a chunk at a time: what every holder does with its block of pivots.

A pivot's numbers come from the same operations on the same chunks whichever pivots lie beside it, so a block can be
cut anywhere without changing a bit. Inner products are float64, summed over chunks in order.
"""

import numpy as np
import torch

from pathsearch.numerics.basis import Array
from pathsearch.optimizers.rules import Adaptive, Plan

CHUNK = 1 << 18  # elements: a few such vectors fit a core's cache, in float64 too


ALIGNMENT = 64  # elements


def zeros(rows: int, size: int, dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    """Zeros [rows, size] whose rows all begin at aligned addresses.

    Some matrix kernels round differently by address; so a pivot's loss does not depend on its place in a block.
    """
    padded = -(-size // ALIGNMENT) * ALIGNMENT
    return torch.zeros(rows, padded, dtype=dtype, device=device)[:, :size]


def gram(pivots: torch.Tensor, rows: list[int], gradients: torch.Tensor, registers: list[torch.Tensor]) -> Array:
    """Gram matrices [n, k, k] of (d⁻, d⁺, g, *registers) of the movable rows of pivots [N, M]."""
    k = 3 + len(registers)
    total = torch.zeros(len(rows), k, k, dtype=torch.float64, device=pivots.device)
    for start in range(0, pivots.shape[1], CHUNK):
        part = slice(start, start + CHUNK)
        old = pivots[:, part]
        for n, row in enumerate(rows):
            basis = torch.stack(_basis(old, row, gradients[n, part], [r[n, part] for r in registers])).double()
            total[n] += basis @ basis.T
    return array(total)


def update(
    pivots: torch.Tensor, rows: list[int], gradients: torch.Tensor, registers: dict[str, torch.Tensor], plan: Plan
) -> None:
    """Carry out a plan in place; all right-hand sides are the old vectors."""
    for start in range(0, pivots.shape[1], CHUNK):
        part = slice(start, start + CHUNK)
        old = pivots[:, part].clone()  # neighbours' old weights are read after their new ones are written
        for n, row in enumerate(rows):
            own = {name: register[n, part] for name, register in registers.items()}
            basis = _basis(old, row, gradients[n, part], list(own.values()))
            # dictionary order: every combination is computed before any register is written
            moved = {name: _combined(weights[n], basis) for name, weights in plan.assign.items()}
            for name, values in moved.items():
                if name == "weights":
                    pivots[row, part] += values
                else:
                    own[name].copy_(values)
            if plan.adaptive is not None:
                force = _combined(plan.adaptive.force[n], basis)
                own["mean"].lerp_(force, 1.0 - plan.adaptive.beta1)
                own["square"].mul_(plan.adaptive.beta2).addcmul_(force, force, value=1.0 - plan.adaptive.beta2)
    if plan.adaptive is not None:
        for n, row in enumerate(rows):
            _adaptive_step(pivots[row], registers["mean"][n], registers["square"][n], plan.adaptive)


def mixed(mixture: Array, vectors: torch.Tensor) -> torch.Tensor:
    """mixture [T, N] @ vectors [N, M]; rows that pick one vector copy it exactly."""
    out = zeros(len(mixture), vectors.shape[1], vectors.dtype, vectors.device)
    for row, weights in zip(out, mixture):
        for k in np.flatnonzero(weights):
            row.add_(vectors[k], alpha=float(weights[k]))
    return out


def lengths(pivots: torch.Tensor) -> Array:
    """Distances [N − 1] between neighbouring rows."""
    squares = torch.zeros(len(pivots) - 1, dtype=torch.float64, device=pivots.device)
    for start in range(0, pivots.shape[1], CHUNK):
        squares += pivots[:, start : start + CHUNK].double().diff(dim=0).square().sum(dim=1)
    return np.sqrt(array(squares))


def chords(pivots: torch.Tensor) -> Array:
    """Inner products [N, N] of the rows, each taken from the first; pair by pair, so that no other row matters."""
    total = torch.zeros(len(pivots), len(pivots), dtype=torch.float64, device=pivots.device)
    for start in range(0, pivots.shape[1], CHUNK):
        part = pivots[:, start : start + CHUNK].double()
        part = part - part[0]
        for i, row in enumerate(part):
            for j in range(i + 1):
                total[i, j] += (row * part[j]).sum()
    return array(total.tril() + total.tril(-1).T)


def array(small: torch.Tensor) -> Array:
    """A small tensor as numpy, wherever it lies."""
    return np.asarray(small.cpu().numpy())


def _basis(old: torch.Tensor, row: int, gradient: torch.Tensor, registers: list[torch.Tensor]) -> list[torch.Tensor]:
    here = old[row]
    # an end has one neighbour: the missing difference counts as zero
    back = here - old[row - 1] if row > 0 else torch.zeros_like(here)
    ahead = old[row + 1] - here if row + 1 < len(old) else torch.zeros_like(here)
    return [back, ahead, gradient, *registers]


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
