"""What a run keeps of its objective and of the vectors that a holder has."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pathsearch.holders import Holder
from pathsearch.objectives import Objective
from pathsearch.storage import Rows


def weights(objective: Objective, holder: Holder, pivots: int) -> Rows:
    """The path's pivots."""
    return _rows(objective, range(pivots), holder.pivot)


def states(objective: Objective, holder: Holder, rows: list[int], names: tuple[str, ...]) -> dict[str, Rows]:
    """The optimiser's states of the pivots `rows`."""
    return {name: _rows(objective, rows, partial(holder.optimizer_state, name)) for name in names}


def _rows(objective: Objective, rows: Sequence[int], vector: Callable[[int], NDArray[Any]]) -> Rows:
    """Vectors [n, M] to be kept, fetched one by one: they need not all fit in this process."""
    dtype = np.dtype(str(objective.dtype).removeprefix("torch."))
    return Rows((len(rows), objective.size), dtype, lambda n: vector(rows[n]))
