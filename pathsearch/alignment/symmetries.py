"""The permutation symmetries of a network, found by tracing it once."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from itertools import product

from torch import Tensor, fx

from pathsearch.alignment.groups import Atom, Block, Pinned, Symmetries
from pathsearch.alignment.labels import Factors, Label
from pathsearch.alignment.trace import Function, traced
from pathsearch.alignment.values import Tracing, Value
from pathsearch.alignment.visiting import Visit, visited
from pathsearch.alignment.within import nested


@dataclass(frozen=True)
class Traced:
    """Symmetries, and what they were found from; `atoms`: the number of each free atom of the labels,
    `names`: the tensors in the order of the graph's placeholders."""

    symmetries: Symmetries
    visit: Visit
    atoms: dict[int, int]
    names: tuple[str, ...]

    @property
    def graph(self) -> fx.GraphModule:
        return self.visit.graph


def found(
    function: Function,
    tensors: Mapping[str, Tensor],
    inputs: list[Tensor],
    free: Collection[str],
    statistics: Collection[str] = (),
    say: Callable[[str], None] = lambda line: None,
) -> Traced:
    """What may be permuted of the tensors named in `free`, and `statistics` along with them; see `trace.traced`.

    Other tensors are the same at both ends of a path, so they pin what meets them where they vary. say: told what is
    done. Raises PathsearchError where the function cannot be traced.
    """
    say("traces the network")
    graph = traced(function, tensors, inputs)
    moving = [name for name in tensors if name in free or name in statistics]

    def begin(t: Tracing) -> list[Value]:
        of = lambda shape, why: Value(tuple(t.fresh(size, why) for size in shape))
        values = [
            of(each.shape, "") if name in moving else t.constant(each, f"{name}, which both ends share")
            for name, each in tensors.items()
        ]
        return [*values, *(of(each.shape, "an input") for each in inputs)]

    say(f"looks at {len(graph.graph.nodes)} operations")
    visit = visited(graph, begin)
    placeholders = [node for node in graph.graph.nodes if node.op == "placeholder"]
    nodes = dict(zip(tensors, placeholders))
    reached = visit.reached
    unreached = tuple(name for name in tensors if name in free and nodes[name] not in reached)
    labels = {name: _labels(visit, nodes[name]) for name in moving if nodes[name] in reached}
    return _written(visit, labels, free, unreached, tuple(tensors))


def _labels(visit: Visit, node: fx.Node) -> tuple[Label, ...]:
    value = visit.found[node]
    return value.axes if isinstance(value, Value) else ()


def _written(
    visit: Visit,
    labels: dict[str, tuple[Label, ...]],
    free: Collection[str],
    unreached: tuple[str, ...],
    names: tuple[str, ...],
) -> Traced:
    t = visit.t.labels
    settled = _settled(visit, labels)
    axes = {name: tuple(t.resolved(label) for label in each) for name, each in labels.items()}
    read = {atom for label in visit.t.read for factors in t.resolved(label) for atom in factors}
    for each in axes.values():
        for label in each:  # longer inputs than these may read them, as positions of an embedding
            t.pin(tuple((atom,) for factors in label for atom in factors if atom not in read), "nothing that reads it")
    number: dict[int, int] = {}
    named: dict[int, str] = {}
    for name, each in axes.items():
        for at, label in enumerate(each):
            for factors in label:
                for atom in factors:
                    if not t.why(atom) and name in free and atom not in number:
                        number[atom], named[atom] = len(number), f"{name}:{at}"
    within = nested(settled, visit.t, number)
    atoms = tuple(
        Atom(named[atom], t.count((atom,)), tuple(number[outer] for outer in within[atom])) for atom in number
    )
    blocks = {name: _blocks(name, each, t.count, number) for name, each in axes.items()}
    pinned = tuple(
        Pinned(name, at, (start, start + t.count(factors)), t.why(atom))
        for name, each in axes.items()
        if name in free
        for at, label in enumerate(each)
        for start, factors in _placed(label, t.count)
        for atom in factors[:1]
        if not any(each in number for each in factors)
    )
    chosen = lambda which: tuple(block for name in which for block in blocks.get(name, ()))
    return Traced(
        Symmetries(
            atoms,
            chosen(name for name in axes if name in free),
            chosen(name for name in axes if name not in free),
            pinned,
            unreached,
            tuple(dict.fromkeys(visit.t.doubts)),
        ),
        visit,
        number,
        names,
    )


def blocks_of(traced: Traced, name: str, value: Value) -> tuple[Block, ...]:
    """What a node gives, cut at the segments of its axes: those parts of it that have an atom."""
    t = traced.visit.t.labels
    return _blocks(name, tuple(map(t.resolved, value.axes)), t.count, traced.atoms)


def _settled(visit: Visit, labels: dict[str, tuple[Label, ...]]) -> list[tuple[Label, ...]]:
    """The labels of every tensor once they change no more: to resolve one may pin another."""
    t = visit.t.labels
    every = [*labels.values(), *(value.axes for _, value in visit.values())]
    while True:
        before = [tuple(map(t.resolved, axes)) for axes in every]
        if before == [tuple(map(t.resolved, axes)) for axes in every]:
            return before


def _placed(label: Label, count: Callable[[Factors], int]) -> list[tuple[int, Factors]]:
    found, at = [], 0
    for factors in label:
        found.append((at, factors))
        at += count(factors)
    return found


def _blocks(
    name: str, axes: tuple[Label, ...], count: Callable[[Factors], int], number: dict[int, int]
) -> tuple[Block, ...]:
    """A tensor cut at the segments of its axes, those parts of it that have an atom."""
    found = []
    for parts in product(*(_placed(label, count) for label in axes)):
        shape: list[int] = []
        atoms: list[int | None] = []
        for _, factors in parts:
            for atom in factors or ():
                shape.append(count((atom,)))
                atoms.append(number.get(atom))
            if not factors:
                shape.append(1)
                atoms.append(None)
        if any(atom is not None for atom in atoms):
            ends = tuple((start, start + count(factors)) for start, factors in parts)
            found.append(Block(name, ends, tuple(shape), tuple(atoms)))
    return tuple(found)
