"""Operations that put tensors together, or take parts of one: axes have segments."""

from collections.abc import Callable
from typing import Any

from pathsearch.alignment.labels import ONE, Label
from pathsearch.alignment.values import Stack, Tracing, Unfit, Value, axis, swapped


def cat(t: Tracing, given: dict[str, Any]) -> Value:
    """The segments of all, one after another; other axes are united."""
    # an empty vector may stand beside anything, for historical reasons
    values = [value for value in given["tensors"] if t.shape(value) != (0,)]
    if not values:
        raise Unfit("nothing to join")
    at = axis(given["dim"], len(values[0].axes))
    # nothing adds nothing; other axes of it say nothing either
    values = [value for value in values if t.size(value.axes[at])] or values[:1]
    found = [ONE if n == at else values[0].axes[n] for n in range(len(values[0].axes))]
    for value in values[1:]:
        for n, label in enumerate(value.axes):
            if n != at:
                t.labels.unify(found[n], label, t.op)
    found[at] = tuple(factors for value in values for factors in t.labels.resolved(value.axes[at]))
    return Value(tuple(found))


def stack(t: Tracing, given: dict[str, Any]) -> Stack:
    """Tensors side by side on a new axis, each with its own labels."""
    values = given["tensors"]
    at = axis(given["dim"], len(values[0].axes) + 1)
    mark = t.fresh(len(values), t.op)
    return Stack(tuple(Value((*each.axes[:at], mark, *each.axes[at:])) for each in values), at)


def split(t: Tracing, given: dict[str, Any]) -> list[Value]:
    """Parts of an axis, of one size or of several."""
    value = given["self"]
    at = axis(given["dim"], len(value.axes))
    total = t.size(value.axes[at])
    sizes = next(given[key] for key in ("split_size", "split_sizes", "sections", "indices", "chunks") if key in given)
    if "chunks" in given:
        sizes = -(-total // sizes)
    if isinstance(sizes, int) and "sections" in given:  # of tensor_split, as numpy has it
        raise Unfit("into a number of parts")
    bounds = list(range(sizes, total, sizes)) if isinstance(sizes, int) else _sums(sizes)
    if "indices" in given:
        bounds = list(sizes)
    ends = [0, *bounds] if not bounds or bounds[-1] == total else [0, *bounds, total]
    return [_part(t, value, at, start, stop) for start, stop in zip(ends, ends[1:] or [total])]


def _sums(sizes: list[int]) -> list[int]:
    found = [0]
    for size in sizes:
        found.append(found[-1] + size)
    return found[1:]


def slice_(t: Tracing, given: dict[str, Any]) -> Value:
    """A part of an axis; with strides it is pinned."""
    value = given["self"]
    at = axis(given["dim"], len(value.axes))
    size, step = t.size(value.axes[at]), given["step"]
    start, stop, _ = slice(given["start"], given["end"], step).indices(size)
    if step != 1:
        t.pin([value.axes[at]])
        return swapped(value, at, t.fresh(len(range(start, stop, step)), t.op))
    return value if (start, stop) == (0, size) else _part(t, value, at, start, stop)


def narrow(t: Tracing, given: dict[str, Any]) -> Value:
    """A part of an axis."""
    value = given["self"]
    at = axis(given["dim"], len(value.axes))
    start = given["start"]
    if not isinstance(start, int):
        raise Unfit("from a place that is worked out")
    start = axis(start, t.size(value.axes[at]))
    return _part(t, value, at, start, start + given["length"])


def _part(t: Tracing, value: Value, at: int, start: int, stop: int) -> Value:
    return swapped(value, at, t.labels.part(value.axes[at], start, max(stop, start), t.op))


def select(t: Tracing, given: dict[str, Any]) -> Value:
    """One unit of an axis, which is pinned: units are told apart."""
    value = given["self"]
    at = axis(given["dim"], len(value.axes))
    _picked(t, value.axes[at])
    return Value((*value.axes[:at], *value.axes[at + 1 :]))


def unbind(t: Tracing, given: dict[str, Any]) -> list[Value]:
    """All units of an axis, one by one: a stack along it comes apart into its slots."""
    value = given["self"]
    at = axis(given["dim"], len(value.axes))
    _picked(t, value.axes[at])
    return [Value((*value.axes[:at], *value.axes[at + 1 :]))] * t.size(value.axes[at])


def _picked(t: Tracing, label: Label) -> None:
    for factors in t.labels.resolved(label):
        for atom in factors:
            if atom in t.origins and not t.labels.why(atom):
                node, at = t.origins[atom]
                t.picked[node] = at
    t.pin([label])


def pad(t: Tracing, given: dict[str, Any]) -> Value:
    """A constant on both sides is a segment that anything may be done to; other ways to pad pin the axis."""
    value, widths = given["self"], given["pad"]
    constant = given.get("mode", "constant") == "constant"
    found = list(value.axes)
    for n in range(len(widths) // 2):
        before, after = widths[2 * n : 2 * n + 2]
        at = len(found) - 1 - n
        label, size = found[at], t.size(found[at])
        if not before and not after:
            continue
        if not constant:
            t.pin([label])
            found[at] = t.fresh(size + before + after, t.op)
            continue
        label = t.labels.part(label, max(-before, 0), size - max(-after, 0), t.op)
        rows = [t.fresh(width)[0] for width in (before, after) if width > 0]
        found[at] = (*(rows[:1] if before > 0 else ()), *t.labels.resolved(label), *(rows[-1:] if after > 0 else ()))
    return Value(tuple(found))


PARTS: dict[str, Callable[[Tracing, dict[str, Any]], Any]] = {
    **{name: cat for name in ("cat", "concat", "concatenate")},
    "stack": stack,
    **{name: split for name in ("split", "split_with_sizes", "chunk", "tensor_split")},
    "slice": slice_,
    "narrow": narrow,
    "select": select,
    "unbind": unbind,
    **{name: pad for name in ("pad", "constant_pad_nd")},
}
