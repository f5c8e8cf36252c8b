"""Analytic surfaces with known minima and saddles; a surface is one function and one entry of the table.

The functions import torch only when they are called: a configuration's names are checked without it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def muller_brown(w: Tensor) -> Tensor:
    """Müller & Brown (1979), weights (x, y)."""
    import torch

    x, y = w[0], w[1]
    return (
        -200 * torch.exp(-((x - 1) ** 2) - 10 * y**2)
        - 100 * torch.exp(-(x**2) - 10 * (y - 0.5) ** 2)
        - 170 * torch.exp(-6.5 * (x + 0.5) ** 2 + 11 * (x + 0.5) * (y - 1.5) - 6.5 * (y - 1.5) ** 2)
        + 15 * torch.exp(0.7 * (x + 1) ** 2 + 0.6 * (x + 1) * (y - 1) + 0.7 * (y - 1) ** 2)
    )


def circle(w: Tensor) -> Tensor:
    """(1 − r²)² + y²/r² (E, Ren & Vanden-Eijnden 2007): the lowest path is a half circle, its saddle 1."""
    import torch

    square = w[0] ** 2 + w[1] ** 2
    # the quotient has no value at the origin, which the straight line between the minima passes: it counts as zero
    return (1 - square) ** 2 + w[1] ** 2 / square.clamp_min(torch.finfo(w.dtype).tiny)


def leps_harmonic(w: Tensor) -> Tensor:
    """LEPS potential with a harmonic bath (Jónsson, Mills & Jacobsen 1998, model II), weights (r_AB, x)."""
    import torch

    a, b, c, d, alpha, r0, r_ac, k, coupling = 0.05, 0.80, 0.05, 4.746, 1.942, 0.742, 3.742, 0.2025, 1.154

    def coulomb(r: Tensor | float, d: float) -> Tensor:
        stretch = torch.as_tensor(r, dtype=w.dtype, device=w.device) - r0
        return d / 2 * (1.5 * torch.exp(-2 * alpha * stretch) - torch.exp(-alpha * stretch))

    def exchange(r: Tensor | float, d: float) -> Tensor:
        stretch = torch.as_tensor(r, dtype=w.dtype, device=w.device) - r0
        return d / 4 * (torch.exp(-2 * alpha * stretch) - 6 * torch.exp(-alpha * stretch))

    ab, x = w[0], w[1]
    pairs: list[tuple[Tensor | float, float, float]] = [(ab, d, a), (r_ac - ab, d, b), (r_ac, 3.445, c)]
    q1, q2, q3 = (coulomb(r, depth) / (1 + s) for r, depth, s in pairs)
    j1, j2, j3 = (exchange(r, depth) / (1 + s) for r, depth, s in pairs)
    leps = q1 + q2 + q3 - torch.sqrt(j1**2 + j2**2 + j3**2 - j1 * j2 - j2 * j3 - j1 * j3)
    return leps + 2 * k * (ab - (r_ac / 2 - x / coupling)) ** 2


def two_modes_1d(w: Tensor) -> Tensor:
    """(1 − x²)²: two minima on a line. Every path crosses x = 0, so the barrier 1 cannot be avoided."""
    return (1 - w[0] ** 2) ** 2


def two_modes(w: Tensor) -> Tensor:
    """(x² + y² + y − 1)²: on y = 0 the line above with its barrier 1, off it a ring of zero loss around the barrier."""
    return (w[0] ** 2 + w[1] ** 2 + w[1] - 1) ** 2


@dataclass(frozen=True)
class Surface:
    """A surface and the two minima that a run joins by default."""

    function: Callable[[Tensor], Tensor]
    start: tuple[float, ...]
    end: tuple[float, ...]
    through: tuple[tuple[float, ...], ...] = ()
    """points that the first guess passes, where no force leaves the straight line because it is a ridge"""


SURFACES = {
    "muller-brown": Surface(
        muller_brown,
        (-0.558223634633024277, 1.44172584180466866),
        (0.62349940493087651, 0.0280377585286856657),
    ),
    "circle": Surface(
        circle,
        (-1.0, 0.0),
        (1.0, 0.0),
        through=((0.1, 0.6),),
    ),
    "leps-harmonic": Surface(
        leps_harmonic,
        (0.741520660119740497, 1.30341915822181947),
        (3.00127580535721371, -1.30433827938222462),
    ),
    "two-modes-1d": Surface(two_modes_1d, (-1.0,), (1.0,)),
    "two-modes": Surface(two_modes, (-1.0, 0.0), (1.0, 0.0)),
}
