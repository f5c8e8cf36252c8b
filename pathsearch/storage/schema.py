"""The layout of `path.h5`, format version 1.

Every array has dimension scales, so `xarray.open_dataset("path.h5", group=…, engine="h5netcdf")` names its axes.

    /                       attributes: format, format_version, state, config, position, summary, versions, origin
                            (config, position, summary and versions are JSON)
    /path/weights           [pivot, parameter]   the pivots, endpoints first and last
    /optimizer/<register>   [moving, parameter]  the optimiser's vectors of the moving pivots; `moving` = pivot index
    /parameters/name        [tensor]             names of the network's parameters, in the order of the vector
    /parameters/shape       [tensor]             their shapes, as "64x3x3x3"
    /parameters/offset      [tensor]             where each begins
    /history/stage          [row]                which stage a step belongs to; attribute `names` on the variable
    /history/step, force, length, evaluations    [row]
    /history/t, loss        [row, point]         losses as the search saw them; NaN beyond a row's points
    /profiles/path          t [t]; arc_length and every metric [t]      whole data set; attribute saddle_uncertainty
    /profiles/linear        the same on the straight line
    /profiles/plane         x [x], y [y]; every metric [y, x]
    /profiles/shadow        path_x, path_y [point]; pivots_x, pivots_y [pivot]   the path seen on the plane

Weights are stored a pivot a chunk, uncompressed (random weights do not compress), with Fletcher-32 checksums. Losses
and errors are as the objective defines them (errors are shares of 1), lengths are Euclidean in weight space.
"""

FORMAT = "pathsearch"
FORMAT_VERSION = 1

CHECKPOINTED = ("path", "optimizer", "parameters", "history")
