"""Normalisations: scale, shift and statistics are permuted with the axis they belong to."""

from collections.abc import Callable
from typing import Any

from pathsearch.alignment.labels import Label
from pathsearch.alignment.values import Tracing, Value

OF_CHANNELS = ("weight", "bias", "running_mean", "running_var")


def channels(t: Tracing, given: dict[str, Any]) -> Value:
    """Batch and instance norm: everything goes with the second axis."""
    value = given["input"]
    _with(t, given, value.axes[1])
    t.mix([label for n, label in enumerate(value.axes) if n != 1], [value.axes[1]])
    return Value(value.axes)


def last(t: Tracing, given: dict[str, Any]) -> Value:
    """Layer and RMS norm: over the last axes, whose shape the weights have."""
    value, count = given["input"], len(given["normalized_shape"])
    over = value.axes[len(value.axes) - count :]
    for key in ("weight", "bias"):
        if isinstance(given.get(key), Value):
            for one, other in zip(given[key].axes, over):
                t.unify(one, other)
    t.mix(over, value.axes[: len(value.axes) - count])
    return Value(value.axes)


def groups(t: Tracing, given: dict[str, Any]) -> Value:
    """Group norm: channels are (groups, channels of a group)."""
    value, count = given["input"], given["num_groups"]
    label = value.axes[1]
    parts = t.labels.factored(label, [count, t.size(label) // count], t.op)
    _with(t, given, label)
    t.mix([parts[1], *value.axes[2:]], [value.axes[0], parts[0]])
    return Value(value.axes)


def of_weights(t: Tracing, given: dict[str, Any]) -> Any:
    """Weight norm: a magnitude for each unit of one axis of a direction."""
    direction, magnitude = given["v"], given["g"]
    for one, other in zip(magnitude.axes, direction.axes):
        t.unify(one, other)
    at = given["dim"] % len(direction.axes)
    t.mix([label for n, label in enumerate(direction.axes) if n != at], [direction.axes[at]])
    return Value(direction.axes) if len(t.result) == 1 else [Value(direction.axes), Value(magnitude.axes)]


def _with(t: Tracing, given: dict[str, Any], label: Label) -> None:
    for key in OF_CHANNELS:
        if isinstance(given.get(key), Value):
            t.unify(given[key].axes[0], label)


NORMS: dict[str, Callable[[Tracing, dict[str, Any]], Any]] = {
    "batch_norm": channels,
    "instance_norm": channels,
    "layer_norm": last,
    "rms_norm": last,
    "group_norm": groups,
    "_weight_norm": of_weights,
    "_weight_norm_interface": of_weights,
}
