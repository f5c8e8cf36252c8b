"""Measuring a path honestly: all data or a fixed part, inside segments too, refined around the highest point."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from pathsearch.holders.protocol import Holder, Tick
from pathsearch.numerics import profiles
from pathsearch.numerics.basis import Array
from pathsearch.numerics.curves import CURVES
from pathsearch.objectives import Objective

ROUNDS = 60  # of halving around the maximum: more than float64 can tell apart
STRAIGHT = 0.125  # height over width of a path, below which its plane is no square
AROUND, FLAT = 3.0, 0.1  # heights of the path that such a plane reaches to both sides; its own least height over width


@dataclass(frozen=True)
class Profile:
    """Losses along a path: t [T], arc length [T], every metric [T], and how uncertain the saddle's loss is.

    higher: the metrics of which more is better.
    """

    t: Array
    arc: Array
    metrics: dict[str, Array]
    uncertainty: float
    higher: frozenset[str] = frozenset()

    def summaries(self) -> dict[str, dict[str, float]]:
        """The figures of every metric, see `profiles.summary`."""
        return {
            name: profiles.summary(values, self.t, self.arc, name in self.higher)
            for name, values in self.metrics.items()
        }

    def __repr__(self) -> str:
        name, values = next(iter(self.metrics.items()))
        top = int(values.argmax())
        return f"Profile({len(self.t)} points, {name} at most {values[top]:.4g} at t = {self.t[top]:.4g})"


@dataclass(frozen=True)
class Plane:
    """Losses on the plane through the start, the end and the path's middle.

    x [X], y [Y] in weight-space distance, the start at the origin and the end on the x axis; every metric [Y, X]. It is
    a square, unless the path is all but straight.
    `shadow`: the path (path_x, path_y) [P] and its pivots (pivots_x, pivots_y) [N] projected onto the plane, how far
    they lie from it (path_off, pivots_off), and the pivots' own loss (pivots_loss), the first metric.
    """

    x: Array
    y: Array
    metrics: dict[str, Array]
    shadow: dict[str, Array]

    def __repr__(self) -> str:
        name, values = next(iter(self.metrics.items()))
        return f"Plane({len(self.x)} × {len(self.y)} points, {name} from {values.min():.4g} to {values.max():.4g})"


def higher_is_better(objective: Objective) -> frozenset[str]:
    """The metrics of which more is better."""
    described = getattr(objective, "described", {})
    better = [name for name, said in described.items() if said["higher"]]
    return frozenset(f"{split}_{name}" for name in better for split in ("train", "test"))


Known = dict[bytes, dict[str, float]]
"""Points by the bytes of their mixture, every metric of each."""


class Asked(Protocol):
    """What a profile needs of a holder."""

    def ask(self, name: str, mixture: Array) -> list[Any]:
        """Answers [T] to a question at mixtures [T, N] of the pivots."""


class Remembered:
    """A holder that measures no point twice; what it knows of points may come from an earlier process."""

    def __init__(self, holder: Holder, known: Known, tick: Callable[[int], None]) -> None:
        self._holder, self.known, self._tick = holder, known, tick

    def ask(self, name: str, mixture: Array) -> list[dict[str, float]]:
        """As the holder's, for the one question whose answers are known; a point is known by its row of `mixture`."""
        keys = [row.tobytes() for row in np.ascontiguousarray(mixture)]
        new = [i for i, key in enumerate(keys) if key not in self.known and key not in keys[:i]]

        def learn(i: int, found: dict[str, float]) -> None:
            self.known[keys[new[i]]] = found
            self._tick(1)

        self._tick(len(keys) - len(new))
        if new:
            self._holder.ask(name, mixture[new], tick=learn)
        return [self.known[key] for key in keys]


def kept_points(known: Known, pivots: int) -> dict[str, Array]:
    """What is known, as arrays to keep: mixture [n, N] and every metric [n]."""
    mixture = np.array([np.frombuffer(key) for key in known]).reshape(-1, pivots)
    return {"mixture": mixture, **_columns(list(known.values()))}


def known_points(arrays: dict[str, Array]) -> Known:
    """What `kept_points` kept, to go on with."""
    metrics = {name: values for name, values in arrays.items() if name != "mixture"}
    keys = [row.tobytes() for row in np.ascontiguousarray(arrays.get("mixture", np.empty((0, 0))))]
    return {key: {name: float(values[i]) for name, values in metrics.items()} for i, key in enumerate(keys)}


def measured_path(holder: Asked, curve: str, products: Array, points: int, tolerance: float | None) -> Profile:
    """The profile of the holder's path; tolerance as in `_measured`."""
    pivots = len(products)
    start = profiles.measuring_points(pivots, points)
    return _measured(holder, lambda t: CURVES[curve](t, pivots), start, products, tolerance)


def measured_line(holder: Asked, products: Array, points: int, tolerance: float | None, to: int = -1) -> Profile:
    """The profile of the straight line from the first pivot to another, by default the last."""

    def ends(t: Array) -> Array:
        mixture = np.zeros((len(t), len(products)))
        mixture[:, 0], mixture[:, to] = 1.0 - t, t
        return mixture

    return _measured(holder, ends, np.linspace(0.0, 1.0, points), products, tolerance)


def _measured(
    holder: Asked,
    mixture: Callable[[Array], Array],
    t: Array,
    products: Array,
    tolerance: float | None,
) -> Profile:
    """Measure at t, then halve the intervals beside the highest loss until it stands out by at most `tolerance`.

    None stands for a thousandth of the loss's range along this path.
    """
    metrics = _columns(holder.ask("measure", mixture(t)))
    for _ in range(ROUNDS):
        loss = next(iter(metrics.values()))
        allowed = 1e-3 * float(np.ptp(loss)) if tolerance is None else tolerance
        new = np.setdiff1d(profiles.bracket_midpoints(t, loss), t)
        if profiles.saddle_uncertainty(loss) <= allowed or not len(new) or not np.isfinite(loss).all():
            break
        found = _columns(holder.ask("measure", mixture(new)))
        order = np.argsort(np.concatenate([t, new]))
        t = np.concatenate([t, new])[order]
        metrics = {name: np.concatenate([values, found[name]])[order] for name, values in metrics.items()}
    arc = profiles.arc_lengths(mixture(t), products)
    return Profile(t, arc, metrics, profiles.saddle_uncertainty(next(iter(metrics.values()))))


def measured_barriers(
    holder: Holder, curve: str, pivots: int, points: int, examples: int | None, higher: frozenset[str], tick: Tick
) -> tuple[int, dict[str, float]]:
    """At how many points the holder's path was measured, and the barrier of every metric.

    They are `points` at least, as at the beginning of a profile, not refined. examples: so many of each set at most,
    of those that are measured; None for all of them.
    """
    t = profiles.measuring_points(pivots, points)
    found = _columns(holder.ask("measure", CURVES[curve](t, pivots), examples, tick=tick))
    return len(t), {name: profiles.barrier(values, name in higher) for name, values in found.items()}


def measured_plane(holder: Asked, curve: str, products: Array, grid: int) -> Plane | None:
    """Losses on a grid × grid plane around the path; None where start, end and middle lie on one line."""
    pivots = len(products)
    path = CURVES[curve](np.linspace(0.0, 1.0, 10 * (pivots - 1) + 1), pivots)
    middle = CURVES[curve](np.array([0.5]), pivots)[0]
    across = np.zeros(pivots)
    across[0], across[-1] = -1.0, 1.0
    along = across / np.sqrt(across @ products @ across)
    # Gram–Schmidt on coefficients: directions are mixtures of pivots, their products come from the products
    aside = middle.copy()
    aside[0] -= 1.0
    size = np.sqrt(max(aside @ products @ aside, 0.0))
    aside = aside - (aside @ products @ along) * along
    height = np.sqrt(max(aside @ products @ aside, 0.0))
    if height <= 1e-6 * size:
        return None
    aside = aside / height

    shadow: dict[str, Array] = {}
    for name, those in (("path", path), ("pivots", np.eye(pivots))):
        offsets = those.copy()
        offsets[:, 0] -= 1.0
        x, y = offsets @ products @ along, offsets @ products @ aside
        squares = np.einsum("pj,jk,pk->p", offsets, products, offsets)
        off = np.sqrt(np.maximum(squares - x**2 - y**2, 0.0))
        shadow |= {f"{name}_x": x, f"{name}_y": y, f"{name}_off": off}
    all_x, all_y = (np.append(shadow[f"path_{axis}"], shadow[f"pivots_{axis}"]) for axis in "xy")
    half = 0.6 * max(np.ptp(all_x), np.ptp(all_y))
    high, rise = half, np.ptp(shadow["path_y"])
    if rise < STRAIGHT * np.ptp(shadow["path_x"]):  # in a square there would be little but walls
        high = np.clip(max(AROUND * rise, 0.6 * np.ptp(all_y)), FLAT * half, half)
    x, y = _window(all_x, half, grid), _window(all_y, high, grid)
    cells = x[None, :, None] * along + y[:, None, None] * aside
    cells[..., 0] += 1.0
    # pivots lie beside the grid, and a curve's bend points beside the path: their own losses are measured too
    points = np.concatenate([cells.reshape(-1, pivots), np.eye(pivots)])
    metrics = _columns(holder.ask("measure", points))
    shadow["pivots_loss"] = next(iter(metrics.values()))[grid * grid :]
    shaped = {name: values[: grid * grid].reshape(grid, grid) for name, values in metrics.items()}
    return Plane(x, y, shaped, shadow)


def disagreement(holder: Holder, pivots: int) -> float | None:
    """Share of test examples to which the two endpoints give different classes; None without classes."""
    first, last = holder.ask("predictions", np.eye(pivots)[[0, -1]])
    if first is None or last is None:
        return None
    # of several answers an example one that differs is enough
    return float(np.mean((first != last).reshape(len(first), -1).any(axis=1)))


def _columns(points: list[dict[str, float]]) -> dict[str, Array]:
    """Every metric [T] of T points."""
    return {name: np.array([point[name] for point in points]) for name in points[0]}


def _window(values: Array, half: float, grid: int) -> Array:
    middle = 0.5 * (values.min() + values.max())
    return np.linspace(middle - half, middle + half, grid)
