"""Which atoms may have a permutation of their own for each unit of another, as the channels of heads for each head.

Atom d lies within h where every tensor that has d has h too, once, and no operation mixes units of h while d is left,
nor pairs d of one unit of h with d of another (a wreath product in place of a direct one).
"""

from collections.abc import Collection

from pathsearch.alignment.labels import Label
from pathsearch.alignment.values import Tracing


def nested(tensors: list[tuple[Label, ...]], t: Tracing, atoms: Collection[int]) -> dict[int, tuple[int, ...]]:
    """For each free atom those that it lies within, the outermost first. tensors: the labels of every tensor."""
    around: dict[int, set[int]] = {atom: set(atoms) - {atom} for atom in atoms}
    seen: dict[int, int] = dict.fromkeys(atoms, 0)
    for axes in {axes for axes in tensors}:
        for row in _rows(axes, t):
            once = {atom for atom in row if row.count(atom) == 1}
            for atom in set(row) & set(atoms):
                around[atom] &= once
                seen[atom] += 1
    for each in t.mixings:
        mixed = _atoms(each.mixed, t)
        paired = None if each.paired is None else _atoms(each.paired, t)
        for atom in mixed & set(atoms):
            if paired is not None:
                around[atom] &= paired
        for atom in (_atoms(each.kept, t) - mixed) & set(atoms):
            around[atom] -= mixed
    for atom in atoms:  # of two that always come together the one that was there first is the outer
        around[atom] = {other for other in around[atom] if atom not in around[other] or other < atom}
    found: dict[int, tuple[int, ...]] = {}
    for atom in sorted(atoms, key=lambda atom: (len(around[atom]), atom)):
        chains = [(*found[other], other) for other in sorted(around[atom]) if other in found]
        fitting = [chain for chain in chains if set(chain) <= around[atom]]
        found[atom] = max(fitting, key=len, default=())
    return found


def _rows(axes: tuple[Label, ...], t: Tracing) -> list[list[int]]:
    """The atoms of each part of a tensor: of every combination of segments those that stand together."""
    rows: list[list[int]] = [[]]
    for label in axes:
        rows = [[*row, *factors] for row in rows for factors in t.labels.resolved(label)]
    return rows


def _atoms(labels: tuple[Label, ...], t: Tracing) -> set[int]:
    return {atom for label in labels for factors in t.labels.resolved(label) for atom in factors}
