"""The symmetries that are found are those that there are, and permuting by them changes nothing."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import nn

from pathsearch.alignment.groups import drawn as permutations
from pathsearch.alignment.groups import identity, inverse, permuted
from pathsearch.alignment.matching import matched
from pathsearch.alignment.permutable import permutable
from pathsearch.alignment.verify import off_by, outputs
from pathsearch.cost import architectures
from pathsearch.cost.architectures import SMALL
from pathsearch.errors import PathsearchError
from tests.alignment import networks


def same(one, other):
    return all(torch.equal(one[name], each) for name, each in other.items())


def looked_at(network):
    """Symmetries that hold, undo, and lead back from a permuted copy."""
    symmetries = network.traced().symmetries
    for seed in range(3):
        by = permutations(symmetries, np.random.default_rng(seed))
        assert off_by(network, symmetries, by) < 1e-12
        copy = permuted(symmetries, network.tensors, by)
        for name, each in network.tensors.items():
            if each.is_complex():
                continue
            assert torch.equal(copy[name].flatten().sort()[0], each.flatten().sort()[0])
        assert same(permuted(symmetries, copy, inverse(symmetries, by)), network.tensors)
        assert same(permuted(symmetries, copy, matched(symmetries, network.tensors, copy, starts=0)), network.tensors)
    return symmetries


@pytest.mark.parametrize("name", list(SMALL))
def test_known_architectures(name):
    symmetries = looked_at(permutable(*architectures.drawn(SMALL[name], 0)))
    assert len(symmetries.atoms) == SMALL[name].groups
    assert not symmetries.doubts


def test_every_axis_is_free_pinned_or_unreached():
    module, inputs = networks.drawn(lambda: nn.ModuleDict(), (2, 4)), None
    make = lambda: networks.Made(
        lambda n, x: n.b(n.a(x).relu()), a=nn.Linear(4, 6), b=nn.Linear(6, 3), c=nn.Linear(2, 2)
    )
    module, inputs = networks.drawn(make, (2, 4))
    symmetries = permutable(module, [inputs]).traced().symmetries
    assert symmetries.unreached == ("c.weight", "c.bias")
    free = {
        (block.tensor, axis) for block in symmetries.blocks for axis, atom in enumerate(block.atoms) if atom is not None
    }
    pinned = {(each.tensor, each.axis): each.why for each in symmetries.pinned}
    assert free == {("a.weight", 0), ("a.bias", 0), ("b.weight", 1)}
    assert pinned == {("a.weight", 1): "an input", ("b.weight", 0): "an output", ("b.bias", 0): "an output"}


def test_branches_on_data_cannot_be_traced():
    make = lambda: networks.Made(lambda n, x: n.a(x) if n.a(x).sum() > 0 else n.a(-x), a=nn.Linear(4, 6))
    module, inputs = networks.drawn(make, (2, 4))
    with pytest.raises(PathsearchError, match=r"^the network cannot be traced: "):
        permutable(module, [inputs]).traced()


def test_a_network_with_itself_stays_as_it_is_with_dead_and_equal_units_too():
    module, inputs = networks.drawn(
        lambda: nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3)), (2, 4)
    )
    with torch.no_grad():
        for part, unit in ((module[0].weight, 2), (module[0].bias, 2), (module[2].weight.T, 2)):
            part[unit] = 0.0
            part[4] = part[5]
    network = permutable(module, [inputs])
    symmetries = network.traced().symmetries
    for each, stays in zip(matched(symmetries, network.tensors, network.tensors), identity(symmetries)):
        np.testing.assert_array_equal(each, stays)


@dataclass
class Given:
    scores: torch.Tensor
    hidden: dict[str, torch.Tensor]


def test_outputs_in_dataclasses_and_dictionaries_pin_too():
    make = lambda: networks.Made(
        lambda n, x: Given(n.b(n.a(x)), {"a": (n.c(n.a(x)),)}), a=nn.Linear(4, 6), b=nn.Linear(6, 3), c=nn.Linear(6, 5)
    )
    module, inputs = networks.drawn(make, (2, 4))
    symmetries = looked_at(permutable(module, [inputs]))
    assert [atom.name for atom in symmetries.atoms] == ["a.weight:0"]


def test_positions_that_these_inputs_do_not_reach_stay_for_longer_ones_reach_them():
    make = lambda: networks.Made(
        lambda n, ids: n.out(n.words(ids) + n.places.weight[: ids.shape[1]]),
        words=nn.Embedding(networks.WORDS, 8),
        places=nn.Embedding(9, 8),
        out=nn.Linear(8, 3),
    )
    module, ids = networks.drawn(make, networks.IDS)
    network = permutable(module, [ids])
    symmetries = network.traced().symmetries
    assert [atom.size for atom in symmetries.atoms] == [8]
    assert {each.why for each in symmetries.pinned if each.part == (networks.TIME, 9)} == {"nothing that reads it"}
    longer = [torch.randint(networks.WORDS, (2, 9))]
    copy = permuted(symmetries, network.tensors, permutations(symmetries, np.random.default_rng(0)))
    wanted, given = (outputs(network.function, each, longer)[0] for each in (network.tensors, copy))
    torch.testing.assert_close(given, wanted, rtol=0, atol=1e-12)
