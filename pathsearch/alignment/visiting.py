"""One visit to every node of a graph: each gets its labels, and unites, cuts or pins those of others."""

import operator
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, fx

from pathsearch.alignment.labels import Labels
from pathsearch.alignment.rules import RULES, SLOTWISE
from pathsearch.alignment.values import Stack, Tracing, Unfit, Value, axis
from pathsearch.errors import described

Found = Value | Stack | list[Any] | None
VARIES = "a constant that varies"
AGAIN = 8  # rounds in which views turn out to be stacks


def visited(graph: fx.GraphModule, begin: Callable[[Tracing], list[Value]]) -> "Visit":
    """The labels of all nodes. begin: those of the placeholders, made anew each round.

    A view that makes (3, channels) of an axis is seen to be a stack of three when single ones are picked later: then
    all is visited once more.
    """
    stacked: dict[str, int] = {}
    for _ in range(AGAIN):
        visit = Visit(graph, Tracing(Labels(), stacked=dict(stacked)))
        visit.run(begin(visit.t))
        if visit.t.picked.items() <= stacked.items():
            break
        stacked |= visit.t.picked
    return visit


class Visit:
    """The nodes of a graph with what they give."""

    def __init__(self, graph: fx.GraphModule, t: Tracing) -> None:
        self.graph, self.t = graph, t
        self.found: dict[fx.Node, Found] = {}
        self._own: dict[fx.Node, fx.Node] = {}  # whose memory a node's may be
        for node in graph.graph.nodes:
            if node.args and isinstance(first := node.args[0], fx.Node) and node.op == "call_function":
                self._own[node] = self._owner(first)
        nodes = filter(_writes, self._own)
        self._written = {self._owner(node) for node in nodes}

    def run(self, placeholders: list[Value]) -> None:
        waiting = iter(placeholders)
        reached = self.reached
        for node in self.graph.graph.nodes:
            self.t.node = node.name
            if node.op == "placeholder":
                self.found[node] = next(waiting)
            elif node not in reached:
                continue  # no output depends on it
            elif node.op == "get_attr":
                self.found[node] = self.t.constant(_attribute(self.graph, str(node.target)), VARIES)
            elif node.op == "call_function":
                self.found[node] = self._called(node)
            elif node.op == "output":
                self._pin_all(node.args, "an output")

    @cached_property
    def reached(self) -> set[fx.Node]:
        """Nodes that an output depends on, or that write to memory that another node may share."""
        found: set[fx.Node] = set()
        waiting = [node for node in self.graph.graph.nodes if node.op == "output" or _writes(node)]
        while waiting:
            node = waiting.pop()
            if node not in found:
                found.add(node)
                waiting += node.all_input_nodes
        return found

    def values(self) -> Iterator[tuple[fx.Node, Value]]:
        """Every tensor with its node."""
        for node, found in self.found.items():
            for each in found if isinstance(found, list) else [found]:
                for slot in each.slots if isinstance(each, Stack) else [each]:
                    if isinstance(slot, Value):
                        yield node, slot

    def _called(self, node: fx.Node) -> Found:
        if node.target is operator.getitem:
            whole, index = self.found[node.args[0]], node.args[1]  # type: ignore[index]
            return whole[index] if isinstance(whole, list) else whole  # type: ignore[index]
        name = _name(node.target)
        writes, base = name.endswith("_") and not name.startswith("__"), name.rstrip("_")
        t = self.t
        t.op = base.lstrip("_") if base not in RULES else base
        t.result, t.only_first, t.boolean = _shapes(node), _only_first(node), _boolean(node)
        inputs = node.all_input_nodes
        constant = all(self._is_constant(each) for each in inputs)
        if constant and not writes:
            value = _evaluated(node, self.found)
            if isinstance(value, Tensor) and not (inputs and base in RULES and self._shares(node)):
                return t.constant(value, VARIES)
        if base not in RULES:
            return self._by_none(node, base)
        try:
            found = self._by_rule(base, self._arguments(node))
            self._refuse_other_shapes(found)
            return found
        except Unfit as error:
            return self._by_none(node, base, str(error))
        except Exception as error:  # arguments that a rule did not think of: what it is not sure of it may not permute
            return self._by_none(node, base, described(error))

    def _by_rule(self, name: str, given: dict[str, Any]) -> Found:
        rule, t = RULES[name], self.t
        stacks = [(key, each) for key, each in given.items() if isinstance(each, Stack)]
        tensors = sum(isinstance(each, (Value, Stack)) for each in given.values())
        if len(stacks) == 1 and tensors == 1:
            (key, stack), rank = stacks[0], len(stacks[0][1].slots[0].axes)
            if name in ("select", "unbind") and axis(given["dim"], rank) == stack.at:
                picked = [_without(slot, stack.at) for slot in stack.slots]
                return picked[axis(given["index"], len(picked))] if name == "select" else list(picked)
            if name in SLOTWISE:
                mark = stack.slots[0].axes[stack.at]
                slots = [rule(t, {**given, key: slot}) for slot in stack.slots]
                if mark in slots[0].axes:
                    return Stack(tuple(slots), slots[0].axes.index(mark))
        return rule(t, _plain(given, t))

    def _refuse_other_shapes(self, found: Found) -> None:
        """Raise Unfit where a rule gave labels of other shapes than the operation gave tensors."""
        each = [
            one.slots[0] if isinstance(one, Stack) else one for one in (found if isinstance(found, list) else [found])
        ]
        if [self.t.shape(one) for one in each if isinstance(one, Value)] != self.t.result[: len(each)]:
            raise Unfit("it gives other shapes")

    def _by_none(self, node: fx.Node, name: str, why: str = "") -> Found:
        """Pin all that an operation touches that has no rule, or one that does not fit: `why`."""
        t = self.t
        if not all(self._is_constant(each) for each in node.all_input_nodes):
            t.doubts.append(f"{name} ({why})" if why else name)
        self._pin_all((node.args, node.kwargs), t.op)
        given = [t.pinned(shape) for shape in t.result]
        return given if isinstance(node.meta.get("val"), (list, tuple)) else given[0] if given else None

    def _arguments(self, node: fx.Node) -> dict[str, Any]:
        """An operation's arguments by the names of its schema, with its defaults."""
        if not isinstance(node.target, torch._ops.OpOverload):
            raise Unfit("it has no schema")
        known = node.target._schema.arguments
        given = {each.name: each.default_value for each in known if each.has_default_value()}
        given |= {each.name: value for each, value in zip(known, node.args)}
        given |= dict(node.kwargs)
        return {name: self._seen(value) for name, value in given.items()}

    def _seen(self, given: Any) -> Any:
        if isinstance(given, fx.Node):
            found = self.found[given]
            if found is None:
                raise Unfit("it is given no tensor")
            return found
        if isinstance(given, (list, tuple)):
            return [self._seen(each) for each in given]
        return given

    def _is_constant(self, node: fx.Node) -> bool:
        found = self.found.get(node)
        return isinstance(found, Value) and found.constant is not None and self._owner(node) not in self._written

    def _owner(self, node: fx.Node) -> fx.Node:
        return self._own.get(node, node)

    def _shares(self, node: fx.Node) -> bool:
        """Whether what a node gives may lie in its first argument's memory: labels have to stay the same then."""
        schema = getattr(node.target, "_schema", None)
        return schema is None or any(each.alias_info is not None for each in schema.returns)

    def _pin_all(self, given: Any, why: str) -> None:
        if isinstance(given, fx.Node):
            self._pin_all(self.found.get(given), why)
        elif isinstance(given, Value):
            for label in given.axes:
                self.t.labels.pin(label, why)
        elif isinstance(given, Stack):
            self._pin_all(list(given.slots), why)
        elif isinstance(given, Mapping):
            self._pin_all(list(given.values()), why)
        elif isinstance(given, (list, tuple)):
            for each in given:
                self._pin_all(each, why)


def _writes(node: fx.Node) -> bool:
    schema = getattr(node.target, "_schema", None)
    return schema is not None and bool(schema.is_mutable)


def _without(value: Value, at: int) -> Value:
    return Value((*value.axes[:at], *value.axes[at + 1 :]))


def _plain(given: Any, t: Tracing) -> Any:
    if isinstance(given, Stack):
        return t.collapsed(given)
    if isinstance(given, dict):
        return {name: _plain(each, t) for name, each in given.items()}
    return [_plain(each, t) for each in given] if isinstance(given, list) else given


def _name(target: Any) -> str:
    """The name of an operation, as linear for aten.linear.default."""
    return str(target._schema.name.partition("::")[2]) if hasattr(target, "_schema") else str(target)


def _tensors(node: fx.Node) -> list[Any]:
    value = node.meta.get("val")
    return [each for each in (value if isinstance(value, (list, tuple)) else [value]) if isinstance(each, Tensor)]


def _shapes(node: fx.Node) -> list[tuple[int, ...]]:
    return [tuple(each.shape) for each in _tensors(node)]


def _only_first(node: fx.Node) -> bool:
    return all(user.target is operator.getitem and (user.args[1] == 0 or not user.users) for user in node.users)


def _boolean(node: fx.Node) -> bool:
    indices = node.args[1] if len(node.args) > 1 and isinstance(node.args[1], (list, tuple)) else []
    return any(each.dtype == torch.bool for one in indices if isinstance(one, fx.Node) for each in _tensors(one))


def _attribute(graph: fx.GraphModule, name: str) -> Tensor:
    found: Any = graph
    for part in name.split("."):
        found = getattr(found, part)
    return found.detach() if isinstance(found, Tensor) else torch.empty(0)


def _evaluated(node: fx.Node, found: Mapping[fx.Node, Found]) -> Any:
    """What an operation on constants gives."""

    def given(each: fx.Node) -> Any:
        value = found[each]
        return value.constant if isinstance(value, Value) else None

    arguments = fx.map_arg((node.args, node.kwargs), given)
    try:
        with torch.no_grad():
            return node.target(*arguments[0], **arguments[1])  # type: ignore[operator]
    except Exception:  # then it is none: the rules pin what they do not know
        return None
