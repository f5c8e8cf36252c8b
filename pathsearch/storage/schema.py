"""The layout of `path.h5`, format version 1.

Every array has dimension scales, so `xarray.open_dataset("path.h5", group=…, engine="h5netcdf")` names its axes.

    /                       attributes: format, format_version, state, config, position, summary, versions, origin,
                            last, outside, place (all but the state and the origin are JSON; see `reader.Run`)
    /buffers/<name>         what all points share and is no coordinate: frozen parameters, buffers but statistics
    /endpoints/start, end/<name>   statistics an endpoint was saved with, where its file had all of the network's
    /path/weights           [pivot, parameter]   the pivots, endpoints first and last
    /optimizer/<register>   [moving, parameter]  the optimiser's vectors of the moving pivots; `moving` = pivot index;
                            those of the last step stay when the search is over, for more steps
    /parameters/name        [tensor]             names of the network's parameters, in the order of the vector
    /parameters/shape       [tensor]             their shapes, as "64x3x3x3"
    /parameters/offset      [tensor]             where each begins
    /history/stage          [row]                which stage a step belongs to; names in the root's summary
    /history/step, force, length, evaluations    [row]
    /history/coordinator_bytes, actor_bytes      [row]   in and out of the coordinator; into the busiest actor
    /history/t, loss        [row, point]         losses as the search saw them; NaN beyond a row's points
    /measured               mixture [point, pivot]; every metric [point]   of profiles under way, gone when finished
    /profiles/path          t [t]; arc_length and every metric [t]      whole data set
    /profiles/linear        the same on the straight line
    /profiles/plane         x [x], y [y]; every metric [y, x]
    /profiles/shadow        path_x, path_y [point]; pivots_x, pivots_y [pivot]   the path projected onto the plane
                            path_off, pivots_off   distances from the plane; pivots_loss   the pivots' own loss
                            (files of earlier programs have none of these three)

The file begins with a user block of 512 bytes, which HDF5 passes over: a line with the CRC-32 of all that follows,
checked before anything is believed. A file that another program changed is refused for the same reason.

Weights are stored in chunks of a pivot or of part of one, uncompressed (random weights do not compress), with
Fletcher-32 checksums. Losses and errors are as the objective defines them (errors are shares of 1), lengths are
Euclidean in weight space.
"""

import zlib
from typing import Any, BinaryIO

import h5py

FORMAT = "pathsearch"
FORMAT_VERSION = 1

USER_BLOCK = 512  # bytes, the smallest HDF5 allows


def seal(checksum: int) -> bytes:
    """The user block's line for a CRC-32."""
    return f"pathsearch, format version {FORMAT_VERSION}, CRC-32 of the rest {checksum:08x}\n".encode()


def hdf5(file: BinaryIO, mode: str = "r", **options: Any) -> h5py.File:
    """An open file as HDF5.

    By name HDF5 would lock it, which some file systems cannot do, and refuse it where the same process has it open with
    other settings, as xarray may. None of that is needed: a file in place is never changed.
    """
    return h5py.File(file, mode, **options)


def checksum(file: BinaryIO) -> int:
    """CRC-32 of everything behind the user block."""
    file.seek(USER_BLOCK)
    value = 0
    while block := file.read(1 << 24):
        value = zlib.crc32(block, value)
    return value
