from itertools import pairwise, permutations, product

import numpy as np
import pytest
import torch

from pathsearch.alignment import matching
from pathsearch.alignment.groups import Atom, Block, Symmetries, drawn, identity, is_identity, permuted
from pathsearch.alignment.matching import matched
from pathsearch.errors import PathsearchError


def by_hand(atoms, tensors):
    """Symmetries of tensors whose axes are each a size, an atom or several; atoms: sizes, with what they lie within."""
    names = list(atoms)
    found = [Atom(name, size, tuple(names.index(each) for each in within)) for name, (size, *within) in atoms.items()]
    blocks = []
    for tensor, axes in tensors.items():
        apart = [each for axis in axes for each in (axis if isinstance(axis, tuple) else (axis,))]
        numbers = tuple(names.index(each) if isinstance(each, str) else None for each in apart)
        sizes = tuple(each if number is None else found[number].size for each, number in zip(apart, numbers))
        whole = [axis if isinstance(axis, tuple) else (axis,) for axis in axes]
        parts = tuple((0, int(np.prod([atoms[e][0] if isinstance(e, str) else e for e in axis]))) for axis in whole)
        blocks.append(Block(tensor, parts, sizes, numbers))
    return Symmetries(tuple(found), tuple(blocks))


def shallow(width):
    return by_hand({"h": (width,)}, {"w": ("h", 5), "b": ("h",), "out": (3, "h")})


def deep(width):
    tensors = {"w": ("h", 5), "b": ("h",), "w2": ("g", "h"), "b2": ("g",), "out": (3, "g")}
    return by_hand({"h": (width,), "g": (width,)}, tensors)


def residual():
    """Little is known of the stream but by what reads it: descents end in different places."""
    tensors = {"embed": ("s", 1)}
    for n in range(3):
        tensors |= {f"in{n}": (f"m{n}", "s"), f"b{n}": (f"m{n}",), f"out{n}": ("s", f"m{n}")}
    return by_hand({"s": (24,), **{f"m{n}": (24,) for n in range(3)}}, {**tensors, "head": (1, "s")})


def attention(heads=4, width=3, stream="s"):
    tensors = {"embed": (stream, 7), "q": (("h", "qk"), stream), "k": (("h", "qk"), stream)}
    tensors |= {"v": (("h", "v"), stream), "o": (stream, ("h", "v")), "norm": (stream,), "head": (5, stream)}
    atoms = {"h": (heads,), "qk": (width, "h"), "v": (width + 1, "h"), **({"s": (10,)} if stream == "s" else {})}
    return by_hand(atoms, tensors)


def grouped():
    tensors = {"before": (("g", "i"), 6), "bias": (("g", "i"),), "w": (("g", "o"), "i", 3), "norm": (("g", "o"),)}
    atoms = {"g": (4,), "i": (3, "g"), "o": (5, "g")}
    return by_hand(atoms, {**tensors, "after": (4, ("g", "o"))})


def recurrent():
    return by_hand({"h": (12,)}, {"w": ("h", 5), "loop": ("h", "h"), "b": ("h",), "out": (3, "h")})


def bare():
    """A network none of whose groups has a block of its own."""
    return by_hand({"h": (9,), "g": (8,)}, {"w": ("h", "g"), "back": ("g", "h", 2)})


NETWORKS = {
    "shallow": shallow(16),
    "deep": deep(16),
    "residual": residual(),
    "attention": attention(),
    "grouped": grouped(),
    "recurrent": recurrent(),
    "bare": bare(),
}
every_network = pytest.mark.parametrize("symmetries", NETWORKS.values(), ids=NETWORKS)


def weights(symmetries, seed, dtype=torch.float32):
    draw = torch.Generator().manual_seed(seed)
    return {
        block.tensor: torch.randn([stop for _, stop in block.parts], generator=draw, dtype=dtype)
        for block in symmetries.blocks
    }


def inner_product(a, b):
    return sum(float((a[name].double() * b[name].double()).sum()) for name in a)


def reached(symmetries, a, b, by):
    return inner_product(a, permuted(symmetries, b, by))


def same(one, other):
    return all(np.array_equal(*each) for each in zip(one, other, strict=True))


@every_network
def test_a_planted_permutation_is_found_exactly(symmetries):
    for seed in range(20):
        a = weights(symmetries, seed)
        b = permuted(symmetries, a, drawn(symmetries, np.random.default_rng(seed)))
        found = permuted(symmetries, b, matched(symmetries, a, b, starts=0))
        assert all(torch.equal(found[name], a[name]) for name in a), seed


def every_permutation(symmetries):
    def of(shape):
        rows = int(np.prod(shape[:-1]))
        return [np.array(each).reshape(shape) for each in product(permutations(range(shape[-1])), repeat=rows)]

    return product(*(of(symmetries.shape(atom)) for atom in range(len(symmetries.atoms))))


def against_brute_force(symmetries, seeds):
    """How often the best of all permutations is found; fails where one is better than the best."""
    found = 0
    for seed in range(seeds):
        a, b = weights(symmetries, seed, torch.float64), weights(symmetries, 100 + seed, torch.float64)
        best = max(reached(symmetries, a, b, list(by)) for by in every_permutation(symmetries))
        ours = reached(symmetries, a, b, matched(symmetries, a, b))
        assert ours <= best + 1e-9
        found += ours >= best - 1e-9
    return found


def test_one_group_or_one_family_is_as_good_as_brute_force():
    assert against_brute_force(shallow(4), 10) == 10
    assert against_brute_force(attention(heads=2, width=2, stream=4), 5) == 5


def test_two_groups_are_mostly_as_good_as_brute_force():
    assert against_brute_force(deep(3), 20) >= 18


@every_network
def test_no_move_makes_the_inner_product_fall(symmetries, monkeypatch):
    a, b = weights(symmetries, 1), weights(symmetries, 2)
    search = matching._Search(symmetries, a, b)
    seen = [search.total()]
    apply = matching._Search._apply

    def watched(self, *move):
        apply(self, *move)
        seen.append(self.total())
        # what was kept up step by step is what all permutations at once make of the second network
        assert seen[-1] == pytest.approx(reached(symmetries, a, b, self.by), rel=1e-12)

    monkeypatch.setattr(matching._Search, "_apply", watched)
    last = search.descend(list(range(len(symmetries.atoms))))
    assert last == seen[-1]
    assert len(seen) > 1
    assert all(after > before for before, after in pairwise(seen))
    assert seen[0] == pytest.approx(inner_product(a, b))


@every_network
def test_a_network_stays_itself_with_dead_and_equal_units(symmetries):
    a = weights(symmetries, 3)
    assert is_identity(matched(symmetries, a, a))
    for block in symmetries.blocks:
        part = block.of(a[block.tensor])  # a view
        for axis, atom in enumerate(block.atoms):
            if atom is not None:
                part.select(axis, 1).copy_(part.select(axis, 0))
                part.select(axis, -1).zero_()
    assert is_identity(matched(symmetries, a, a))


def test_dead_and_equal_units_stay_where_others_move():
    symmetries = deep(8)
    planted = identity(symmetries)
    for each in planted:
        each[3:6] = [5, 3, 4]
    a = weights(symmetries, 4)
    for name, axis in (("w", 0), ("b", 0), ("w2", 1), ("w2", 0), ("b2", 0), ("out", 1)):
        a[name].index_copy_(axis, torch.tensor([6, 7, 1]), a[name].index_select(axis, torch.tensor([2, 2, 0])))
        a[name].index_fill_(axis, torch.tensor([2, 6, 7]), 0.0)
    found = matched(symmetries, permuted(symmetries, a, planted), a)
    assert same(found, planted)


def test_any_number_of_threads_finds_the_same(monkeypatch):
    symmetries = deep(200)
    a, b = weights(symmetries, 5), weights(symmetries, 6)
    for name, axis in (("w", 0), ("b", 0), ("w2", 1)):  # pairs of equal units, which may go to either's place
        b[name].index_copy_(axis, torch.arange(100, 200), b[name].narrow(axis, 0, 100).clone())
    found, totals = [], []
    total = matching._Search.total
    monkeypatch.setattr(matching._Search, "total", lambda self: totals[-1].append(total(self)) or totals[-1][-1])
    before = torch.get_num_threads()
    for threads in (1, 2, 3):
        totals.append([])
        torch.set_num_threads(threads)
        try:
            found.append(matched(symmetries, a, b, starts=1))
            assert torch.get_num_threads() == threads
        finally:
            torch.set_num_threads(before)
    assert same(found[0], found[1])
    assert same(found[0], found[2])
    assert len(totals[0]) == 3
    assert sorted(totals[0]) == sorted(totals[1]) == sorted(totals[2])


def test_more_starts_are_never_worse_and_a_seed_gives_one_result():
    symmetries, better = residual(), 0
    for seed in range(5):
        a, b = weights(symmetries, seed), weights(symmetries, 100 + seed)
        few, many, again = (matched(symmetries, a, b, starts=starts, seed=1) for starts in (0, 6, 6))
        gain = reached(symmetries, a, b, many) - reached(symmetries, a, b, few)
        assert gain >= 0.0
        assert same(many, again)
        better += gain > 0.0
    assert better


def test_it_says_how_far_it_is_and_an_interrupt_ends_it():
    symmetries = deep(4)
    a, said, before = weights(symmetries, 9), [], torch.get_num_threads()
    matched(symmetries, a, a, starts=1, say=said.append)
    assert said[0] == "matches weights, 3 starts"
    assert said[-1] == "matches weights, 3 of 3 starts done"

    def interrupt(line):
        if "done" in line:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        matched(symmetries, a, a, starts=1, say=interrupt)
    assert torch.get_num_threads() == before


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda w: w.index_fill(0, torch.tensor([0]), float("nan")), "parameter 'w' has weights that are not finite"),
        (lambda w: w.index_fill(0, torch.tensor([0]), float("inf")), "parameter 'w' has weights that are not finite"),
        (lambda w: w.to(torch.complex64), "parameter 'w' is of torch.complex64"),
        (lambda w: w.to(torch.int64), "parameter 'w' is of torch.int64"),
        (lambda w: w[:, :4], r"parameter 'w' has shape \(\d, 5\) in one network and \(\d, 4\) in the other"),
    ],
    ids=["nan", "inf", "complex", "integer", "shape"],
)
def test_weights_that_cannot_be_matched_are_refused(wrong, message):
    symmetries = shallow(4)
    a = weights(symmetries, 10)
    with pytest.raises(PathsearchError, match=message):
        matched(symmetries, a, {**a, "w": wrong(a["w"])})
