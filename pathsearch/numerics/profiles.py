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


def equally_apart(t: Array, arc: Array, count: int) -> Array:
    """Values of t [count], the ends among them, between which a path has equal lengths; arc [T]: walked at t [T]."""
    return np.interp(np.linspace(0.0, arc[-1], count), arc, t)


def average(values: Array, over: Array) -> float:
    """Trapezoid mean of values measured at increasing positions `over`."""
    span = float(over[-1] - over[0])
    return float(np.trapezoid(values, over) / span) if span > 0.0 else float(values.mean())


def barrier(values: Array, higher: bool = False) -> float:
    """How far the largest value stands above the larger end's; higher: the least below the smaller end's."""
    start, end = float(values[0]), float(values[-1])
    return min(start, end) - float(values.min()) if higher else float(values.max()) - max(start, end)


def over_interpolation(values: Array, t: Array) -> float:
    """How far the highest point stands above the straight line between the end values (Entezari et al. 2022)."""
    return float((values - ((1.0 - t) * values[0] + t * values[-1])).max())


def midpoint_over_mean(values: Array, t: Array) -> float:
    """How far the value at t = 1/2 stands above the mean of the end values; between points it is interpolated."""
    return float(np.interp(0.5, t, values) - 0.5 * (values[0] + values[-1]))


def summary(values: Array, t: Array, arc: Array, higher: bool = False) -> dict[str, float]:
    """The figures of one measured metric along one path; higher: whether more of it is better.

    *saddle* = `max`; `barrier` = saddle − the larger endpoint value. Others subtract the endpoints' mean
    (`barrier_over_mean`: Frankle et al. 2020; Ainsworth et al. 2023), or what the straight line between their values
    has at the same t (`barrier_over_interpolation`), or look at t = 1/2 alone (`midpoint_over_mean`). Where higher is
    better the lowest value counts, and all of these are how far it falls: `barrier` = the smaller endpoint value −
    `min`, and so on.
    """
    start, end = float(values[0]), float(values[-1])
    top, bottom, middle = float(values.max()), float(values.min()), 0.5 * (start + end)
    upwards = -values if higher else values
    return {
        "start": start,
        "end": end,
        "max": top,
        "min": bottom,
        "mean": average(values, t),
        "mean_arc": average(values, arc),
        "barrier": barrier(values, higher),
        "barrier_over_mean": middle - bottom if higher else top - middle,
        "barrier_over_interpolation": over_interpolation(upwards, t),
        "midpoint_over_mean": midpoint_over_mean(upwards, t),
        "t_max": float(t[values.argmax()]),
        "t_min": float(t[values.argmin()]),
    }
