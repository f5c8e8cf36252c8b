"""Arrays as other programs write them, in types that torch takes."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def native(array: NDArray[Any]) -> NDArray[Any]:
    """The same numbers in this machine's byte order; long doubles as float64, wide unsigned integers as int64."""
    kind = array.dtype
    if kind.kind == "f" and kind.itemsize > 8:
        kind = np.dtype(np.float64)
    elif kind.kind == "c" and kind.itemsize > 16:
        kind = np.dtype(np.complex128)
    elif kind.kind == "u" and kind.itemsize > 1:
        kind = np.dtype(np.int64)
    return array.astype(kind.newbyteorder("="), copy=False)
