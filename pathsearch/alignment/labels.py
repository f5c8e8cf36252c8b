"""Atoms that are united and cut as operations ask for it, and the labels of axes that are made of them.

A *label* says what stands on an axis: a list of segments, one after another, each of which is a product of atoms in
row-major order. So `(a·b) + (c)` is the axis of a flattened [a, b] with c appended to it. Everything here only joins,
splits or pins atoms, and each of these leaves fewer permutations than there were: in whatever order operations are
looked at, what is left is right for all of them.
"""

from math import prod

Factors = tuple[int, ...]
"""Atoms of a product, the slowest first; none where the size is 1."""
Label = tuple[Factors, ...]
"""Products that stand on an axis one after another."""
ONE: Label = ((),)
"""The label of an axis of size 1."""


class Labels:
    """The atoms of a network: a union-find, in which an atom may be pinned, and be split into others.

    An atom is split into a product of atoms, or into atoms that stand one after another, everywhere at once.
    """

    def __init__(self) -> None:
        self._sizes: list[int] = []
        self._why: list[str] = []
        self._over: list[int] = []
        self._product: dict[int, Factors] = {}
        self._row: dict[int, Factors] = {}
        self._whole: dict[int, int] = {}

    def fresh(self, size: int, why: str = "") -> Label:
        """The label of an axis of which nothing is known; why: what pins it."""
        if size == 0:
            return ()  # no segment: one without units would be told from none
        return ONE if size == 1 else ((self._atom(size, why),),)

    def size(self, label: Label) -> int:
        """How many units stand on an axis."""
        return sum(self.count(factors) for factors in label)

    def count(self, factors: Factors) -> int:
        """How many units a product has."""
        return prod(self._sizes[atom] for atom in factors)

    def why(self, atom: int) -> str:
        """What pins an atom; nothing where it is free."""
        return self._why[self._root(atom)]

    def free(self, factors: Factors) -> bool:
        """Whether any atom of a resolved product is."""
        return any(not self._why[atom] for atom in factors)

    def pin(self, label: Label, why: str) -> None:
        """Let nothing of an axis be permuted."""
        for factors in label:
            for atom in factors:
                self._pin(atom, why)

    def resolved(self, label: Label) -> Label:
        """A label in the atoms that there are now."""
        return tuple(each for factors in label for each in self._expanded(factors))

    def unify(self, one: Label, other: Label, why: str) -> None:
        """Let two axes of the same size be permuted alike; why: the operation, where that leaves nothing free."""
        if one == other:
            return
        one, other = self.resolved(one), self.resolved(other)
        while self._bounds(one) != self._bounds(other):  # to cut one may cut the other
            one, other = self.cut(one, self._bounds(other), why), self.cut(other, self._bounds(one), why)
        for p, q in zip(one, other):
            self._unify_products(p, q, why)

    def cut(self, label: Label, bounds: list[int], why: str) -> Label:
        """The label with boundaries of segments at these places, too."""
        found: list[Factors] = []
        at = 0
        waiting = list(self.resolved(label))
        while waiting:
            first = self._expanded(waiting.pop(0))  # an atom that stands here twice was cut the first time
            if len(first) > 1:
                waiting[:0] = first
                continue
            factors = first[0]
            size = self.count(factors)
            inside = [bound - at for bound in bounds if at < bound < at + size]
            found += self._cut(factors, inside, why) if inside else [factors]
            at += size
        return self.resolved(tuple(found))

    def part(self, label: Label, start: int, stop: int, why: str) -> Label:
        """The label of a slice of an axis."""
        found, at = [], 0
        for factors in self.cut(label, [start, stop], why):
            if start <= at < stop:
                found.append(factors)
            at += self.count(factors)
        return tuple(found)

    def merged(self, labels: list[Label], why: str) -> Label:
        """The label of several axes, the slowest first, viewed as one."""
        first, *rest = [label for label in map(self.resolved, labels) if self.size(label) > 1] or [ONE]
        inner: Factors = ()
        for label in rest:
            inner += label[0] if len(label) == 1 else self._pinned(label, why)[0]
        return tuple(factors + inner for factors in first)

    def factored(self, label: Label, sizes: list[int], why: str) -> list[Label]:
        """The labels of an axis that is viewed as several of these sizes."""
        label = self.resolved(label)
        rest = prod(sizes[1:])
        if any(self.count(factors) % rest for factors in label):
            self.pin(label, why)
            return [self.fresh(size, why) for size in sizes]
        rows = [self._factored(factors, [self.count(factors) // rest, *sizes[1:]], why) for factors in label]
        for row in rows[1:]:
            for one, other in zip(rows[0][1:], row[1:]):
                self.unify(one, other, why)
        return [tuple(factors for row in rows for factors in self.resolved(row[0])), *rows[0][1:]]

    def _atom(self, size: int, why: str = "") -> int:
        self._sizes.append(size)
        self._why.append(why)
        self._over.append(len(self._over))
        return len(self._over) - 1

    def _root(self, atom: int) -> int:
        while self._over[atom] != atom:
            self._over[atom] = atom = self._over[self._over[atom]]
        return atom

    def _pin(self, atom: int, why: str) -> None:
        atom = self._root(atom)
        for part in (*self._product.get(atom, ()), *self._row.get(atom, ())):
            self._pin(part, why)
        self._why[atom] = self._why[atom] or why

    def _leaves(self, atom: int) -> Factors:
        """The product that an atom stands for now; what stands one after another is left as it is."""
        atom = self._root(atom)
        if self._sizes[atom] == 1:
            return ()
        if atom in self._product:
            return tuple(leaf for part in self._product[atom] for leaf in self._leaves(part))
        return (atom,)

    def _expanded(self, factors: Factors) -> Label:
        leaves = tuple(leaf for atom in factors for leaf in self._leaves(atom))
        # a product over atoms in a row is a row of products only where the row is the slowest factor
        leaves = leaves[:1] + tuple(self._as_one(atom) if atom in self._row else atom for atom in leaves[1:])
        if not leaves or leaves[0] not in self._row:
            return (leaves,)
        return tuple(each for part in self._row[leaves[0]] for each in self._expanded((part, *leaves[1:])))

    def _as_one(self, atom: int) -> int:
        """A pinned atom in place of several in a row."""
        self._pin(atom, "a view of what was put together")
        if atom not in self._whole:
            self._whole[atom] = self._atom(self._sizes[atom], self._why[atom])
        return self._whole[atom]

    def _pinned(self, label: Label, why: str) -> Label:
        self.pin(label, why)
        return self.fresh(self.size(label), why)

    def _bounds(self, label: Label) -> list[int]:
        found = [0]
        for factors in label:
            found.append(found[-1] + self.count(factors))
        return found

    def _unify_products(self, p: Factors, q: Factors, why: str) -> None:
        while p != q:
            one, other = self._expanded(p), self._expanded(q)
            if len(one) > 1 or len(other) > 1:
                return self.unify(one, other, why)
            p, q = one[0], other[0]
            same = next((n for n, (a, b) in enumerate(zip(p, q)) if a != b), min(len(p), len(q)))
            p, q = p[same:], q[same:]
            if not p or not q:
                return None
            if not self.free(p) or not self.free(q):
                self.pin((p, q), self._why[(q if self.free(p) else p)[0]])
                return None
            a, b = p[0], q[0]
            small, large = sorted((a, b), key=lambda atom: self._sizes[atom])
            if self._sizes[a] == self._sizes[b]:
                self._unite(a, b)
            elif self._sizes[large] % self._sizes[small] == 0:
                self._split(large, self._sizes[small])
            else:
                return self.pin((p, q), why)
        return None

    def _unite(self, a: int, b: int) -> None:
        first, second = sorted((a, b))  # the older one stands for both: the order of atoms tells outer from inner
        self._why[first] = self._why[first] or self._why[second]
        self._over[second] = first

    def _split(self, atom: int, outer: int) -> None:
        why = self._why[atom]
        self._product[atom] = (self._atom(outer, why), self._atom(self._sizes[atom] // outer, why))

    def _cut(self, factors: Factors, inside: list[int], why: str) -> list[Factors]:
        ends = [*inside, self.count(factors)]
        sizes = [end - start for start, end in zip([0, *inside], ends)]
        rest = self.count(factors[1:])
        if any(size % rest for size in sizes):
            self.pin((factors,), why)
        if not self.free(factors):
            return [self.fresh(size, self._why[factors[0]])[0] for size in sizes]
        self._row[factors[0]] = tuple(self._atom(size // rest, self._why[factors[0]]) for size in sizes)
        return [factors]

    def _factored(self, factors: Factors, sizes: list[int], why: str) -> list[Label]:
        if not self.free(factors):
            return [self.fresh(size, self._why[factors[0]] if factors else why) for size in sizes]
        found: list[Label] = []
        left = tuple(leaf for atom in factors for leaf in self._leaves(atom))  # one that stands twice was split before
        for size in sizes:
            part: Factors = ()
            while size > 1:
                own = self._sizes[left[0]]
                if size % own == 0:
                    part, left, size = (*part, left[0]), left[1:], size // own
                elif own % size == 0:
                    self._split(left[0], size)
                    left = tuple(leaf for atom in left for leaf in self._leaves(atom))
                else:
                    self.pin((factors,), why)
                    return [self.fresh(each, why) for each in sizes]
            found.append((part,))
        return [self.resolved(label) for label in found]
