"""Operations for which the order of an axis matters, or that tell its units apart: it is pinned, others carry."""

from collections.abc import Callable
from typing import Any

from pathsearch.alignment.values import Tracing, Unfit, Value, axes, axis, swapped

ALONG = ["cumsum", "cumprod", "logcumsumexp", "flip", "roll", "tril", "triu"]
PICKING = ["argmax", "argmin", "sort", "argsort", "topk", "kthvalue", "median", "mode", "cummax", "cummin"]


def along(t: Tracing, given: dict[str, Any]) -> Value:
    """The axis, or those, that the operation runs along."""
    value = given["self"]
    key = next((key for key in ("dim", "dims") if key in given), None)
    over = axes(given[key], len(value.axes)) if key else [-2, -1]  # triangles are of the last two
    t.pin([value.axes[n] for n in over])
    return Value(value.axes)


def picking(t: Tracing, given: dict[str, Any]) -> Any:
    """Results tell which unit it was."""
    value = given["self"]
    dim = given.get("dim")
    if dim is None:
        raise Unfit("of all axes at once")
    at = axis(dim, len(value.axes))
    t.pin([value.axes[at]])
    results = []
    for shape in t.result:
        same = len(shape) == len(value.axes)
        kept = value.axes if same else value.axes[:at] + value.axes[at + 1 :]
        results.append(swapped(Value(kept), at, t.fresh(shape[at], t.op)) if same else Value(kept))
    return results if len(results) > 1 else results[0]


def index_select(t: Tracing, given: dict[str, Any]) -> Value:
    """Units by their numbers."""
    value = given["self"]
    at = axis(given["dim"], len(value.axes))
    t.pin([value.axes[at]])
    return swapped(value, at, t.fresh(t.result[0][at], t.op))


def index_add(t: Tracing, given: dict[str, Any]) -> Value:
    """Units of another tensor are added to those with these numbers, or put in their place."""
    value, other = given["self"], given.get("source")
    at = axis(given["dim"], len(value.axes))
    t.pin([value.axes[at]])
    if isinstance(other, Value):
        t.pin([other.axes[at]])
        for n in set(range(len(value.axes))) - {at}:
            t.unify(value.axes[n], other.axes[n])
    return Value(value.axes)


def gathered(t: Tracing, given: dict[str, Any]) -> Value:
    """x[i[a, b], b]: of other axes than the one that is indexed the first units, one by one with those of the index."""
    value, index = given["self"], given["index"]
    at = axis(given["dim"], len(value.axes))
    return swapped(_side_by_side(t, [value], index, at), at, t.fresh(t.result[0][at], t.op))


def scattered(t: Tracing, given: dict[str, Any]) -> Value:
    """x[i[a, b], b] is set to, or added, y[a, b]."""
    value, index, other = given["self"], given["index"], given.get("src")
    at = axis(given["dim"], len(value.axes))
    _side_by_side(t, [value, other] if isinstance(other, Value) else [value], index, at)
    return Value(value.axes)


def _side_by_side(t: Tracing, values: list[Value], index: Value, at: int) -> Value:
    """Pin an axis, and unite the first units of all others with those of the index, whose axes are returned."""
    if len(index.axes) != len(values[0].axes) or 0 in t.shape(index):
        raise Unfit("an index of another shape")
    for n, label in enumerate(index.axes):
        for value in values:
            if n == at:
                t.pin([label, value.axes[n]])
            else:
                t.labels.unify(t.labels.part(value.axes[n], 0, t.size(label), t.op), label, t.op)
    return Value(index.axes)


def indexed(t: Tracing, given: dict[str, Any]) -> Value:
    """x[:, i]: the axes that are indexed are pinned; others carry."""
    value = given["self"]
    before, taken, after = _indexed(t, value, list(given["indices"]))
    t.pin(value.axes[before:after])
    found = t.pinned(t.result[0][before : before + taken])
    return Value((*value.axes[:before], *found.axes, *value.axes[after:]))


def index_put(t: Tracing, given: dict[str, Any]) -> Value:
    """x[:, i] = y; where i are truth values and y is the same for all of them, i goes along with x."""
    value, other = given["self"], given["values"]
    indices = [each for each in given["indices"] if isinstance(each, Value)]
    before, taken, after = _indexed(t, value, list(given["indices"]))
    rest = len(value.axes) - after
    split = len(other.axes) - rest
    placed = other.axes[max(split - taken, 0) : max(split, 0)]
    if t.boolean and all(t.size(label) == 1 for label in placed):
        t.broadcast([Value(value.axes[before:after]), indices[0]])
    else:
        t.pin([*value.axes[before:after], *placed, *(label for each in indices for label in each.axes)])
    t.broadcast([Value(value.axes[after:]), Value(other.axes[max(split, 0) :])])
    t.broadcast([Value(value.axes[:before]), Value(other.axes[: max(split - taken, 0)])])
    return Value(value.axes)


def _indexed(t: Tracing, value: Value, indices: list[Any]) -> tuple[int, int, int]:
    """The first axis that is indexed, how many axes come in place of all those, and the first one after them."""
    given = [each for each in indices if isinstance(each, Value)]
    at = [n for n, each in enumerate(indices) if isinstance(each, Value)]
    if at != list(range(at[0], at[-1] + 1)) or (t.boolean and len(at) > 1):  # axes apart change places
        raise Unfit("indices of axes apart")
    t.pin([] if t.boolean else [label for each in given for label in each.axes])
    if t.boolean:
        return at[0], 1, at[0] + len(given[0].axes)
    return at[0], max(len(each.axes) for each in given), at[-1] + 1


ORDERS: dict[str, Callable[[Tracing, dict[str, Any]], Any]] = {
    **{name: along for name in ALONG},
    **{name: picking for name in PICKING},
    "index_select": index_select,
    "index": indexed,
    "index_put": index_put,
    **{name: index_add for name in ("index_add", "index_copy", "index_fill")},
    "gather": gathered,
    **{name: scattered for name in ("scatter", "scatter_add", "scatter_reduce")},
}
