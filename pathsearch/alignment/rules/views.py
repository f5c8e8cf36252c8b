"""Operations that give axes another place or another shape."""

from collections.abc import Callable
from typing import Any

from pathsearch.alignment.labels import ONE, Label
from pathsearch.alignment.values import Stack, Tracing, Unfit, Value, axes, axis, prod


def permute(t: Tracing, given: dict[str, Any]) -> Value:
    """Axes in another order."""
    old = given["self"].axes
    return Value(tuple(old[n] for n in axes(given["dims"], len(old))))


def transpose(t: Tracing, given: dict[str, Any]) -> Value:
    """Two axes change places; of a matrix without saying which."""
    new = list(given["self"].axes)
    if len(new) > 1:
        one, other = (given.get(f"dim{n}", given.get(f"axis{n}", n - 2)) for n in (0, 1))
        new[one], new[other] = new[other], new[one]
    return Value(tuple(new))


def reversed_axes(t: Tracing, given: dict[str, Any]) -> Value:
    """Axes in the opposite order."""
    return Value(given["self"].axes[::-1])


def moveaxis(t: Tracing, given: dict[str, Any]) -> Value:
    """Some axes get new places, the rest keep their order."""
    old = given["self"].axes
    source, destination = (axes(given[key], len(old)) for key in ("source", "destination"))
    places: dict[int, int] = dict(zip(destination, source))
    rest = iter(n for n in range(len(old)) if n not in source)
    return Value(tuple(old[places[n] if n in places else next(rest)] for n in range(len(old))))


def squeeze(t: Tracing, given: dict[str, Any]) -> Value:
    """Axes of size 1 vanish."""
    old = given["self"].axes
    asked = axes(given.get("dim"), len(old)) if old else []
    return Value(tuple(label for n, label in enumerate(old) if not (n in asked and t.size(label) == 1)))


def unsqueeze(t: Tracing, given: dict[str, Any]) -> Value:
    """A new axis of size 1."""
    old = given["self"].axes
    at = axis(given["dim"], len(old) + 1)
    return Value((*old[:at], ONE, *old[at:]))


def expand(t: Tracing, given: dict[str, Any]) -> Value:
    """Copies along an axis are all alike: any permutation of them changes nothing."""
    value, size = given["self"], given.get("size")
    if size is None:
        size = t.shape(given["other"])
    value = Value((ONE,) * (len(size) - len(value.axes)) + value.axes)
    return Value(
        tuple(
            t.fresh(want) if t.size(label) == 1 and want not in (1, -1) else label
            for label, want in zip(value.axes, size)
        )
    )


def repeat(t: Tracing, given: dict[str, Any]) -> Value:
    """Copies one after another: the copy is the slower index."""
    counts = given["repeats"] if "repeats" in given else given["dims"]
    old = given["self"].axes
    rank = max(len(old), len(counts))
    old, counts = (ONE,) * (rank - len(old)) + old, [1] * (rank - len(counts)) + list(counts)
    return Value(tuple(t.labels.merged([t.fresh(count), label], t.op) for count, label in zip(counts, old)))


def repeat_interleave(t: Tracing, given: dict[str, Any]) -> Value:
    """Copies of each unit side by side: the copy is the faster index."""
    value, count = given["self"], given["repeats"]
    if not isinstance(count, int) or given.get("dim") is None:
        raise Unfit("other than one number of copies along an axis")
    at = axis(given["dim"], len(value.axes))
    label = t.labels.merged([value.axes[at], t.fresh(count)], t.op)
    return Value((*value.axes[:at], label, *value.axes[at + 1 :]))


def view_as_complex(t: Tracing, given: dict[str, Any]) -> Value:
    """Real and imaginary parts, on the last axis, become one number."""
    old = given["self"].axes
    t.pin(old[-1:])
    return Value(old[:-1])


def view_as_real(t: Tracing, given: dict[str, Any]) -> Value:
    """A number becomes its real and imaginary parts, on a new last axis."""
    return Value((*given["self"].axes, t.fresh(2, t.op)))


def view(t: Tracing, given: dict[str, Any]) -> Value | Stack:
    """Walk over both lists of sizes: axes that come together make a product, one that comes apart is made one."""
    value = given["self"]
    sizes = list(given["size"] if "size" in given else given["shape"])
    return _viewed(t, value, _without_wildcard(sizes, prod(t.shape(value))))


def view_as(t: Tracing, given: dict[str, Any]) -> Value | Stack:
    """The shape of another tensor."""
    return _viewed(t, given["self"], list(t.shape(given["other"])))


def flatten(t: Tracing, given: dict[str, Any]) -> Value:
    """Some axes become one."""
    old = given["self"].axes
    if not old:
        return Value((ONE,))
    first, last = axis(given["start_dim"], len(old)), axis(given["end_dim"], len(old))
    return Value((*old[:first], t.labels.merged(list(old[first : last + 1]), t.op), *old[last + 1 :]))


def unflatten(t: Tracing, given: dict[str, Any]) -> Value | Stack:
    """One axis becomes several."""
    value = given["self"]
    at, shape = axis(given["dim"], len(value.axes)), t.shape(value)
    parts = _without_wildcard(list(given["sizes"]), shape[at])
    return _viewed(t, value, [*shape[:at], *parts, *shape[at + 1 :]])


def _without_wildcard(sizes: list[int], total: int) -> list[int]:
    known = prod(size for size in sizes if size != -1)
    return [total // max(known, 1) if size == -1 else size for size in sizes]


def _viewed(t: Tracing, value: Value, sizes: list[int]) -> Value | Stack:
    found: list[Label] = []
    for old, new in _runs(list(t.shape(value)), sizes):
        labels = [value.axes[n] for n in old]
        wide = [n for n in new if sizes[n] > 1]
        whole = t.labels.merged(labels, t.op)
        if t.stacked.get(t.node) in wide[:1] and len(wide) > 1:
            return _stack(t, value, sizes, whole, wide)
        parts = [whole] if len(wide) < 2 else t.labels.factored(whole, [sizes[n] for n in wide], t.op)
        if len(wide) > 1:
            for factors in parts[0]:
                for atom in factors:
                    t.origins.setdefault(atom, (t.node, wide[0]))
        labelled = iter(parts)
        found += [next(labelled) if n in wide else ONE for n in new]
    return Value(tuple(found))


def _stack(t: Tracing, value: Value, sizes: list[int], whole: Label, wide: list[int]) -> Stack:
    """The view as a stack along the slowest of the new axes of one old one: each slot is a part of that one."""
    at, size = wide[0], t.size(whole)
    count = sizes[at]
    cut = t.labels.cut(whole, [size // count * n for n in range(1, count)], t.op)
    mark = t.fresh(count, t.op)
    slots = []
    for n in range(count):
        part = t.labels.part(cut, size // count * n, size // count * (n + 1), t.op)
        rest = iter(t.labels.factored(part, [sizes[n] for n in wide[1:]], t.op) if len(wide) > 2 else [part])
        labelled: list[Label] = []
        for old, new in _runs(list(t.shape(value)), sizes):
            if at in new:
                labelled += [mark if n == at else next(rest) if n in wide else ONE for n in new]
                continue
            others = [n for n in new if sizes[n] > 1]
            one = t.labels.merged([value.axes[n] for n in old], t.op)
            parts = iter([one] if len(others) < 2 else t.labels.factored(one, [sizes[n] for n in others], t.op))
            labelled += [next(parts) if n in others else ONE for n in new]
        slots.append(Value(tuple(labelled)))
    return Stack(tuple(slots), at)


def _runs(old: list[int], new: list[int]) -> list[tuple[list[int], list[int]]]:
    """Which old axes become which new ones: the shortest runs whose sizes have equal products."""
    if prod(old) != prod(new) or 0 in old:
        raise Unfit(f"{old} as {new}")
    found, i, j = [], 0, 0
    while i < len(old) or j < len(new):
        ours, theirs = ([i], [j]) if i < len(old) and j < len(new) else ([], [])
        if not ours:  # what is left has size 1
            found.append((list(range(i, len(old))), list(range(j, len(new)))))
            break
        while (left := prod(old[n] for n in ours)) != (right := prod(new[n] for n in theirs)):
            if left < right:
                ours.append(ours[-1] + 1)
            else:
                theirs.append(theirs[-1] + 1)
        found.append((ours, theirs))
        i, j = ours[-1] + 1, theirs[-1] + 1
    return found


VIEWS: dict[str, Callable[[Tracing, dict[str, Any]], Any]] = {
    "permute": permute,
    **{name: transpose for name in ("transpose", "t", "swapaxes", "swapdims", "mT", "adjoint", "matrix_H")},
    "numpy_T": reversed_axes,
    **{name: moveaxis for name in ("movedim", "moveaxis")},
    "squeeze": squeeze,
    "unsqueeze": unsqueeze,
    **{name: expand for name in ("expand", "expand_as", "broadcast_to")},
    **{name: repeat for name in ("repeat", "tile")},
    "repeat_interleave": repeat_interleave,
    **{name: view for name in ("view", "reshape", "_unsafe_view", "_reshape_alias", "view_copy")},
    **{name: view_as for name in ("view_as", "reshape_as")},
    "view_as_complex": view_as_complex,
    "view_as_real": view_as_real,
    "flatten": flatten,
    "ravel": lambda t, given: flatten(t, {**given, "start_dim": 0, "end_dim": -1}),
    "unflatten": unflatten,
}

OF_AXES = ("permute", "transpose", "t", "movedim", "squeeze", "unsqueeze")
"""Operations that give axes another place, and leave each as it is."""
