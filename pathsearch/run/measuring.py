"""The profiles of a run: those of its path, of the straight line, and of the plane around them."""

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

import numpy as np

from pathsearch import measure
from pathsearch.holders import Holder
from pathsearch.numerics.basis import Array
from pathsearch.objectives import Objective
from pathsearch.run.settings import Measurement
from pathsearch.storage import Arrays

Phase = Callable[[str, int], None]


def profiles(
    holder: measure.Asked, curve: str, products: Array, options: Measurement, known: Collection[str], phase: Phase
) -> Iterator[tuple[dict[str, Arrays], dict[str, Any], str]]:
    """Measure what is not `known` yet, one after another: each one's arrays by name, figures, and a warning or nothing.

    products [N, N]: as the holder's; phase: told of each stretch of work, and of about how many points it is.
    """
    if "path" not in known:
        phase("measure the path", options.points)
        path = measure.measured_path(holder, curve, products, options.points, options.tolerance)
        yield _along("path", path)
    if "linear" not in known:
        phase("measure the straight line", options.points)
        line = measure.measured_line(holder, products, options.points, options.tolerance)
        yield _along("linear", line)
    if options.plane and "plane" not in known:
        phase("measure the plane", options.plane**2 + len(products))
        plane = measure.measured_plane(holder, curve, products, options.plane)
        if plane is not None:
            yield {"plane": {"x": plane.x, "y": plane.y, **plane.metrics}, "shadow": plane.shadow}, {}, ""


def ends(holder: Holder, pivots: int, own: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Figures of the endpoints: how many predictions they differ in, and those that came with running statistics of
    their `own`, by side, measured with these.
    """
    picked = dict(zip(("start", "end"), np.eye(pivots)[[[0], [-1]]]))
    return {
        "disagreement": measure.disagreement(holder, pivots),
        "as_loaded": {side: holder.ask("measure_with", picked[side], own[side])[0] for side in own},
    }


def described(objective: Objective) -> dict[str, Any]:
    """What a file's summary says of an objective's metrics, for readers that have no objective."""
    return {name: getattr(objective, name) for name in ("described", "measured") if hasattr(objective, name)}


def _along(name: str, found: measure.Profile) -> tuple[dict[str, Arrays], dict[str, Any], str]:
    columns = {"t": found.t, "arc_length": found.arc, **found.metrics}
    warning = ""
    metric, losses = next(iter(found.metrics.items()))
    if not np.isfinite(losses).all():
        where = found.t[~np.isfinite(losses)][0]
        warning = f"warning: {metric} of the {name} profile is not finite, first at t = {where:.4g}"
    return {name: columns}, {f"{name}_uncertainty": found.uncertainty}, warning
