"""Arrays with named axes, as xarray has them; it is imported when it is asked for."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from pathsearch.errors import needed

if TYPE_CHECKING:
    from xarray import Dataset


def dataset(what: str, arrays: Mapping[str, tuple[tuple[str, ...], NDArray[Any]]]) -> "Dataset":
    """Arrays by name, each with the names of its axes; one called like its only axis is that axis's coordinate.

    Raises PathsearchError, which calls the whole `what`, where xarray is not installed.
    """
    with needed("xarray", what):
        import xarray
    return xarray.Dataset(dict(arrays))
