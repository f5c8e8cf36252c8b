"""What a run keeps of its path, as groups of `path.h5` (see `storage.schema`)."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pathsearch.holders import Holder
from pathsearch.objectives import Objective
from pathsearch.objectives.network import NetworkObjective
from pathsearch.storage import Rows
from pathsearch.storage.writer import Variable

Groups = dict[str, dict[str, Variable]]


def path(objective: Objective, holder: Holder, pivots: int, rows: list[int], states: tuple[str, ...]) -> Groups:
    """Pivots, the optimiser's states of the pivots `rows`, and what all points share."""
    counts = [int(np.prod(shape)) for _, shape in objective.table]
    return {
        "path": {
            "pivot": (("pivot",), np.arange(pivots)),
            "weights": (("pivot", "parameter"), _rows(objective, range(pivots), holder.pivot)),
        },
        "optimizer": {
            "moving": (("moving",), np.array(rows, dtype=np.int64)),
            **{
                name: (("moving", "parameter"), _rows(objective, rows, partial(holder.optimizer_state, name)))
                for name in states
            },
        },
        "parameters": {
            "name": (("tensor",), np.array([name for name, _ in objective.table])),
            "shape": (("tensor",), np.array(["x".join(map(str, shape)) for _, shape in objective.table])),
            "offset": (("tensor",), np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(np.int64)),
        },
        "buffers": tensors(shared(objective)),
    }


def tensors(arrays: dict[str, NDArray[Any]]) -> dict[str, Variable]:
    """Arrays by the names of a network's tensors."""
    # no tensor has the name of these dimensions: what a dot follows is a layer
    return {name: (tuple(f"{name}.{i}" for i in range(array.ndim)), array) for name, array in arrays.items()}


def shared(objective: Objective) -> dict[str, NDArray[Any]]:
    """What all points share and is no coordinate, as arrays."""
    if not isinstance(objective, NetworkObjective):
        return {}
    return {name: value.cpu().numpy() for name, value in objective.shared.items()}


def profile(group: str, arrays: dict[str, NDArray[Any]]) -> dict[str, Variable]:
    """Arrays of `measured` or of a `profiles/…` group."""
    if group == "profiles/plane":
        return {name: ((name,) if name in ("x", "y") else ("y", "x"), values) for name, values in arrays.items()}
    if group == "profiles/shadow":
        return {name: (("pivot" if name.startswith("pivots") else "point",), v) for name, v in arrays.items()}
    if group == "measured":
        return {name: (("point", "pivot")[: values.ndim], values) for name, values in arrays.items()}
    return {name: (("t",), values) for name, values in arrays.items()}


def _rows(objective: Objective, rows: Sequence[int], vector: Callable[[int], Any]) -> Rows:
    """Vectors [n, M] to be kept, fetched one by one: they need not all fit in this process."""
    dtype = np.dtype(str(objective.dtype).removeprefix("torch."))
    return Rows((len(rows), objective.size), dtype, lambda n: vector(rows[n]))
