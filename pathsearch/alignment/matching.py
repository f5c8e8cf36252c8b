"""The permutation that brings the weights of one network closest to another's, by solving for one group at a time.

‖A − πB‖² = ‖A‖² + ‖B‖² − 2 J(π), J(π) = Σ_blocks ⟨A_b, (πB)_b⟩. With all other groups fixed the best permutation of
one is a linear assignment (Ainsworth et al. 2023, "Git Re-Basin", weight matching). What an assignment cannot know, as
of a group on both axes of a block, is decided by J itself: it never falls.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from copy import copy
from threading import Event

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pathsearch.alignment.groups import Permutations, Symmetries, identity, is_identity, permuted_block
from pathsearch.errors import PathsearchError

Array = NDArray[np.float64]
Places = NDArray[np.int64]
"""What comes to each place: the place it stood at."""

GAIN = 1e-12
"""What a sweep must gain, of ‖A‖‖B‖: less is rounding."""
TIE = 1e-10
"""What another choice must be better by, of the largest product: dead and equal units stay where they are."""
FEW = 0.25
"""Of the units: where no more move, what they change is less work than all anew."""
DIGITS = 2.0**40
"""Products are rounded to this part of the largest: equal units have equal ones, and sums of them are exact."""
WIDE = 64
"""Units from which an assignment takes longer than finding prices for it: there are many small ones in a family."""
ROUNDS = 5
"""In which prices are found before an assignment: more take as long as they save (256 and 512 units)."""


def matched(
    symmetries: Symmetries,
    a: Mapping[str, Tensor],
    b: Mapping[str, Tensor],
    starts: int = 4,
    seed: int = 0,
    say: Callable[[str], None] = lambda line: None,
) -> Permutations:
    """The permutations of b's units that bring it closest to a, the best of several descents.

    They begin at the identity, at one sweep that goes from what is settled to what is next to it (which finds the
    permutation of a permuted copy exactly), and at the identity with groups in `starts` random orders. say: told how
    far it is. Raises PathsearchError where weights are not finite real numbers of the same shapes.
    """
    common = _Search(symmetries, a, b)
    units = list(range(len(symmetries.atoms)))
    rng = np.random.default_rng(seed)
    orders = [units, units, *(rng.permutation(len(units)).tolist() for _ in range(starts))]

    def descended(number: int) -> tuple[float, Permutations]:
        search = common.anew()
        reached = search.first_sweep(orders[number]) if number == 1 else search.descend(orders[number])
        return reached, search.by

    # A thread for each descent, and one for torch in it: the bits of a product depend on how many share it. The solver
    # of assignments, which takes most of the time of a network of wide layers, knows one thread only.
    threads = torch.get_num_threads()
    pool = ThreadPoolExecutor(min(threads, len(orders)), initializer=torch.set_num_threads, initargs=(1,))
    say(f"matches weights, {len(orders)} starts")
    try:
        descents = [pool.submit(descended, number) for number in range(len(orders))]
        for done, each in enumerate(as_completed(descents), 1):
            each.result()
            say(f"matches weights, {done} of {len(orders)} starts done")
    finally:
        common.given_up.set()  # else an interrupt would wait for all
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(threads)
    most, best = descents[0].result()
    for each in descents[1:]:
        reached, by = each.result()
        if reached > most + GAIN * common.scale:
            most, best = reached, by
    return best


class _Search:
    """Both networks in blocks, the second as it is permuted so far, and moves that raise J.

    A move permutes places: what stands at place τ(i) comes to place i. What lies within a unit goes with it.
    """

    def __init__(self, symmetries: Symmetries, a: Mapping[str, Tensor], b: Mapping[str, Tensor]) -> None:
        self._symmetries, self._atoms = symmetries, symmetries.atoms
        names = sorted({block.tensor for block in symmetries.blocks})
        for name in names:
            if a[name].shape != b[name].shape:
                raise PathsearchError(
                    f"parameter {name!r} has shape {tuple(a[name].shape)} in one network and "
                    f"{tuple(b[name].shape)} in the other: only networks of one kind can be aligned"
                )
        ours, theirs = ({name: _wide(name, held[name]) for name in names} for held in (a, b))
        self.scale = _norm(ours) * _norm(theirs)
        self._shapes = [block.atoms for block in symmetries.blocks]
        self._ours = [block.of(ours[block.tensor]) for block in symmetries.blocks]
        self._begun = [block.of(theirs[block.tensor]) for block in symmetries.blocks]
        numbers = range(len(self._atoms))
        self._having = [[n for n, atoms in enumerate(self._shapes) if atom in atoms] for atom in numbers]
        self._children = [
            [c for c in numbers if self._atoms[c].within == (*each.within, n)] for n, each in enumerate(self._atoms)
        ]
        self._below = [[c for c in numbers if n in self._atoms[c].within] for n in numbers]
        # of the first network, for all descents: two threads that find the same at once do no harm
        self._turned: dict[tuple[int, tuple[int, ...], int], Tensor] = {}
        self.given_up = Event()
        self._begin()

    def anew(self) -> "_Search":
        """Another search of the same networks, at the identity; what is said of their given_up holds for both."""
        other = copy(self)
        other._begin()
        return other

    def _begin(self) -> None:
        self.by, self._theirs = identity(self._symmetries), list(self._begun)
        self._remembered: dict[tuple[int, int], Tensor] = {}
        self._restless = set(range(len(self._atoms)))

    def total(self) -> float:
        """J as it is now."""
        return self._sum(range(len(self._ours)))

    def descend(self, order: list[int]) -> float:
        """Sweep over all groups, in an order, until a sweep gains nothing; returns J.

        A group rests while nothing on its blocks moves.
        """
        while self._restless and not self.given_up.is_set():
            gained = 0.0
            for atom in order:
                if atom in self._restless and not self.given_up.is_set():
                    self._restless.discard(atom)
                    gained += self._move(atom, self._having[atom])
            if gained <= GAIN * self.scale:
                break
        return self.total()

    def first_sweep(self, order: list[int]) -> float:
        """Settle one group after another by the blocks in which all others are settled, the heaviest first.

        In a permuted copy each of these finds its permutation: Σ⟨a_i, a_σ(i)⟩ is largest where all are equal. Then
        descend.
        """
        settled: set[int | None] = {None}
        while len(settled) <= len(self._atoms) and not self.given_up.is_set():
            heavy: dict[int, tuple[float, int]] = {}
            for atom, each in enumerate(self._atoms):
                if atom not in settled and settled.issuperset(each.within):
                    known = self._known(atom, settled)
                    heavy[atom] = (sum(float(self._ours[n].square().sum()) for n in known), -atom)
            atom = max(heavy, key=lambda atom: heavy[atom])
            known = self._known(atom, settled)
            if known:
                self._move(atom, known)
            else:
                self._guess(atom)
            settled |= {atom, *(c for c in self._children[atom] if any(c in self._shapes[n] for n in known))}
        self._restless = set(range(len(self._atoms)))
        return self.descend(order)

    def _known(self, atom: int, settled: set[int | None]) -> list[int]:
        """Blocks whose other atoms are settled, but for a child that is found along with its parent."""
        known = []
        for n in self._having[atom]:
            left = {each for each in self._shapes[n] if each not in settled and each != atom}
            if self._shapes[n].count(atom) > 1:
                continue  # what is right on one axis depends on the other
            if not left or (len(left) == 1 and left <= set(self._children[atom])):
                known.append(n)
        return known

    def _move(self, atom: int, blocks: list[int]) -> float:
        """Give an atom, and its children, places as good as these blocks can tell; returns what J gains there.

        Where that is nothing all stays.
        """
        inside = self._atoms[atom].within or not self._children[atom]
        places, gain, loose = self._alone(atom, blocks) if inside else self._with_children(atom, blocks)
        if is_identity(list(places.values())):
            return 0.0
        new = {n: self._placed(n, places) for n in self._having[atom]}
        gain += sum(_dot(self._ours[n], new[n]) - _dot(self._ours[n], self._theirs[n]) for n in loose)
        if gain <= GAIN * self.scale:
            return 0.0
        self._apply(atom, places, new)
        if loose:
            self._restless.add(atom)  # these blocks may now say otherwise
        return gain

    def _guess(self, atom: int) -> None:
        """Give an atom places where nothing next to it is settled: units are told by their weights in order of size,
        which no permutation of the others changes.
        """
        if self._atoms[atom].within:
            return
        size = self._atoms[atom].size
        products = np.zeros((size, size))
        for n in self._having[atom]:
            at = (self._shapes[n].index(atom),)
            one, other = (_fronted(each[n], at, 0).sort(dim=1)[0] for each in (self._ours, self._theirs))
            products += (one @ other.mT).numpy()
        places = {atom: assigned(products)}
        self._apply(atom, places, {n: self._placed(n, places) for n in self._having[atom]})

    def _apply(self, atom: int, places: dict[int, Places], new: dict[int, Tensor]) -> None:
        for n, each in new.items():
            self._bring_up(n, each, atom, places)
            self._theirs[n] = each
            self._restless |= {other for other in self._shapes[n] if other is not None and other != atom}
        self._carry(places)

    def _alone(self, atom: int, blocks: list[int]) -> tuple[dict[int, Places], float, list[int]]:
        """One assignment, or for an atom within others one for each unit of these; the gain in all but loose blocks.

        A block is loose where it has more of the atom's family, or the atom on two axes: for these the sum of products
        takes the other axis as it is, which is a guess.
        """
        within, size = self._atoms[atom].within, self._atoms[atom].size
        outer = int(np.prod(self.by[atom].shape[:-1]))
        sure, guess = np.zeros((outer, size, size)), np.zeros((outer, size, size))
        loose = []
        for n in blocks:
            atoms = self._shapes[n]
            twice = atoms.count(atom) > 1
            if twice or not set(self._below[atom]).isdisjoint(atoms):
                loose.append(n)
            if twice and within:
                continue
            for at in [at for at, each in enumerate(atoms) if each == atom]:
                front = (*(atoms.index(each) for each in within), at)
                (guess if n in loose else sure)[:] += self._products(n, front)
        found = np.stack([assigned(each + more) for each, more in zip(sure, guess)])
        return {atom: found.reshape(self.by[atom].shape)}, _gain(sure, found), loose

    def _with_children(self, atom: int, blocks: list[int]) -> tuple[dict[int, Places], float, list[int]]:
        """Outer and inner places at once: each pair of outer units is as good as its best inner assignments."""
        size = self._atoms[atom].size
        plain = np.zeros((size, size))
        inner: dict[int, Array] = {}
        loose = []
        for n in blocks:
            atoms = self._shapes[n]
            ours = set(self._below[atom]).intersection(atoms)
            if atoms.count(atom) != 1 or len(ours) > 1 or not ours <= set(self._children[atom]):
                loose.append(n)
                continue
            front = (atoms.index(atom), *(atoms.index(each) for each in ours))
            found = torch.matmul(*self._matrices(n, front, 0)).numpy()
            if not ours:
                plain += found
                continue
            (child,) = ours
            count = self._atoms[child].size
            inner[child] = inner.get(child, 0.0) + found.reshape(size, count, size, count)
        before = float(np.trace(plain)) + sum(float(np.einsum("aiai->", each)) for each in inner.values())
        chosen, children, reached = family(plain, inner)
        return {atom: chosen, **children}, reached - before, loose

    def _products(self, n: int, front: tuple[int, ...]) -> Array:
        """Sums of products [batch, place, what stands there] over a block; those without a batch are remembered."""
        if len(front) > 1:
            return np.asarray(torch.matmul(*self._matrices(n, front, len(front) - 1)).numpy())
        if (n, front[0]) not in self._remembered:
            self._remembered[n, front[0]] = torch.matmul(*self._matrices(n, front, 0))
        return np.asarray(self._remembered[n, front[0]].numpy())

    def _bring_up(self, n: int, new: Tensor, atom: int, places: dict[int, Places]) -> None:
        """Have what is remembered of a block follow a move: most moves are of few units, and products add up."""
        atoms = self._shapes[n]
        moved = np.flatnonzero(places[atom] != np.arange(places[atom].shape[-1])) if places[atom].ndim == 1 else None
        for at in [at for at in range(len(atoms)) if (n, at) in self._remembered]:
            if moved is None or len(places) > 1 or atoms.count(atom) > 1 or len(moved) > FEW * len(places[atom]):
                del self._remembered[n, at]
            elif atoms[at] == atom:
                self._remembered[n, at] = self._remembered[n, at][:, torch.from_numpy(places[atom])]
            else:
                index, axis = torch.from_numpy(moved), atoms.index(atom)
                change = new.index_select(axis, index) - self._theirs[n].index_select(axis, index)
                ours = self._ours[n].index_select(axis, index)
                self._remembered[n, at] += _fronted(ours, (at,), 0) @ _fronted(change, (at,), 0).mT

    def _matrices(self, n: int, front: tuple[int, ...], batch: int) -> tuple[Tensor, Tensor]:
        """Both blocks with some axes in front: [batch axes, the others of them, the rest], the second transposed."""
        if (n, front, batch) not in self._turned:
            self._turned[n, front, batch] = _fronted(self._ours[n], front, batch)
        return self._turned[n, front, batch], _fronted(self._theirs[n], front, batch).mT

    def _placed(self, n: int, places: dict[int, Places]) -> Tensor:
        """The second network's block after a move."""
        by = list(self.by)
        for atom, each in places.items():
            by[atom] = each
        return permuted_block(self._theirs[n], self._shapes[n], self._symmetries, by, only=places)

    def _carry(self, places: dict[int, Places]) -> None:
        """Write a move down in the permutations."""
        for moved, each in places.items():
            depth = len(self._atoms[moved].within)
            for other in (moved, *self._below[moved]):
                old = self.by[other]
                index = each.reshape(each.shape + (1,) * (old.ndim - depth - 1))
                self.by[other] = np.take_along_axis(old, index, axis=depth)

    def _sum(self, blocks: Iterable[int]) -> float:
        return sum(_dot(self._ours[n], self._theirs[n]) for n in blocks)


def family(plain: Array, inner: Mapping[int, Array]) -> tuple[Places, dict[int, Places], float]:
    """Places for outer units and, by atom, for what lies within each, and the sum of products that they reach.

    plain: products of outer units [n, n]; inner: those of inner ones [n, m, n, m]. Each pair of outer units is as good
    as the best assignment of what lies within.
    """
    size = len(plain)
    plain = plain.copy()
    best = {atom: np.empty((size, size, each.shape[1]), dtype=np.int64) for atom, each in inner.items()}
    for atom, products in inner.items():
        for here in range(size):
            for unit in range(size):
                table = products[here, :, unit, :]
                best[atom][here, unit] = inside = assigned(table)
                plain[here, unit] += table[np.arange(len(inside)), inside].sum()
    chosen, each = assigned(plain), np.arange(size)
    return chosen, {atom: found[each, chosen] for atom, found in best.items()}, float(plain[each, chosen].sum())


def _fronted(block: Tensor, front: tuple[int, ...], batch: int) -> Tensor:
    rest = [n for n in range(block.ndim) if n not in front]
    shape = [block.shape[n] for n in front]
    sizes = [int(np.prod(each)) for each in (shape[:batch], shape[batch:])]
    turned = block.permute(*front, *rest).reshape(*sizes, -1)
    return turned if batch else turned[0]


def _gain(products: Array, places: Places) -> float:
    """What a sum of products gains where place i has what stood at places[i]."""
    new = np.take_along_axis(products, places[..., None], axis=-1).sum()
    return float(new - np.trace(products, axis1=-2, axis2=-1).sum())


def _dot(one: Tensor, other: Tensor) -> float:
    return float(torch.dot(one.reshape(-1), other.reshape(-1)))


def _norm(tensors: Mapping[str, Tensor]) -> float:
    return math.sqrt(sum(float(each.square().sum()) for each in tensors.values()))


def assigned(products: Array) -> Places:
    """What is to come to each place for the largest sum of products [place, what stands there]; nothing moves for
    nothing.
    """
    from scipy.optimize import linear_sum_assignment  # its library of BLAS waits for ever where memory is short

    largest = float(np.abs(products).max(initial=0.0))
    stays = np.arange(len(products))
    if largest == 0.0:
        return stays
    table = products / largest
    table[stays, stays] += TIE
    table = np.round(table * DIGITS)
    if len(table) >= WIDE:
        table = _priced(table)
    return np.asarray(linear_sum_assignment(table, maximize=True)[1], dtype=np.int64)


def _priced(table: Array) -> Array:
    """The table less a number for each column and row, which changes no choice: as if units had prices.

    A unit costs what it is worth more elsewhere than what stays there. Most units stay in most moves, and with these
    prices the solver finds so at once: a third of its time.
    """
    more = table - np.diagonal(table)[:, None]
    prices = np.zeros(len(table))
    for _ in range(ROUNDS):
        prices = np.maximum(prices, (more + prices[:, None]).max(axis=0))
    priced = table - prices
    return np.asarray(priced - priced.max(axis=1, keepdims=True))


def _wide(name: str, tensor: Tensor) -> Tensor:
    if not tensor.is_floating_point():
        raise PathsearchError(f"parameter {name!r} is of {tensor.dtype}: only real weights can be matched")
    wide = tensor.detach().to("cpu", torch.float64)
    if not torch.isfinite(wide).all():
        raise PathsearchError(f"parameter {name!r} has weights that are not finite")
    return wide
