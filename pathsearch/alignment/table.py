"""Groups of units written by hand, for networks that cannot be traced: for each parameter what stands on each axis.

fc1.weight: [hidden, null]          # null: not permuted
fc1.bias: [hidden]
fc2.weight: [null, hidden*49]       # channels of a flattened 7×7 picture: a product, the slowest factor first
out.weight: [null, hidden + other]  # one after another
"""

import re
from collections.abc import Collection, Mapping
from itertools import product
from math import prod
from typing import Any

from torch import Tensor

from pathsearch.alignment.groups import Atom, Block, Symmetries
from pathsearch.errors import PathsearchError
from pathsearch.settings import one_of

Terms = list[list[str | int]]
"""Sums of products of groups' names and numbers."""


def by_hand(table: Any, tensors: Mapping[str, Tensor], statistics: Collection[str] = ()) -> Symmetries:
    """The symmetries that a table says; statistics: names that are no parameters, and are permuted along.

    Statistics that the table leaves out follow their layer's weight. Raises PathsearchError where a name is unknown,
    axes are too many or too few, or sizes do not fit.
    """
    if not isinstance(table, Mapping) or not table:
        raise PathsearchError("a table of groups is a mapping of parameters to lists, an entry for each axis")
    axes: dict[str, list[Terms]] = {}
    for name, given in {**table, **_followed(table, tensors, statistics)}.items():
        if name not in tensors:
            raise PathsearchError(f"table: no parameter {one_of(name, tensors)}")
        shape = tuple(tensors[name].shape)
        if not isinstance(given, (list, tuple)) or len(given) != len(shape):
            raise PathsearchError(
                f"table: {name} has {len(shape)} axes, of sizes {shape}: give a list of as many entries"
            )
        axes[name] = [_parsed(each, f"{name}, axis {at}", size) for at, (each, size) in enumerate(zip(given, shape))]
    sizes = _sizes(axes, tensors)
    number = {name: n for n, name in enumerate(sizes)}
    blocks = {name: _blocks(name, each, sizes, number) for name, each in axes.items()}
    first: dict[str, str] = {}
    for name, each in axes.items():
        for at, terms in enumerate(each):
            for factor in (factor for term in terms for factor in term if isinstance(factor, str)):
                first.setdefault(factor, f"{name}:{at}")
    atoms = tuple(Atom(first[name], size) for name, size in sizes.items())
    chosen = lambda moved: tuple(b for name in axes for b in blocks[name] if (name in statistics) == moved)
    return Symmetries(atoms, chosen(False), chosen(True))


def _followed(table: Mapping[str, Any], tensors: Mapping[str, Tensor], statistics: Collection[str]) -> dict[str, Any]:
    """Entries of statistics: as those of their layer's weight or bias, which have the same units."""
    found: dict[str, Any] = {}
    for name in statistics:
        if name in table:
            continue
        layer = name.rpartition(".")[0]
        for other in (f"{layer}.weight", f"{layer}.bias") if layer else ("weight", "bias"):
            if other in table and other in tensors and tensors[other].shape == tensors[name].shape:
                found.setdefault(name, table[other])
    return found


def _parsed(given: Any, where: str, size: int) -> Terms:
    if given is None:
        return [[size]]
    terms = [[factor.strip() for factor in term.split("*")] for term in str(given).split("+")]
    for factor in (factor for term in terms for factor in term):
        if not re.fullmatch(r"[A-Za-z_][\w.]*|[1-9]\d*", factor):
            raise PathsearchError(f"table: {where}: {given!r} is to be names and numbers, as hidden*49 or one + other")
    return [[int(factor) if factor.isdigit() else factor for factor in term] for term in terms]


def _sizes(axes: dict[str, list[Terms]], tensors: Mapping[str, Tensor]) -> dict[str, int]:
    """The size of each group: what is left of an axis when all else on it is known."""
    sizes: dict[str, int] = {}
    every = [(name, at, terms) for name, each in axes.items() for at, terms in enumerate(each)]
    left = every
    while left:
        waiting = []
        for name, at, terms in left:
            unknown = {factor for term in terms for factor in term if isinstance(factor, str) and factor not in sizes}
            total = tensors[name].shape[at]
            if len(unknown) == 1 and sum(unknown <= set(term) for term in terms) == 1:
                (group,) = unknown
                mine = next(term for term in terms if group in term)
                rest = total - sum(_count(term, sizes) for term in terms if term is not mine)
                known = _count([factor for factor in mine if factor != group], sizes)
                if mine.count(group) > 1 or rest <= 0 or rest % known:
                    raise PathsearchError(f"table: {name}, axis {at}: {total} units are no {_said(terms)}")
                sizes[group] = rest // known
            elif unknown:
                waiting.append((name, at, terms))
        if len(waiting) == len(left):
            name, at, terms = waiting[0]
            raise PathsearchError(f"table: {name}, axis {at}: the sizes of {_said(terms)} cannot be told")
        left = waiting
    for name, at, terms in every:
        total, count = tensors[name].shape[at], sum(_count(term, sizes) for term in terms)
        if count != total:
            raise PathsearchError(f"table: {name}, axis {at} has {total} units, {_said(terms)} has {count}")
    return sizes


def _count(term: list[str | int], sizes: dict[str, int]) -> int:
    return prod(factor if isinstance(factor, int) else sizes[factor] for factor in term)


def _said(terms: Terms) -> str:
    return " + ".join("*".join(map(str, term)) for term in terms)


def _blocks(name: str, axes: list[Terms], sizes: dict[str, int], number: dict[str, int]) -> list[Block]:
    placed = []
    for terms in axes:
        at, row = 0, []
        for term in terms:
            row.append((at, at + _count(term, sizes), term))
            at += _count(term, sizes)
        placed.append(row)
    found = []
    for parts in product(*placed):
        factors = [factor for _, _, term in parts for factor in term]
        atoms = tuple(number[factor] if isinstance(factor, str) else None for factor in factors)
        shape = tuple(factor if isinstance(factor, int) else sizes[factor] for factor in factors)
        if any(atom is not None for atom in atoms):
            found.append(Block(name, tuple((start, stop) for start, stop, _ in parts), shape, atoms))
    return found
