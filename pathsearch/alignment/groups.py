"""Which hidden units of a network may be permuted, and what a permutation of them does to its tensors.

An *atom* is a set of units that are permuted together wherever they occur. Tensors are cut into *blocks*, each of which
has an axis of its own for every atom. An atom may lie *within* others: for each unit of these it has a permutation of
its own, as the channels of attention heads have for each head.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from itertools import product
from math import prod

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Permutations = list[NDArray[np.int64]]
"""For each atom the unit that comes to each place, [sizes of the atoms it lies within..., size]: an inner one for each
place that an outer unit comes to."""


@dataclass(frozen=True)
class Atom:
    """Units that are permuted together: their number, and the atoms they lie within, the outermost first.

    name: the first parameter that has them, and its axis, as `fc1.weight:0`.
    """

    name: str
    size: int
    within: tuple[int, ...] = ()


@dataclass(frozen=True)
class Block:
    """A part of a tensor: a slice [start, stop) of each of its axes, reshaped so that each atom has an axis of its own.

    atoms: for each axis of the block, the atom, or None where nothing may be permuted.
    """

    tensor: str
    parts: tuple[tuple[int, int], ...]
    shape: tuple[int, ...]
    atoms: tuple[int | None, ...]

    def of(self, tensor: Tensor) -> Tensor:
        """The block of a tensor: a copy, or a view."""
        return tensor[tuple(slice(*part) for part in self.parts)].reshape(self.shape)


@dataclass(frozen=True)
class Pinned:
    """Units of a parameter that may not be permuted, [start, stop) on its axis, and by what."""

    tensor: str
    axis: int
    part: tuple[int, int]
    why: str


@dataclass(frozen=True)
class Symmetries:
    """All that may be permuted in a network without changing what it computes.

    blocks: of parameters; moved: of statistics, which are permuted along and not compared. Tensors without any atom are
    not among them. unreached: parameters that no output depends on. doubts: operations that are not
    understood, with the reason where they have a rule: they pin what they touch.
    """

    atoms: tuple[Atom, ...]
    blocks: tuple[Block, ...]
    moved: tuple[Block, ...] = ()
    pinned: tuple[Pinned, ...] = ()
    unreached: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()

    @property
    def units(self) -> int:
        """How many units may be permuted: an inner one counts for each unit that it lies within."""
        return sum(prod(self.shape(atom)) for atom in range(len(self.atoms)))

    def shape(self, atom: int) -> tuple[int, ...]:
        """The shape of an atom's permutations."""
        each = self.atoms[atom]
        return (*(self.atoms[outer].size for outer in each.within), each.size)


def identity(symmetries: Symmetries) -> Permutations:
    """The permutations that change nothing."""
    shapes = [symmetries.shape(atom) for atom in range(len(symmetries.atoms))]
    return [np.broadcast_to(np.arange(shape[-1]), shape).copy() for shape in shapes]


def drawn(symmetries: Symmetries, rng: np.random.Generator) -> Permutations:
    """Random permutations of all atoms."""
    return [rng.permuted(each, axis=-1) for each in identity(symmetries)]


def is_identity(permutations: Permutations) -> bool:
    """Whether nothing is moved."""
    return all(np.array_equal(each, np.broadcast_to(np.arange(each.shape[-1]), each.shape)) for each in permutations)


def inverse(symmetries: Symmetries, permutations: Permutations) -> Permutations:
    """The permutations that undo these."""
    found = []
    for atom, each in zip(symmetries.atoms, permutations):
        back = np.empty_like(each)
        for places in product(*(range(size) for size in each.shape[:-1])):
            # the units of outer atoms whose block stands at these places
            units = [permutations[outer][(*places[:depth], places[depth])] for depth, outer in enumerate(atom.within)]
            back[tuple(units)] = np.argsort(each[places])
        found.append(back)
    return found


def permuted_block(
    block: Tensor,
    atoms: tuple[int | None, ...],
    symmetries: Symmetries,
    by: Permutations,
    only: Collection[int] | None = None,
) -> Tensor:
    """A block with the units of its atoms, or of some only, permuted; values are moved, none is worked out anew."""
    chosen = {atom for atom in atoms if atom is not None and (only is None or atom in only)}
    axes = [(len(symmetries.atoms[atom].within), axis) for axis, atom in enumerate(atoms) if atom in chosen]
    for _, axis in sorted(axes):  # outer ones first: the inner permutations are those of the place
        atom = atoms[axis]
        assert atom is not None
        index, within = torch.from_numpy(by[atom]).to(block.device), symmetries.atoms[atom].within
        if not within:
            block = block.index_select(axis, index)
            continue
        at = [*(atoms.index(outer) for outer in within), axis]
        order = sorted(range(len(at)), key=lambda n: at[n])
        shape = [block.shape[n] if n in at else 1 for n in range(block.ndim)]
        index = index.permute(order).reshape(shape)
        block = torch.take_along_dim(block, index, axis)
    return block


def permuted(symmetries: Symmetries, tensors: Mapping[str, Tensor], by: Permutations) -> dict[str, Tensor]:
    """Tensors by name, those of them that have blocks with their units permuted; these are new, the rest the same."""
    found = dict(tensors)
    begun: set[str] = set()
    for block in (*symmetries.blocks, *symmetries.moved):
        if block.tensor not in found:
            continue
        if block.tensor not in begun:
            begun.add(block.tensor)
            found[block.tensor] = tensors[block.tensor].detach().clone()
        part = tuple(slice(*each) for each in block.parts)
        moved = permuted_block(block.of(tensors[block.tensor].detach()), block.atoms, symmetries, by)
        found[block.tensor][part] = moved.reshape(found[block.tensor][part].shape)
    return found
