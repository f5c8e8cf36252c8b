"""Operations that make one number of all units of some axes, whatever their order, and those that work over space."""

from collections.abc import Callable
from typing import Any

from pathsearch.alignment.labels import ONE
from pathsearch.alignment.values import Tracing, Value, axes

# fmt: off
SYMMETRIC = (
    "sum", "mean", "var", "std", "amax", "amin", "prod", "logsumexp", "norm", "linalg_vector_norm", "any", "all",
    "count_nonzero", "nansum", "nanmean",
)
# fmt: on
PAIRS = ["var_mean", "std_mean", "aminmax"]
# fmt: off
SPATIAL = (
    "max_pool1d", "max_pool2d", "max_pool3d", "avg_pool1d", "avg_pool2d", "avg_pool3d", "adaptive_avg_pool1d",
    "adaptive_avg_pool2d", "adaptive_avg_pool3d", "adaptive_max_pool1d", "adaptive_max_pool2d",
    "adaptive_max_pool3d", "_adaptive_avg_pool2d", "lp_pool2d", "upsample_nearest1d", "upsample_nearest2d",
    "upsample_nearest3d", "_upsample_nearest_exact2d", "upsample_bilinear2d", "upsample_linear1d",
    "upsample_trilinear3d", "upsample_bicubic2d", "_upsample_bilinear2d_aa", "_upsample_bicubic2d_aa",
    "reflection_pad1d", "reflection_pad2d", "replication_pad2d",
)
# fmt: on


def reduced(t: Tracing, given: dict[str, Any]) -> Value:
    """The axes vanish, or have size 1."""
    value = given["self"]
    over = axes(given.get("dim"), len(value.axes))
    kept = bool(given.get("keepdim"))
    t.read += [value.axes[n] for n in over]
    return Value(tuple(ONE if n in over else label for n, label in enumerate(value.axes) if kept or n not in over))


def several(t: Tracing, given: dict[str, Any]) -> list[Value]:
    """The same twice."""
    return [reduced(t, given)] * 2


def extremum(t: Tracing, given: dict[str, Any]) -> Any:
    """The largest or least, alone or with its place, which pins the axis; of two tensors elementwise."""
    if isinstance(given.get("other"), Value):
        return t.broadcast([given["self"], given["other"]])
    if given.get("dim") is None:
        return reduced(t, given)
    if not t.only_first:
        t.pin([given["self"].axes[n] for n in axes(given["dim"], len(given["self"].axes))])
    return [reduced(t, given)] * 2


def normalized(t: Tracing, given: dict[str, Any]) -> Value:
    """An axis divided by its norm is several operations in torch; cosines vanish the axis."""
    value = t.broadcast([given["x1"], given["x2"]])
    return reduced(t, {"self": value, "dim": given["dim"]})


def spatial(t: Tracing, given: dict[str, Any]) -> Any:
    """Batch and channels carry; the axes of space, as many as the name says, are pinned."""
    value = next(each for each in given.values() if isinstance(each, Value))
    count = next(int(sign) for sign in reversed(t.op) if sign in "123")
    outside = len(value.axes) - count
    t.pin(value.axes[outside:])
    return Value((*value.axes[:outside], *(t.fresh(size, t.op) for size in t.result[0][outside:])))


def spatial_with_places(t: Tracing, given: dict[str, Any]) -> list[Value]:
    """What is pooled, and where it was found."""
    return [spatial(t, given)] * 2


REDUCTIONS: dict[str, Callable[[Tracing, dict[str, Any]], Any]] = {
    **{name: reduced for name in SYMMETRIC},
    **{name: several for name in PAIRS},
    **{name: extremum for name in ("max", "min")},
    **{name: spatial for name in SPATIAL},
    **{name: spatial_with_places for name in SPATIAL if name.startswith("adaptive_max")},
    **{f"{name}_with_indices": spatial_with_places for name in SPATIAL if name.startswith("max_pool")},
    "cosine_similarity": normalized,
}
