"""Convolutions: input channels are contracted, space is pinned, groups are an outer index of both kinds of channels."""

from collections.abc import Callable
from typing import Any

from pathsearch.alignment.labels import Label
from pathsearch.alignment.values import Tracing, Unfit, Value


def convolution(t: Tracing, given: dict[str, Any]) -> Value:
    """Any number of dimensions, forward or transposed, with groups."""
    value, weight = given["input"], given["weight"]
    count, at = given.get("groups", 1), _channels(value, weight)
    result = t.result[0]
    backward = bool(given.get("transposed")) or "transpose" in t.op
    ours, theirs = (0, 1) if backward else (1, 0)
    if count == 1:
        label = t.unify(value.axes[at], weight.axes[ours])
        new = weight.axes[theirs]
        t.mix([label], [*value.axes[:at], weight.axes[theirs]], [label])
    elif backward:
        old, new = _grouped_backward(t, value.axes[at], weight, count)
        t.mix([old[1]], [*value.axes[:at], *new], [old[1], old[0]])
        new = t.labels.merged(list(new), t.op)
    else:
        new = weight.axes[0]
        _grouped(t, value, at, weight, count)
    if isinstance(given.get("bias"), Value):
        t.unify(given["bias"].axes[0], new)
    space = value.axes[at + 1 :]
    if not _pointwise(t, given, weight):
        t.pin(space)
        t.pin(weight.axes[2:])
        space = tuple(t.fresh(size, t.op) for size in result[at + 1 :])
    return Value((*value.axes[:at], new, *space))


def _channels(value: Value, weight: Value) -> int:
    """Which axis of the input channels are: the batch may be missing."""
    return len(value.axes) - (len(weight.axes) - 1)


def _pointwise(t: Tracing, given: dict[str, Any], weight: Value) -> bool:
    """Whether every place is worked out from itself alone."""
    plain = lambda key, usual: all(n == usual for n in _numbers(given.get(key, usual)))
    kernel = t.shape(weight)[2:]
    return all(n == 1 for n in kernel) and plain("stride", 1) and plain("padding", 0) and plain("output_padding", 0)


def _numbers(given: Any) -> list[Any]:
    return list(given) if isinstance(given, (list, tuple)) else [given]


def _grouped(t: Tracing, value: Value, at: int, weight: Value, count: int) -> None:
    label, out = value.axes[at], weight.axes[0]
    old = t.labels.factored(label, [count, t.size(label) // count], t.op)
    new = t.labels.factored(out, [count, t.size(out) // count], t.op)
    t.unify(old[0], new[0])
    t.unify(old[1], weight.axes[1])
    t.mix([old[1]], [*value.axes[:at], old[0], new[1]], [old[1], old[0]])


def _grouped_backward(t: Tracing, label: Label, weight: Value, count: int) -> tuple[list[Label], list[Label]]:
    if t.size(label) % count:
        raise Unfit("groups of unequal sizes")
    t.unify(label, weight.axes[0])
    old = t.labels.factored(label, [count, t.size(label) // count], t.op)
    return old, [old[0], weight.axes[1]]


def pixel_shuffle(t: Tracing, given: dict[str, Any]) -> Value:
    """Channels are (channels, r, r); the places that these r·r go to are told apart."""
    value, r = given["self"], given["upscale_factor"]
    at = len(value.axes) - 3
    parts = t.labels.factored(value.axes[at], [t.size(value.axes[at]) // (r * r), r * r], t.op)
    t.pin([parts[1], *value.axes[at + 1 :]])
    return Value((*value.axes[:at], parts[0], *(t.fresh(size, t.op) for size in t.result[0][at + 1 :])))


def pixel_unshuffle(t: Tracing, given: dict[str, Any]) -> Value:
    """Places become channels, which are told apart."""
    value, r = given["self"], given["downscale_factor"]
    at = len(value.axes) - 3
    t.pin(value.axes[at + 1 :])
    label = t.labels.merged([value.axes[at], t.fresh(r * r, t.op)], t.op)
    return Value((*value.axes[:at], label, *(t.fresh(size, t.op) for size in t.result[0][at + 1 :])))


def channel_shuffle(t: Tracing, given: dict[str, Any]) -> Value:
    """Channels are (groups, channels of a group), whose order is turned round."""
    value, count = given["self"], given["groups"]
    label = value.axes[1]
    parts = t.labels.factored(label, [count, t.size(label) // count], t.op)
    return Value((value.axes[0], t.labels.merged(parts[::-1], t.op), *value.axes[2:]))


NAMES = [f"conv{way}{n}d" for way in ("", "_transpose") for n in (1, 2, 3)]

CONVOLUTIONS: dict[str, Callable[[Tracing, dict[str, Any]], Any]] = {
    **{name: convolution for name in (*NAMES, "convolution", "_convolution")},
    "pixel_shuffle": pixel_shuffle,
    "pixel_unshuffle": pixel_unshuffle,
    "channel_shuffle": channel_shuffle,
}
