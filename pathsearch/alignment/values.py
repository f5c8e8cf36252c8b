"""What a graph's nodes give, as far as permutations go: a label an axis; and what rules tell of operations."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any

from torch import Tensor

from pathsearch.alignment.labels import ONE, Label, Labels


@dataclass(frozen=True)
class Value:
    """A tensor: labels of its axes. constant: its values, where they depend on no parameter and no input."""

    axes: tuple[Label, ...]
    constant: Tensor | None = None


@dataclass(frozen=True)
class Stack:
    """A tensor whose parts along an axis, `at`, have labels of their own, as query, key and value in one have.

    Each slot has the axes of the whole.
    """

    slots: tuple[Value, ...]
    at: int


@dataclass
class Mixing:
    """An operation that works out something from all units of some axes, for each unit of others.

    An inner permutation that differs from one outer unit to the next goes through only where the outer unit is not
    among what is mixed, and where it is the same unit in all operands.
    """

    mixed: tuple[Label, ...]
    kept: tuple[Label, ...] = ()
    """axes of the operands that are left"""
    paired: tuple[Label, ...] | None = None
    """axes of two operands that run side by side; None where there is one operand"""


@dataclass
class Tracing:
    """What is known while the nodes of a graph are visited one after another."""

    labels: Labels
    mixings: list[Mixing] = field(default_factory=list)
    read: list[Label] = field(default_factory=list)
    """axes of which an operation made numbers, all units together: outputs depend on no other free ones"""
    doubts: list[str] = field(default_factory=list)
    stacked: dict[str, int] = field(default_factory=dict)
    """views, by node, that are to give a stack along an axis"""
    picked: dict[str, int] = field(default_factory=dict)
    """views that gave an axis of which single units were picked then"""
    origins: dict[int, tuple[str, int]] = field(default_factory=dict)
    """the view that a pinned atom comes from, and the axis there"""
    node: str = ""
    """the node that is visited, and below its operation, the shapes of what it gives, and whether only the first of
    these is used, and whether it is given truth values as indices"""
    op: str = ""
    result: list[tuple[int, ...]] = field(default_factory=list)
    only_first: bool = False
    boolean: bool = False

    def size(self, label: Label) -> int:
        return self.labels.size(label)

    def shape(self, value: Value) -> tuple[int, ...]:
        return tuple(map(self.size, value.axes))

    def fresh(self, size: int, why: str = "") -> Label:
        return self.labels.fresh(size, why)

    def unify(self, one: Label, other: Label) -> Label:
        """Let axes be permuted alike, where one of them is not of size 1; returns the larger one."""
        if self.size(one) == 1 or self.size(other) == 1:
            return other if self.size(one) == 1 else one
        if self.size(one) != self.size(other):
            raise Unfit(f"axes of {self.size(one)} and {self.size(other)}")
        self.labels.unify(one, other, self.op)
        return one

    def pin(self, labels: Iterable[Label]) -> None:
        for label in labels:
            self.labels.pin(label, self.op)

    def pinned(self, shape: Iterable[int]) -> Value:
        return Value(tuple(self.fresh(size, self.op) for size in shape))

    def constant(self, value: Tensor, why: str) -> Value:
        """A tensor that is given: an axis along which it does not vary may be permuted at will."""
        labels = []
        for n, size in enumerate(value.shape):
            same = size > 0 and bool((value == value.narrow(n, 0, 1)).all())
            labels.append(self.fresh(size, "" if same else why))
        return Value(tuple(labels), value)

    def mix(self, mixed: Iterable[Label], kept: Iterable[Label], paired: Iterable[Label] | None = None) -> None:
        self.mixings.append(Mixing(tuple(mixed), tuple(kept), None if paired is None else tuple(paired)))
        self.read += self.mixings[-1].mixed

    def broadcast(self, values: list[Value]) -> Value:
        """The value of an elementwise operation: axes are aligned from the right."""
        rank = max(len(value.axes) for value in values)
        axes = []
        for n in range(-rank, 0):
            label = ONE
            for value in values:
                if len(value.axes) >= -n:
                    label = self.unify(label, value.axes[n])
            axes.append(label)
        return Value(tuple(axes))

    def collapsed(self, stack: Stack) -> Value:
        """A stack as one value: what stands on an axis is permuted alike in all slots."""
        first, *rest = stack.slots
        axes = [first.axes[n] for n in range(len(first.axes))]
        for slot in rest:
            for n, label in enumerate(slot.axes):
                if n != stack.at:
                    self.labels.unify(axes[n], label, self.op)
        return Value(tuple(axes))


class Unfit(Exception):
    """A rule does not know what to do with an operation's arguments: it is treated as one without a rule."""


def axis(n: int, rank: int) -> int:
    """An axis counted from the left."""
    return n + rank if n < 0 else n


def axes(given: Any, rank: int) -> list[int]:
    """Axes counted from the left; all where none are named."""
    if given is None or (isinstance(given, (list, tuple)) and not given):
        return list(range(rank))
    return [axis(n, rank) for n in (given if isinstance(given, (list, tuple)) else [given])]


def swapped(value: Value, at: int, label: Label) -> Value:
    """The value with another label on an axis."""
    return replace(value, axes=(*value.axes[:at], label, *value.axes[at + 1 :]), constant=None)


__all__ = ["Mixing", "Stack", "Tracing", "Unfit", "Value", "axes", "axis", "prod", "swapped"]
