"""What is said of losses measured along a path: saddle, barrier, averages, and where to measure next."""

import numpy as np

from pathsearch.numerics.basis import Array


def measuring_points(pivots: int, points: int) -> Array:
    """At least `points` values of t, equally many in every segment and the pivots among them."""
    segments = max(pivots - 1, 1)
    return np.linspace(0.0, 1.0, segments * max(1, -(-(points - 1) // segments)) + 1)


def bracket_midpoints(t: Array, values: Array) -> Array:
    """The middles of the intervals beside the largest value: one at an end of the path, two inside."""
    top = int(values.argmax())
    around = t[max(top - 1, 0) : top + 2]
    return np.asarray(0.5 * (around[1:] + around[:-1]))


def saddle_uncertainty(values: Array) -> float:
    """How far the largest value stands above the lower of its neighbours: a bound on what lies between them."""
    top = int(values.argmax())
    return float(values[top] - values[max(top - 1, 0) : top + 2].min())


def arc_lengths(mixture: Array, products: Array) -> Array:
    """Length walked [T] at each point of a path: mixture [T, N] of pivots, products [N, N] as the holder's."""
    steps = np.diff(mixture, axis=0)
    squares = np.einsum("tj,jk,tk->t", steps, products, steps)
    return np.concatenate([[0.0], np.cumsum(np.sqrt(np.maximum(squares, 0.0)))])


def average(values: Array, over: Array) -> float:
    """Trapezoid mean of values measured at increasing positions `over`."""
    span = float(over[-1] - over[0])
    return float(np.trapezoid(values, over) / span) if span > 0.0 else float(values.mean())


def summary(values: Array, t: Array, arc: Array) -> dict[str, float]:
    """The figures of one measured metric along one path.

    *saddle* = `max`; `barrier` = saddle − the larger endpoint value. `barrier_over_mean` subtracts the endpoints'
    mean instead (Frankle et al. 2020; Ainsworth et al. 2023).
    """
    start, end, top = float(values[0]), float(values[-1]), float(values.max())
    return {
        "start": start,
        "end": end,
        "max": top,
        "min": float(values.min()),
        "mean": average(values, t),
        "mean_arc": average(values, arc),
        "barrier": top - max(start, end),
        "barrier_over_mean": top - 0.5 * (start + end),
        "t_max": float(t[values.argmax()]),
    }
