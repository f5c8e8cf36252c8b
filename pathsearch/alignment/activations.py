"""Matching by what units put out: those whose values go up and down together come to the same place.

One assignment a group (Li et al. 2016; Ainsworth et al. 2023, activation matching): no group waits for another.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, fx

from pathsearch.alignment.groups import Block, Permutations, identity
from pathsearch.alignment.matching import assigned, family
from pathsearch.alignment.symmetries import Traced, blocks_of
from pathsearch.alignment.values import Value
from pathsearch.errors import PathsearchError

FLOOR = 1e-4
"""Added to variances: units that never fire go with none."""
POOLED = 8
"""A value this much smaller than the largest of its group has been averaged over places."""
SAMPLES = 1 << 16  # that are summed at once, in float64


@dataclass(frozen=True)
class Site:
    """Where a group's values are read: a node, the block of it, and the axes of an outer atom and one within it."""

    node: str
    block: Block
    atoms: tuple[int, ...]


@dataclass
class Sums:
    """Sums over samples of two networks' values at a site: n, Σz, Σz′, Σz², Σz′², Σzz′ᵀ; those of shards add up."""

    count: int
    means: NDArray[np.float64]
    squares: NDArray[np.float64]
    products: NDArray[np.float64]

    def __add__(self, other: "Sums") -> "Sums":
        return Sums(
            self.count + other.count,
            self.means + other.means,
            self.squares + other.squares,
            self.products + other.products,
        )

    def correlation(self) -> NDArray[np.float64]:
        """(Σzz′ᵀ/n − μμ′ᵀ) / √((s² + 1e-4)(s′² + 1e-4)).

        Published code divides by ss′ + 1e-4: a unit that seldom fires then goes with a strong one better than with
        itself. Here the matrix of a network with itself is positive semidefinite, so that none does.
        """
        mean, square = self.means / self.count, self.squares / self.count
        spread = np.sqrt(np.maximum(square - mean**2, 0.0) + FLOOR)
        covariance = self.products / self.count - np.outer(mean[0], mean[1])
        return np.asarray(covariance / np.outer(spread[0], spread[1]))


def sites(traced: Traced) -> list[Site]:
    """Where values of each group are read: the last node that has it, so after the nonlinearity, and at the end of a
    residual stream; not after places have been averaged over. Groups that no node has are not among them.
    """
    symmetries = traced.symmetries
    inputs = _of_inputs(traced)
    wanted: list[tuple[int, ...]] = [(n,) for n, atom in enumerate(symmetries.atoms) if not atom.within]
    wanted += [(*atom.within, n) for n, atom in enumerate(symmetries.atoms) if len(atom.within) == 1]
    found: dict[tuple[int, ...], list[tuple[int, Site]]] = {atoms: [] for atoms in wanted}
    for node, value in traced.visit.found.items():
        if node not in inputs or not isinstance(value, Value):
            continue
        for block in blocks_of(traced, node.name, value):
            for atoms in wanted:
                if all(block.atoms.count(atom) == 1 for atom in atoms):
                    found[atoms].append((int(np.prod(block.shape)), Site(node.name, block, atoms)))
    chosen = []
    for each in found.values():
        large = max((size for size, _ in each), default=0)
        chosen += [site for size, site in each if size * POOLED > large][-1:]
    return chosen


def unseen(traced: Traced, where: list[Site]) -> list[str]:
    """The names of groups that have no site: they stay as they are."""
    seen = {atom for site in where for atom in site.atoms}
    return [each.name for atom, each in enumerate(traced.symmetries.atoms) if atom not in seen]


def summed(
    traced: Traced,
    where: list[Site],
    a: Mapping[str, Tensor],
    b: Mapping[str, Tensor],
    batches: Iterable[list[Tensor]],
) -> list[Sums]:
    """Sums at each site over batches, which have the shapes that were traced; a, b: both networks' tensors."""
    reads = _Reads(traced.graph, {site.node for site in where})
    total: list[Sums] = []
    for leaves in batches:
        ours, theirs = (reads.of([*(held[name] for name in traced.names), *leaves]) for held in (a, b))
        new = [_sums(site, ours[site.node], theirs[site.node]) for site in where]
        total = [one + other for one, other in zip(total, new)] if total else new
    return total


def matched_by_activations(traced: Traced, where: list[Site], sums: list[Sums]) -> Permutations:
    """The permutations of the second network's units whose values go best with the first's.

    Raises PathsearchError where values are not finite.
    """
    symmetries = traced.symmetries
    found = identity(symmetries)
    for site, parts in zip(where, sums):
        if not all(np.isfinite(each).all() for each in (parts.means, parts.squares, parts.products)):
            raise PathsearchError(
                f"activations of {symmetries.atoms[site.atoms[-1]].name} are not finite, so units cannot be matched by "
                "them: align by weights"
            )
    tables = {site.atoms: each.correlation() for site, each in zip(where, sums)}
    for atom, each in enumerate(symmetries.atoms):
        if each.within:
            continue
        inner = {
            atoms[1]: table.reshape(each.size, symmetries.atoms[atoms[1]].size, each.size, -1)
            for atoms, table in tables.items()
            if len(atoms) == 2 and atoms[0] == atom
        }
        if inner:
            found[atom], children, _ = family(np.zeros((each.size, each.size)), inner)
            for child, places in children.items():
                found[child] = places
        elif (atom,) in tables:
            found[atom] = assigned(tables[atom,])
    return found


class _Reads(fx.Interpreter):
    """Runs a graph and keeps what some nodes give."""

    def __init__(self, graph: fx.GraphModule, wanted: set[str]) -> None:
        super().__init__(graph)
        self._wanted = wanted
        self._kept: dict[str, Tensor] = {}

    def run_node(self, n: fx.Node) -> Any:
        result = super().run_node(n)
        if n.name in self._wanted:
            self._kept[n.name] = result
        return result

    def of(self, given: list[Tensor]) -> dict[str, Tensor]:
        """The values of the nodes that are wanted, for these placeholders."""
        self._kept = {}
        with torch.no_grad():
            self.run(*(each.clone() for each in given))  # a graph may write to what it is given
        return self._kept


def _sums(site: Site, one: Tensor, other: Tensor) -> Sums:
    ours, theirs = (_samples(site, each) for each in (one, other))
    count = ours.shape[1]
    units = ours.shape[0]
    means = torch.zeros(2, units, dtype=torch.float64, device=ours.device)
    squares, products = torch.zeros_like(means), means.new_zeros(units, units)
    for start in range(0, count, SAMPLES):
        part = [each[:, start : start + SAMPLES].double() for each in (ours, theirs)]
        means += torch.stack([each.sum(1) for each in part])
        squares += torch.stack([each.square().sum(1) for each in part])
        products += part[0] @ part[1].T
    return Sums(count, *(each.cpu().numpy() for each in (means, squares, products)))


def _samples(site: Site, value: Tensor) -> Tensor:
    """Values [units, samples]."""
    block = site.block.of(value)
    front = [site.block.atoms.index(atom) for atom in site.atoms]
    rest = [n for n in range(block.ndim) if n not in front]
    return block.permute(*front, *rest).reshape(int(np.prod([block.shape[n] for n in front])), -1)


def _of_inputs(traced: Traced) -> set[fx.Node]:
    """Nodes that depend on inputs."""
    placeholders = [node for node in traced.graph.graph.nodes if node.op == "placeholder"]
    found = set(placeholders[len(traced.names) :])
    for node in traced.graph.graph.nodes:
        if not found.isdisjoint(node.all_input_nodes):
            found.add(node)
    return found
