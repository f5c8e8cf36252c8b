"""Points of a path aligned before the search: the end, and those on the way, permuted towards the start.

A permuted network works out the same: nothing but the order of its hidden units is another. A point is left as it came
where the straight line from the start to it becomes no better.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pathsearch import report
from pathsearch.alignment import aligned as alignment
from pathsearch.alignment.aligned import Alignment, Match
from pathsearch.alignment.groups import Permutations, Symmetries, identity, is_identity
from pathsearch.alignment.permutable import Permutable
from pathsearch.alignment.settings import ByActivations, ByWeights
from pathsearch.errors import PathsearchError
from pathsearch.holders import Holder
from pathsearch.measure import Profile, Remembered, measured_line
from pathsearch.objectives.network import NetworkObjective
from pathsearch.objectives.symmetric import symmetric
from pathsearch.run.endpoints import Brought
from pathsearch.run.shelf import Shelf
from pathsearch.storage import Arrays
from pathsearch.storage.permuted import permutation_arrays, symmetry_arrays

POINTS = 11  # of a straight line: enough to tell which of two is lower

Say = Callable[[str], None]
How = ByWeights | ByActivations


@dataclass(frozen=True)
class Ready:
    """A network that was looked at: what may be permuted in it, with what is pinned by name and without."""

    network: Permutable
    every: Symmetries
    symmetries: Symmetries
    how: How


@dataclass(frozen=True)
class Telling:
    """Who is told what begins, what came of it, how many points are to be measured, and of each that is."""

    begins: Say
    log: Say
    measures: Callable[[str, int], None]
    tick: Callable[[int], None]


@dataclass(frozen=True)
class Aligned:
    """What a file keeps of an alignment: its attribute, and the arrays of its group, see `storage.layout`."""

    said: dict[str, Any] = field(default_factory=dict)
    arrays: dict[str, Arrays] = field(default_factory=dict)


def ready(objective: NetworkObjective, how: How, say: Say) -> Ready:
    """Trace a network that has what the points of its path share already.

    Raises PathsearchError where it cannot be traced, nothing in it may be permuted, or it is not understood.
    """
    with _about():
        network = symmetric(objective)
        table = how.table if isinstance(how, ByWeights) else None
        every = alignment.symmetries_of(network, table, say)
        symmetries = alignment.without(every, how.pin)
        alignment.refuse_wrong(network, symmetries)
        return Ready(network, every, symmetries, how)


def aligned(
    ready: Ready,
    points: Sequence[Brought],
    objective: NetworkObjective,
    holder: Holder,
    tell: Telling,
    shelf: Shelf | None = None,
) -> tuple[list[Brought], Aligned]:
    """The points [start, …, end] that the search is to begin with, and what is kept of how they were aligned.

    The holder has other vectors afterwards. shelf: where the aligned end is kept for other runs. Raises PathsearchError
    where a point is the one before it with its units permuted.
    """
    sides = [*(f"through.{n}" for n in range(len(points) - 2)), "end"]
    found = []
    for side, point in zip(sides, points[1:]):
        tell.begins(f"align {side}")
        known = shelf.known if shelf and side == "end" else None
        match = _match(ready, points[0], point, objective, holder, tell, known)
        found.append(_found(ready, points[0], point, objective, match))
    _refuse_copies(sides, found)
    permuted = [_permuted(each, point, objective) for each, point in zip(found, points[1:])]
    lines = _lines(points, permuted, [each.moved > 0 for each in found], holder, tell)
    used, told = [points[0]], list[dict[str, Any]]()
    said = {
        "how": ready.how.model_dump(),
        "groups": len(ready.symmetries.atoms),
        "units": ready.symmetries.units,
        "sides": told,
    }
    arrays = symmetry_arrays(ready.symmetries)
    for side, point, after, each, (as_came, new) in zip(sides, points[1:], permuted, found, lines):
        told.append(_told(side, each, as_came, new))
        tell.log(report.aligned(told[-1], said))
        stays = told[-1]["identity"]
        used.append(point if stays else after)
        arrays[side] = permutation_arrays(identity(ready.symmetries) if stays else each.permutations)
    _refuse_neighbours(sides, used[1:])
    as_came, new = lines[-1]
    arrays["line"] = {"t": as_came.t, "arc_length": as_came.arc, **as_came.metrics}
    if shelf is not None:
        figures = {name: float(values[-1]) for name, values in new.metrics.items()}
        own = {name: arrays[name] for name in ("groups", "blocks", "line")}
        own["end"] = permutation_arrays(found[-1].permutations)
        only = {**said, "sides": [{**told[-1], "identity": False}]}
        shelf.keep(permuted[-1].weights, figures, only, own, objective)
    return used, Aligned(said, arrays)


def _found(ready: Ready, start: Brought, point: Brought, objective: NetworkObjective, match: Match) -> Alignment:
    """The alignment of a point with the start, verified."""
    a, b = (_tensors(each, objective) for each in (start, point))
    with _about():
        return alignment.aligned(ready.network, ready.symmetries, a, b, match)


def _match(
    ready: Ready,
    start: Brought,
    point: Brought,
    objective: NetworkObjective,
    holder: Holder,
    tell: Telling,
    known: Permutations | None,
) -> Match:
    if known is not None:
        return lambda symmetries: known
    if isinstance(ready.how, ByWeights):
        a, b = (_tensors(each, objective) for each in (start, point))
        return alignment.by_weights(a, b, ready.how.starts, ready.how.seed, tell.begins)
    holder.load([start.weights, point.weights], [], {})
    # where the data and the devices are: nothing but the permutations comes back
    ask = lambda: holder.ask("activations", np.eye(2)[:1], point.weights)[0]
    return alignment.by_activations(ready.every, ready.how.pin, ask, tell.log)


def _tensors(point: Brought, objective: NetworkObjective) -> dict[str, Tensor]:
    """Copies of a point's parameters, as the objective has them, and of the statistics it brought."""
    weights = torch.tensor(point.weights, dtype=objective.dtype)
    buffers = {name: torch.tensor(each) for name, each in point.buffers.items()}
    return {**dict(zip(objective.names, objective.coordinates.parts(weights))), **buffers}


def _permuted(found: Alignment, point: Brought, objective: NetworkObjective) -> Brought:
    tensors = found.of(_tensors(point, objective))
    weights = torch.cat([tensors[name].reshape(-1) for name in objective.names]).numpy()
    return Brought(weights, {name: tensors[name].numpy() for name in point.buffers})


def _lines(
    points: Sequence[Brought],
    permuted: Sequence[Brought],
    moved: Sequence[bool],
    holder: Holder,
    tell: Telling,
) -> list[tuple[Profile, Profile]]:
    """The straight lines from the start to each other point, as it came and as it is permuted: one where it is not."""
    tell.measures("measure straight lines", 1 + (POINTS - 1) * (len(moved) + sum(moved)))
    others = [each.weights for each, new in zip(permuted, moved) if new]
    holder.load([*(each.weights for each in points), *others], [], {})
    products, asked = holder.inner_products(), Remembered(holder, {}, tell.tick)
    along = lambda row: measured_line(asked, products, POINTS, np.inf, row)
    lines, row = [], len(points)
    for n, new in enumerate(moved, 1):
        as_came = along(n)
        lines.append((as_came, along(row) if new else as_came))
        row += new
    return lines


def _told(side: str, found: Alignment, as_came: Profile, new: Profile) -> dict[str, Any]:
    """What a file says of one point: see `storage.layout.Attributes`."""
    metric = next(iter(as_came.metrics))
    before, after = (line.summaries()[metric] for line in (as_came, new))
    # a point on the way may be higher than all between: then there is no barrier, and the mean tells
    better = (after["barrier"], after["mean"]) < (before["barrier"], before["mean"])
    better |= bool(np.isfinite(after["barrier"]) and not np.isfinite(before["barrier"]))
    return {
        "side": side,
        "metric": metric,
        "distance": dict(zip(("before", "after"), found.distance)),
        "barrier": {"before": before["barrier"], "after": after["barrier"]},
        "moved": {"groups": sum(not is_identity([each]) for each in found.permutations), "units": found.moved},
        "identity": not better,
    }


def _refuse_copies(sides: Sequence[str], found: Sequence[Alignment]) -> None:
    """Raise PathsearchError where a point is the start with its units permuted."""
    for side, each in zip(sides, found):
        if each.same and each.moved and side == "end":
            raise PathsearchError(
                "the endpoints are identical once aligned: end is start with its hidden units permuted, the same "
                "network; train them from different seeds, or give two minima"
            )
        if each.same and each.moved:
            raise PathsearchError(
                f"endpoints.{side} is start with its hidden units permuted, the same network: leave it out"
            )


def _refuse_neighbours(sides: Sequence[str], points: Sequence[Brought]) -> None:
    """Raise PathsearchError where a point has become the one before it, so that nothing lies between them."""
    for (one, before), (other, after) in pairwise(zip(sides, points)):
        if np.array_equal(before.weights, after.weights):
            raise PathsearchError(
                f"endpoints: {other} is {one} with its hidden units permuted, the same network: leave {one} out"
            )


@contextmanager
def _about() -> Iterator[None]:
    try:
        yield
    except PathsearchError as error:
        if type(error) is not PathsearchError:  # an interrupt
            raise
        raise PathsearchError(f"endpoints.align: {error}") from error
