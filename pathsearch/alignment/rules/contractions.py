"""Sums of products over an axis that two tensors share: it is permuted alike in both; what is kept carries."""

from collections.abc import Callable
from typing import Any

from pathsearch.alignment.labels import ONE, Label
from pathsearch.alignment.values import Tracing, Unfit, Value


def contracted(t: Tracing, one: Value, other: Value, over: tuple[int, int], sides: list[tuple[int, int]]) -> None:
    """Unite the axes `over` that are summed, and the pairs of axes `sides` that run side by side."""
    label = t.unify(one.axes[over[0]], other.axes[over[1]])
    for n, m in sides:
        t.unify(one.axes[n], other.axes[m])
    paired = [label, *(t.unify(one.axes[n], other.axes[m]) for n, m in sides)]
    ours, theirs = {over[0] % len(one.axes)}, {over[1] % len(other.axes)}
    kept = [each for n, each in enumerate(one.axes) if n not in ours]
    kept += [each for n, each in enumerate(other.axes) if n not in theirs]
    t.mix([label], kept, paired)


def linear(t: Tracing, given: dict[str, Any]) -> Value:
    """x Wᵀ + b."""
    value, weight = given["input"], given["weight"]
    contracted(t, value, weight, (-1, -1), [])
    label = weight.axes[0] if len(weight.axes) > 1 else None
    if label is None:
        return Value(value.axes[:-1])
    if isinstance(given.get("bias"), Value):
        t.unify(given["bias"].axes[0], label)
    return Value((*value.axes[:-1], label))


def matmul(t: Tracing, given: dict[str, Any]) -> Value:
    """Vectors, matrices, and batches of these, as numpy has it."""
    one, other = _operands(given)
    if len(other.axes) == 1:
        contracted(t, one, other, (-1, 0), [])
        return Value(one.axes[:-1])
    if len(one.axes) == 1:
        contracted(t, one, other, (0, -2), [])
        return Value((*other.axes[:-2], other.axes[-1]))
    batch = t.broadcast([Value(one.axes[:-2]), Value(other.axes[:-2])])
    common = min(len(one.axes), len(other.axes))
    contracted(t, one, other, (-1, -2), [(n, n) for n in range(-common, -2)])
    return Value((*batch.axes, one.axes[-2], other.axes[-1]))


def added(t: Tracing, given: dict[str, Any]) -> Value:
    """A product plus a tensor: addmm, baddbmm, addmv."""
    names = next(
        pair for pair in (("mat1", "mat2"), ("batch1", "batch2"), ("mat", "vec"), ("vec1", "vec2")) if pair[0] in given
    )
    one, other = (given[name] for name in names)
    if names[0] == "vec1":
        return t.broadcast([given["self"], Value((one.axes[0], other.axes[0]))])
    return t.broadcast([given["self"], matmul(t, {"self": one, "other": other})])


def outer(t: Tracing, given: dict[str, Any]) -> Value:
    """All products of two vectors."""
    one, other = _operands(given)
    return Value((one.axes[0], other.axes[0]))


def einsum(t: Tracing, given: dict[str, Any]) -> Value:
    """Letters are axes: equal ones are united, those that the result lacks are summed."""
    equation, values = given["equation"].replace(" ", ""), given["tensors"]
    if "..." in equation:
        equation = _spelled(equation, [len(value.axes) for value in values])
    inputs, _, result = equation.partition("->")
    terms = inputs.split(",")
    if "->" not in equation:
        result = "".join(sorted(letter for letter in set(inputs) - {","} if inputs.count(letter) == 1))
    if any(len(set(term)) < len(term) for term in terms):
        raise Unfit("a diagonal")
    labels: dict[str, Label] = {}
    for term, value in zip(terms, values):
        for letter, label in zip(term, value.axes):
            labels[letter] = t.unify(labels.get(letter, ONE), label)
    summed = [labels[letter] for letter in labels if letter not in result]
    shared = [labels[letter] for letter in labels if all(letter in term for term in terms)]
    if summed:
        t.mix(summed, [labels[letter] for letter in result], shared if len(terms) > 1 else None)
    return Value(tuple(labels[letter] for letter in result))


def _spelled(equation: str, ranks: list[int]) -> str:
    """An einsum equation with letters in place of dots."""
    inputs, arrow, result = equation.partition("->")
    terms = inputs.split(",")
    dots = [rank - len(term) + 3 if "..." in term else 0 for term, rank in zip(terms, ranks)]
    spare = [letter for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ" if letter not in equation][: max(dots)]
    terms = [term.replace("...", "".join(spare[len(spare) - count :])) for term, count in zip(terms, dots)]
    if not arrow:
        rest = "".join(sorted(x for x in set(inputs) - set(",.") if inputs.count(x) == 1))
        return f"{','.join(terms)}->{''.join(spare)}{rest}"
    return f"{','.join(terms)}->{result.replace('...', ''.join(spare))}"


def bilinear(t: Tracing, given: dict[str, Any]) -> Value:
    """x W y for each output."""
    one, other, weight = given["input1"], given["input2"], given["weight"]
    contracted(t, one, weight, (-1, 1), [])
    contracted(t, other, weight, (-1, 2), [])
    batch = t.broadcast([Value(one.axes[:-1]), Value(other.axes[:-1])])
    if isinstance(given.get("bias"), Value):
        t.unify(given["bias"].axes[0], weight.axes[0])
    return Value((*batch.axes, weight.axes[0]))


def _operands(given: dict[str, Any]) -> list[Value]:
    found = [each for each in given.values() if isinstance(each, Value)]
    if len(found) != 2:
        raise Unfit("other than two tensors")
    return found


CONTRACTIONS: dict[str, Callable[[Tracing, dict[str, Any]], Any]] = {
    "linear": linear,
    **{name: matmul for name in ("matmul", "mm", "bmm", "mv", "dot", "vdot", "linalg_matmul")},
    **{name: added for name in ("addmm", "baddbmm", "addmv", "addr")},
    **{name: outer for name in ("outer", "ger")},
    "einsum": einsum,
    "bilinear": bilinear,
}
