"""Measuring a path honestly: the whole data set, inside segments too, refined around the highest point."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pathsearch.holders.protocol import Holder, Tick
from pathsearch.numerics import profiles
from pathsearch.numerics.basis import Array
from pathsearch.numerics.curves import CURVES

ROUNDS = 60  # of halving around the maximum: more than float64 can tell apart


@dataclass(frozen=True)
class Profile:
    """Losses along a path: t [T], arc length [T], every metric [T], and what is not known of the saddle."""

    t: Array
    arc: Array
    metrics: dict[str, Array]
    uncertainty: float

    def summaries(self) -> dict[str, dict[str, float]]:
        """The figures of every metric, see `profiles.summary`."""
        return {name: profiles.summary(values, self.t, self.arc) for name, values in self.metrics.items()}


@dataclass(frozen=True)
class Plane:
    """Losses on the plane through the start, the end and the path's middle.

    x [X], y [Y] in weight-space distance, the start at the origin and the end on the x axis; every metric [Y, X]; the
    path's own shadow (path_x, path_y) [P] and that of its pivots.
    """

    x: Array
    y: Array
    metrics: dict[str, Array]
    path_x: Array
    path_y: Array
    pivots_x: Array
    pivots_y: Array


def measured_path(
    holder: Holder, curve: str, chords: Array, points: int, tolerance: float | None, tick: Tick = lambda n: None
) -> Profile:
    """The profile of the holder's path; tolerance as in `_measured`."""
    pivots = len(chords)
    start = profiles.measuring_points(pivots, points)
    return _measured(holder, lambda t: CURVES[curve](t, pivots), start, chords, tolerance, tick)


def measured_line(
    holder: Holder, chords: Array, points: int, tolerance: float | None, tick: Tick = lambda n: None
) -> Profile:
    """The profile of the straight line between the first and the last pivot."""

    def ends(t: Array) -> Array:
        mixture = np.zeros((len(t), len(chords)))
        mixture[:, 0], mixture[:, -1] = 1.0 - t, t
        return mixture

    return _measured(holder, ends, np.linspace(0.0, 1.0, points), chords, tolerance, tick)


def _measured(
    holder: Holder,
    mixture: Callable[[Array], Array],
    t: Array,
    chords: Array,
    tolerance: float | None,
    tick: Tick,
) -> Profile:
    """Measure at t, then halve the intervals beside the highest loss until it stands out by at most `tolerance`.

    None stands for a thousandth of the loss's range along this path.
    """
    metrics = holder.measure(mixture(t), tick)
    for _ in range(ROUNDS):
        loss = next(iter(metrics.values()))
        allowed = 1e-3 * float(np.ptp(loss)) if tolerance is None else tolerance
        new = np.setdiff1d(profiles.bracket_midpoints(t, loss), t)
        if profiles.saddle_uncertainty(loss) <= allowed or not len(new) or not np.isfinite(loss).all():
            break
        found = holder.measure(mixture(new), tick)
        order = np.argsort(np.concatenate([t, new]))
        t = np.concatenate([t, new])[order]
        metrics = {name: np.concatenate([values, found[name]])[order] for name, values in metrics.items()}
    arc = profiles.arc_lengths(mixture(t), chords)
    return Profile(t, arc, metrics, profiles.saddle_uncertainty(next(iter(metrics.values()))))


def measured_plane(holder: Holder, curve: str, chords: Array, grid: int, tick: Tick = lambda n: None) -> Plane | None:
    """Losses on a grid × grid plane around the path; None where start, end and middle lie on one line."""
    pivots = len(chords)
    path = CURVES[curve](np.linspace(0.0, 1.0, 10 * (pivots - 1) + 1), pivots)
    middle = CURVES[curve](np.array([0.5]), pivots)[0]
    across = np.zeros(pivots)
    across[0], across[-1] = -1.0, 1.0
    along = across / np.sqrt(across @ chords @ across)
    # Gram–Schmidt on coefficients: directions are mixtures of pivots, their products come from the chords
    aside = middle.copy()
    aside[0] -= 1.0
    size = np.sqrt(max(aside @ chords @ aside, 0.0))
    aside = aside - (aside @ chords @ along) * along
    height = np.sqrt(max(aside @ chords @ aside, 0.0))
    if height <= 1e-6 * size:
        return None
    aside = aside / height

    def shadow(points: Array) -> tuple[Array, Array]:
        offsets = points.copy()
        offsets[:, 0] -= 1.0
        return offsets @ chords @ along, offsets @ chords @ aside

    path_x, path_y = shadow(path)
    pivots_x, pivots_y = shadow(np.eye(pivots))
    half = 0.6 * max(np.ptp(np.append(path_x, pivots_x)), np.ptp(np.append(path_y, pivots_y)))
    x = _window(np.append(path_x, pivots_x), half, grid)
    y = _window(np.append(path_y, pivots_y), half, grid)
    points = x[None, :, None] * along + y[:, None, None] * aside
    points[..., 0] += 1.0
    metrics = holder.measure(points.reshape(-1, pivots), tick)
    shaped = {name: values.reshape(grid, grid) for name, values in metrics.items()}
    return Plane(x, y, shaped, path_x, path_y, pivots_x, pivots_y)


def disagreement(holder: Holder, pivots: int) -> float | None:
    """Share of test examples to which the two endpoints give different classes; None without classes."""
    classes = holder.predictions(np.eye(pivots)[[0, -1]])
    return None if classes is None else float(np.mean(classes[0] != classes[1]))


def _window(values: Array, half: float, grid: int) -> Array:
    middle = 0.5 * (values.min() + values.max())
    return np.linspace(middle - half, middle + half, grid)
