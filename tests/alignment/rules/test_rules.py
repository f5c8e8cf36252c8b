"""How permutations go through operations: networks whose groups are known, and operations that pin."""

from collections import Counter

import numpy as np
import pytest
from torch import nn

from pathsearch.alignment.groups import drawn as permutations
from pathsearch.alignment.groups import inverse, permuted
from pathsearch.alignment.permutable import permutable
from pathsearch.alignment.rules import RULES
from pathsearch.alignment.verify import off_by, verify
from pathsearch.errors import PathsearchError
from tests.alignment import networks
from tests.alignment.networks import NETWORKS, PINNED
from tests.alignment.programs import Program
from tests.alignment.rules.functions import DRAWN, FUNCTIONS
from tests.alignment.test_symmetries import looked_at, same


def with_groups(make, shape, sizes, within):
    module, inputs = networks.drawn(make, shape)
    symmetries = looked_at(permutable(module, [inputs]))
    assert Counter(atom.size for atom in symmetries.atoms) == sizes
    assert sum(bool(atom.within) for atom in symmetries.atoms) == within
    return symmetries


@pytest.mark.parametrize("name", list(NETWORKS))
def test_networks_that_are_easily_got_wrong(name):
    assert not with_groups(*NETWORKS[name]).doubts


@pytest.mark.parametrize("name", list(FUNCTIONS))
def test_functions_whose_groups_are_known(name):
    with_groups(*FUNCTIONS[name])


@pytest.mark.parametrize("name", list(DRAWN))
def test_what_is_drawn_by_place_pins(name):
    make = lambda: networks.Made(DRAWN[name], a=nn.Linear(4, 6), b=nn.Linear(6, 5), c=nn.Linear(5, 3))
    module, inputs = networks.drawn(make, networks.VECTOR)
    assert [atom.size for atom in looked_at(permutable(module, [inputs])).atoms] == [5]


@pytest.mark.parametrize("name", list(PINNED))
def test_what_has_an_order_or_no_rule_is_pinned(name):
    make, shape, sizes, doubts = PINNED[name]
    module, inputs = networks.drawn(make, shape)
    symmetries = looked_at(permutable(module, [inputs]))
    assert [atom.size for atom in symmetries.atoms] == sizes
    assert list(symmetries.doubts) == doubts


def test_a_rule_that_is_wrong_is_caught_and_the_group_is_named(monkeypatch):
    right = RULES["cat"]

    def unlinked(t, given):
        value = right(t, given)
        return type(value)((value.axes[0], t.fresh(t.size(value.axes[1])), *value.axes[2:]))

    monkeypatch.setitem(RULES, "cat", unlinked)
    module, inputs = networks.drawn(*NETWORKS["u-net"][:2])
    network = permutable(module, [inputs])
    with pytest.raises(
        PathsearchError, match=r"to permute group [abc]\.weight:[01] changes what the network works out"
    ):
        verify(network, network.traced().symmetries)


@pytest.mark.parametrize("seed", range(40))
def test_programs_drawn_at_random_keep_what_they_work_out(seed):
    module, inputs = networks.drawn(lambda: Program(seed), networks.VECTOR, seed)
    network = permutable(module, [inputs])
    symmetries = network.traced().symmetries
    by = permutations(symmetries, np.random.default_rng(seed))
    assert off_by(network, symmetries, by) < 1e-9
    copy = permuted(symmetries, network.tensors, by)
    assert same(permuted(symmetries, copy, inverse(symmetries, by)), network.tensors)
    assert not symmetries.doubts
