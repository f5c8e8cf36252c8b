"""Operations that treat every element alike: labels carry, those of several operands are united."""

from collections.abc import Callable
from typing import Any

from pathsearch.alignment.values import Tracing, Unfit, Value, axes

# fmt: off
UNARY = (
    "abs", "acos", "acosh", "angle", "asin", "asinh", "atan", "atanh", "ceil", "celu", "clamp", "clamp_max",
    "clamp_min", "clip", "clone", "contiguous", "cos", "cosh", "deg2rad", "detach", "digamma", "elu", "erf", "erfc",
    "erfinv", "exp", "exp2", "expm1", "floor", "frac", "gelu", "hardshrink", "hardsigmoid", "hardswish", "hardtanh",
    "isfinite", "isinf", "isnan", "leaky_relu", "lgamma", "log", "log10", "log1p", "log2", "log_sigmoid",
    "logical_not", "logit", "mish", "nan_to_num", "neg", "negative", "positive", "rad2deg", "reciprocal", "relu",
    "relu6", "round", "rsqrt", "selu", "sgn", "sigmoid", "sign", "silu", "sin", "sinc", "sinh", "softplus",
    "softshrink", "softsign", "sqrt", "square", "tan", "tanh", "tanhshrink", "threshold", "to", "_to_copy", "type_as",
    "trunc", "fix", "zero", "real", "imag", "conj", "_conj", "conj_physical", "resolve_conj", "resolve_neg", "fill",
    "alias", "lift_fresh", "lift_fresh_copy", "bitwise_not", "requires_grad", "data",
)
# fmt: on
# fmt: off
FILLED = (
    "zeros_like", "ones_like", "full_like", "empty_like", "new_zeros", "new_ones", "new_full", "new_empty",
)
# fmt: on
# fmt: off
JOINED = (
    "add", "sub", "rsub", "subtract", "mul", "multiply", "div", "divide", "true_divide", "floor_divide",
    "remainder", "fmod", "pow", "float_power", "maximum", "minimum", "fmax", "fmin", "atan2", "hypot", "copysign",
    "eq", "ne", "lt", "le", "gt", "ge", "logical_and", "logical_or", "logical_xor", "bitwise_and", "bitwise_or",
    "bitwise_xor", "where", "masked_fill", "lerp", "addcmul", "addcdiv", "copy", "xlogy", "heaviside", "logaddexp",
    "logaddexp2", "nextafter", "special_xlogy", "_prelu_kernel", "complex", "polar",
)
# fmt: on


def joined(t: Tracing, given: dict[str, Any]) -> Value:
    """Elementwise with however many tensors; in place, too: the first one has the shape of all."""
    values = [each for each in given.values() if isinstance(each, Value)]
    return t.broadcast(values)


def unary(t: Tracing, given: dict[str, Any]) -> Value:
    """Elementwise with one tensor, the first; others say of what kind the result is."""
    return Value(next(each for each in given.values() if isinstance(each, Value)).axes)


def dropped(t: Tracing, given: dict[str, Any]) -> Value:
    """Dropout, which does nothing in evaluation; else it draws for each unit by its place."""
    if given.get("train") or given.get("training"):
        raise Unfit("it draws")
    return unary(t, given)


def filled(t: Tracing, given: dict[str, Any]) -> Value:
    """The same number everywhere: no permutation changes that."""
    like = next(each for each in given.values() if isinstance(each, Value))
    size = given.get("size")
    return Value(tuple(map(t.fresh, t.shape(like) if size is None else size)))


def softmax(t: Tracing, given: dict[str, Any]) -> Value:
    """Labels carry; every unit of the axis has a say in the others."""
    value = given["self"]
    over = axes(given["dim"], len(value.axes))
    t.mix([value.axes[n] for n in over], [label for n, label in enumerate(value.axes) if n not in over])
    return Value(value.axes)


def prelu(t: Tracing, given: dict[str, Any]) -> Value:
    """One slope for all, or one a channel, on the second axis."""
    value, weight = given["self"], given["weight"]
    if len(value.axes) > 1:
        t.unify(weight.axes[0], value.axes[1])
    return Value(value.axes)


def glu(t: Tracing, given: dict[str, Any]) -> Value:
    """The first half of an axis times the sigmoid of the second."""
    value, at = given["self"], axes(given["dim"], len(given["self"].axes))[0]
    label = value.axes[at]
    half = t.size(label) // 2
    first, second = (t.labels.part(label, start, start + half, t.op) for start in (0, half))
    return Value((*value.axes[:at], t.unify(first, second), *value.axes[at + 1 :]))


ELEMENTWISE: dict[str, Callable[[Tracing, dict[str, Any]], Any]] = {
    **{name: unary for name in UNARY},
    **{name: joined for name in JOINED},
    **{name: joined for name in ("clamp", "clamp_max", "clamp_min", "clip")},
    **{name: dropped for name in ("dropout", "feature_dropout", "alpha_dropout", "feature_alpha_dropout", "rrelu")},
    **{name: filled for name in FILLED},
    **{name: softmax for name in ("softmax", "_softmax", "log_softmax", "_log_softmax", "softmin")},
    "prelu": prelu,
    "glu": glu,
}
