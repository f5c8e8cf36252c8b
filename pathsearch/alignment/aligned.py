"""The whole of an alignment: symmetries, their verification, matching, and what came of it."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
from torch import Tensor

from pathsearch.alignment.groups import Atom, Block, Permutations, Symmetries, is_identity, permuted
from pathsearch.alignment.matching import matched
from pathsearch.alignment.permutable import Permutable
from pathsearch.alignment.table import by_hand
from pathsearch.alignment.verify import verify
from pathsearch.errors import PathsearchError
from pathsearch.settings import one_of

Match = Callable[[Symmetries], Permutations]
"""Finds the permutations of the second network's units."""


@dataclass(frozen=True)
class Alignment:
    """Which permutation brings one network close to another; distance: ‖A − B‖ of all free parameters, ‖A − πB‖."""

    symmetries: Symmetries
    permutations: Permutations
    distance: tuple[float, float]

    @property
    def same(self) -> bool:
        """Whether both are one network, with its units in another order."""
        return self.distance[1] == 0.0

    @property
    def moved(self) -> int:
        """How many units change places."""
        return sum(int((each != np.arange(each.shape[-1])).sum()) for each in self.permutations)

    def of(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Tensors by name with their units permuted; other names, and values without units, stay as they are."""
        return permuted(self.symmetries, tensors, self.permutations)


def aligned(
    network: Permutable,
    symmetries: Symmetries,
    a: Mapping[str, Tensor],
    b: Mapping[str, Tensor],
    match: Match,
) -> Alignment:
    """The alignment of b to a, verified; symmetries: traced or by hand, without what is pinned.

    Raises PathsearchError where nothing may be permuted, and where permutations change what the network works out.
    """
    refuse_wrong(network, symmetries, b)
    found = match(symmetries)
    if not is_identity(found):
        verify(network, symmetries, tensors=b, by=found)
    moved = permuted(symmetries, b, found)
    return Alignment(symmetries, found, (distance(network, a, b), distance(network, a, moved)))


def refuse_wrong(network: Permutable, symmetries: Symmetries, tensors: Mapping[str, Tensor] | None = None) -> None:
    """Raise PathsearchError where nothing may be permuted, or permutations change what the network works out.

    tensors: those it is tried with, by default the network's own; layers that begin at zero hide what is wrong.
    """
    if not symmetries.atoms:
        why = f": not understood are {', '.join(symmetries.doubts)}" if symmetries.doubts else ""
        raise PathsearchError(f"the network has no units that could be permuted{why}")
    verify(network, symmetries, tensors=tensors)


def symmetries_of(
    network: Permutable,
    table: Mapping[str, Any] | None,
    say: Callable[[str], None] = lambda line: None,
) -> Symmetries:
    """The symmetries of a network, traced, or those that a table says.

    Raises PathsearchError where it cannot be traced, or the table does not fit.
    """
    if table is None:
        return network.traced(say).symmetries
    free = {name: network.tensors[name] for name in (*network.free, *network.statistics)}
    return by_hand(table, free, network.statistics)


def by_weights(
    a: Mapping[str, Tensor],
    b: Mapping[str, Tensor],
    starts: int,
    seed: int,
    say: Callable[[str], None] = lambda line: None,
) -> Match:
    """Matching by weights, for `aligned`."""
    return lambda symmetries: matched(symmetries, a, b, starts, seed, say)


def by_activations(
    every: Symmetries,
    pin: Sequence[str],
    ask: Callable[[], tuple[tuple[Atom, ...], Permutations, int, list[str]]],
    say: Callable[[str], None],
) -> Match:
    """Matching by activations, for `aligned`; every: the symmetries with what is pinned by name, too.

    ask: gives the groups that the network has where its data are, their permutations, on how many examples, and the
    names of groups that no values show. Raises PathsearchError where the groups are others there.
    """

    def match(symmetries: Symmetries) -> Permutations:
        atoms, found, examples, stay = ask()
        if atoms != every.atoms:
            raise PathsearchError("the network has other symmetries on its device than here")
        unseen = f"; no values show {', '.join(stay)}, which stay as they are" if stay else ""
        say(f"activations on {examples:,} training examples{unseen}")
        return [found[n] for n in left(every, pin)]

    return match


def distance(network: Permutable, a: Mapping[str, Tensor], b: Mapping[str, Tensor]) -> float:
    """‖A − B‖ of the parameters that are free, in float64."""
    return math.sqrt(
        sum(float((a[name].double().cpu() - b[name].double().cpu()).square().sum()) for name in network.free)
    )


def left(symmetries: Symmetries, patterns: Sequence[str]) -> list[int]:
    """The groups but those with a parameter that one of the patterns names, as `fc1.*`, and what lies within these.

    Raises PathsearchError where a pattern names no parameter of any.
    """
    names = sorted({block.tensor for block in symmetries.blocks})
    chosen: set[int] = set()
    for pattern in patterns:
        fitting = [name for name in names if fnmatchcase(name, pattern)]
        if not fitting:
            raise PathsearchError(
                f"pin: no parameter with units that may be permuted is called {one_of(pattern, names)}"
            )
        chosen |= {
            atom for block in symmetries.blocks if block.tensor in fitting for atom in block.atoms if atom is not None
        }
    chosen |= {n for n, atom in enumerate(symmetries.atoms) if chosen.intersection(atom.within)}
    return [n for n in range(len(symmetries.atoms)) if n not in chosen]


def without(symmetries: Symmetries, patterns: Sequence[str]) -> Symmetries:
    """The symmetries of the groups that are `left`."""
    kept_atoms = left(symmetries, patterns)
    number = {old: new for new, old in enumerate(kept_atoms)}

    def kept(blocks: Sequence[Block]) -> tuple[Block, ...]:
        changed = (
            replace(block, atoms=tuple(None if atom is None else number.get(atom) for atom in block.atoms))
            for block in blocks
        )
        return tuple(block for block in changed if any(atom is not None for atom in block.atoms))

    atoms = tuple(
        replace(symmetries.atoms[old], within=tuple(number[outer] for outer in symmetries.atoms[old].within))
        for old in kept_atoms
    )
    return replace(symmetries, atoms=atoms, blocks=kept(symmetries.blocks), moved=kept(symmetries.moved))
