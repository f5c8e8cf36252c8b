"""What was permuted, as arrays of a file: groups of units, where they lie in tensors, the unit that came to each place.

A group is an `alignment.groups.Atom`; its permutation has the group's number for a name.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np

from pathsearch.alignment.groups import Atom, Block, Permutations, Symmetries
from pathsearch.storage.layout import Arrays, texts
from pathsearch.storage.reader import Run

NONE = "-"  # an axis of a block where nothing is permuted


def symmetry_arrays(symmetries: Symmetries) -> dict[str, Arrays]:
    """The arrays `groups` and `blocks` of what may be permuted."""
    atoms, blocks = symmetries.atoms, (*symmetries.blocks, *symmetries.moved)
    return {
        "groups": {
            "name": texts(atom.name for atom in atoms),
            "size": np.array([atom.size for atom in atoms], dtype=np.int64),
            "within": texts(_row(atom.within) for atom in atoms),
        },
        "blocks": {
            "tensor": texts(block.tensor for block in blocks),
            "parts": texts(_row(f"{start}:{stop}" for start, stop in block.parts) for block in blocks),
            "shape": texts("x".join(map(str, block.shape)) for block in blocks),
            "groups": texts(_row(NONE if atom is None else atom for atom in block.atoms) for block in blocks),
        },
    }


def permutation_arrays(permutations: Permutations) -> Arrays:
    """The arrays of a side: [sizes of the groups it lies within…, size] each."""
    return {str(number): each for number, each in enumerate(permutations)}


def symmetries_in(run: Run) -> Symmetries:
    """What could be permuted in a run that was aligned."""
    groups, blocks = run.groups["alignment/groups"], run.groups["alignment/blocks"]
    atoms = tuple(
        Atom(name, int(size), _numbers(within))
        for name, size, within in zip(groups["name"].tolist(), groups["size"], groups["within"].tolist())
    )
    every = [
        Block(
            tensor,
            tuple((int(start), int(stop)) for start, stop in (part.split(":") for part in parts.split())),
            tuple(int(size) for size in shape.split("x")),
            tuple(None if atom == NONE else int(atom) for atom in numbers.split()),
        )
        for tensor, parts, shape, numbers in zip(
            *(blocks[name].tolist() for name in ("tensor", "parts", "shape", "groups"))
        )
    ]
    parameters = set(run.groups["parameters"]["name"].tolist())
    return Symmetries(
        atoms,
        tuple(block for block in every if block.tensor in parameters),
        tuple(block for block in every if block.tensor not in parameters),
    )


def permutations_in(run: Run, side: str) -> Permutations:
    """How a run's end, or a point `through.N`, was permuted, group by group."""
    arrays = run.groups[f"alignment/{side}"]
    return [arrays[str(number)] for number in range(len(arrays))]


def _row(values: Iterable[Any]) -> str:
    return " ".join(map(str, values))


def _numbers(said: str) -> tuple[int, ...]:
    return tuple(map(int, said.split()))
