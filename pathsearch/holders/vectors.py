"""Arithmetic on long vectors, a chunk at a time: what every holder does with its block of pivots.

A pivot's numbers come from the same operations on the same chunks whichever pivots lie beside it, so a block can be
cut anywhere without changing a bit. Inner products are float64, summed over chunks in order.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from functools import lru_cache

import numpy as np
import torch

from pathsearch.numerics.basis import Array
from pathsearch.numerics.messages import Adaptive, Plan

CHUNK = {"cpu": 1 << 18, "cuda": 1 << 20}  # elements: large enough for Python's part of the time not to count
ALIGNMENT = 64  # elements
MIXED = 1 << 20  # elements of all pivots that `remixed` has in hand at once

Rows = Mapping[int, torch.Tensor]
"""Vectors [M] by the index of their pivot."""


def zeros(size: int, dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    """A vector of zeros at an aligned address.

    Some matrix kernels round differently by address; so a pivot's loss does not depend on where it is kept.
    """
    padded = -(-size // ALIGNMENT) * ALIGNMENT
    return torch.zeros(padded, dtype=dtype, device=device)[:size]


def gram(pivots: Rows, count: int, moving: list[int], gradients: Rows, states: list[Rows]) -> Array:
    """Gram matrices [n, k, k] of (d⁻, d⁺, g, *states) of the `moving` pivots of a path of `count` pivots."""
    k = 3 + len(states)
    if not moving:
        return np.zeros((0, k, k))
    some = gradients[moving[0]]
    total = torch.zeros(len(moving), k, k, dtype=torch.float64, device=some.device)
    room, wide = _room(2, len(some), some.dtype, some.device), _room(k, len(some), torch.float64, some.device)
    for part in _chunks(some):
        for n, (row, back, ahead) in enumerate(_segments(pivots, count, moving, part, room)):
            basis = wide[:, : len(back)]
            own = (gradients[row][part], *(state[row][part] for state in states))
            for target, vector in zip(basis, (back, ahead, *own)):
                target.copy_(vector)
            total[n] += basis @ basis.T
    return array(total)


def update(
    pivots: Rows, count: int, moving: list[int], gradients: Rows, states: Mapping[str, Rows], plan: Plan
) -> None:
    """Carry out a plan on the `moving` pivots, which ascend, in place; all right-hand sides are the old vectors."""
    if not moving:
        return
    some = gradients[moving[0]]
    room = _room(3 + len(plan.assign), len(some), some.dtype, some.device)
    for part in _chunks(some):
        for n, (row, back, ahead) in enumerate(_segments(pivots, count, moving, part, room)):
            own = {name: state[row][part] for name, state in states.items()}
            basis = [back, ahead, gradients[row][part], *own.values()]
            # every combination is computed before any vector is written
            moved = {
                name: _combined(weights[n], basis, out[: len(back)])
                for out, (name, weights) in zip(room[3:], plan.assign.items())
            }
            for name, values in moved.items():
                if name == "weights":
                    pivots[row][part].add_(values)
                else:
                    own[name].copy_(values)
            if plan.adaptive is not None:
                force = _combined(plan.adaptive.force[n], basis, room[2, : len(back)])
                own["mean"].lerp_(force, 1.0 - plan.adaptive.beta1)
                own["square"].mul_(plan.adaptive.beta2).addcmul_(force, force, value=1.0 - plan.adaptive.beta2)
    if plan.adaptive is not None:
        for row in moving:
            _adaptive_step(pivots[row], states["mean"][row], states["square"][row], plan.adaptive)


def mixed(weights: Array, vectors: Rows) -> torch.Tensor:
    """The sum of weights[k] times vector k."""
    some = next(iter(vectors.values()))
    return _summed(weights, vectors, slice(None), zeros(len(some), some.dtype, some.device))


def remixed(
    mixture: Mapping[int, Array], vectors: Rows, room: Callable[[], torch.Tensor], spared: Collection[int] = ()
) -> dict[int, torch.Tensor]:
    """What `mixed` makes of each row of `mixture`, written over the old `vectors`, except those `spared`.

    A row that picks its own old vector keeps it. `room` makes a vector where there are more than before.
    """
    found = {row: vectors[row] for row, weights in mixture.items() if row in vectors and picks(weights) == row}
    made = {row: weights for row, weights in mixture.items() if row not in found}
    free = {row: vector for row, vector in vectors.items() if row not in found and row not in spared}
    found |= {row: free.pop(row) for row in made if row in free}
    found |= {row: free.popitem()[1] if free else room() for row in made if row not in found}
    if made:
        some = next(iter(found.values()))
        chunk = min(CHUNK[some.device.type], max(1, MIXED // len(made) // ALIGNMENT) * ALIGNMENT)
        hand = _room(len(made), min(len(some), chunk), some.dtype, some.device)
        for part in _chunks(some, chunk):
            # every sum is computed before any vector is written
            sums = hand[:, : len(some[part])]
            for weights, out in zip(made.values(), sums):
                _summed(weights, vectors, part, out)
            for row, values in zip(made, sums):
                found[row][part].copy_(values)
    return {row: found[row] for row in mixture}


def picks(weights: Array) -> int | None:
    """Which vector a mixture is, if it is one as it is."""
    used = np.flatnonzero(weights)
    return int(used[0]) if len(used) == 1 and weights[used[0]] == 1.0 else None


def distance(a: torch.Tensor, b: torch.Tensor) -> float:
    """Euclidean distance of two vectors."""
    return float(np.sqrt(_total(lambda part: (a[part].double() - b[part].double()).square().sum(), a)))


def product(a: torch.Tensor, b: torch.Tensor, origin: torch.Tensor) -> float:
    """Inner product of two vectors, both taken from `origin`."""

    def partial(part: slice) -> torch.Tensor:
        start = origin[part].double()
        return ((a[part].double() - start) * (b[part].double() - start)).sum()

    return _total(partial, a)


def array(small: torch.Tensor) -> Array:
    """A small tensor as numpy, wherever it lies."""
    return np.asarray(small.cpu().numpy())


def _total(partial: Callable[[slice], torch.Tensor], vector: torch.Tensor) -> float:
    total = torch.zeros((), dtype=torch.float64, device=vector.device)
    for part in _chunks(vector):
        total += partial(part)
    return float(total)


@lru_cache(maxsize=8)
def _room(vectors: int, size: int, dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    """Memory for parts of so many vectors. It is kept: to ask for it anew would take as long as the arithmetic."""
    return torch.empty(vectors, min(size, CHUNK[device.type]), dtype=dtype, device=device)


def _chunks(vector: torch.Tensor, size: int | None = None) -> Iterator[slice]:
    size = size or CHUNK[vector.device.type]
    return (slice(start, start + size) for start in range(0, len(vector), size))


def _segments(
    pivots: Rows, count: int, moving: list[int], part: slice, room: torch.Tensor
) -> Iterator[tuple[int, torch.Tensor, torch.Tensor]]:
    """Part of d⁻ and d⁺ of each moving pivot; a segment is worked out once, before either of its pivots moves."""
    last = -2
    back, ahead = (some[: len(pivots[moving[0]][part])] for some in room[:2])
    for row in moving:
        here = pivots[row][part]
        if row == last + 1:
            back, ahead = ahead, back
        elif row > 0:
            torch.sub(here, pivots[row - 1][part], out=back)
        else:
            back.zero_()  # an end has one neighbour: the missing difference counts as zero
        if row + 1 < count:
            torch.sub(pivots[row + 1][part], here, out=ahead)
        else:
            ahead.zero_()
        yield row, back, ahead
        last = row


def _summed(weights: Array, vectors: Rows, part: slice, out: torch.Tensor) -> torch.Tensor:
    """Part of a mixture."""
    out.zero_()
    for k in np.flatnonzero(weights):
        out.add_(vectors[int(k)][part], alpha=float(weights[k]))
    return out


def _combined(weights: Array, basis: list[torch.Tensor], out: torch.Tensor) -> torch.Tensor:
    first, *others = np.flatnonzero(weights) if weights.any() else [0]
    torch.mul(basis[first], float(weights[first]), out=out)
    for k in others:
        out.add_(basis[k], alpha=float(weights[k]))
    return out


def _adaptive_step(weights: torch.Tensor, mean: torch.Tensor, square: torch.Tensor, rule: Adaptive) -> None:
    """Adam's move with bias-corrected moments (Kingma & Ba 2015, algorithm 1), its length capped."""
    first, second = 1.0 - rule.beta1**rule.count, 1.0 - rule.beta2**rule.count
    room = _room(2, len(weights), weights.dtype, weights.device)

    def move(part: slice) -> torch.Tensor:
        out, scale = room[:, : len(weights[part])]
        torch.div(square[part], second, out=scale).sqrt_().add_(rule.eps)
        return torch.div(mean[part], first, out=out).div_(scale).mul_(rule.rate)

    shorter = 1.0
    if rule.cap is not None:  # worked out twice: the whole move would take the room of a pivot
        norms = [torch.linalg.vector_norm(move(part), dtype=torch.float64) for part in _chunks(weights)]
        length = float(torch.linalg.vector_norm(torch.stack(norms)))
        shorter = min(1.0, rule.cap / max(length, 1e-300))
    for part in _chunks(weights):
        weights[part].add_(move(part).mul_(shorter))
