import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from pathsearch.alignment.activations import FLOOR, Sums, matched_by_activations, sites, summed, unseen
from pathsearch.alignment.groups import drawn, inverse, is_identity, permuted
from pathsearch.alignment.permutable import permutable
from pathsearch.errors import PathsearchError

BATCH = 24


class Residual(nn.Module):
    """A stream that two blocks add to, and the mean over places."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(2, 6, 3, padding=1)
        self.inner = nn.ModuleList(nn.Conv2d(6, 5, 3, padding=1) for _ in range(2))
        self.norms = nn.ModuleList(nn.BatchNorm2d(5) for _ in range(2))
        self.outer = nn.ModuleList(nn.Conv2d(5, 6, 3, padding=1) for _ in range(2))
        self.head = nn.Linear(6, 3)

    def forward(self, x):
        x = F.relu(self.stem(x))
        for inner, norm, outer in zip(self.inner, self.norms, self.outer):
            x = F.relu(x + outer(F.relu(norm(inner(x)))))
        return self.head(x.mean((2, 3)))


class Attention(nn.Module):
    """Four heads of five channels, and a fused projection."""

    def __init__(self):
        super().__init__()
        self.embed, self.qkv, self.out = nn.Linear(4, 20), nn.Linear(20, 60), nn.Linear(20, 20)
        self.head = nn.Linear(20, 3)

    def forward(self, x):
        x = self.embed(x)
        q, k, v = (each.unflatten(-1, (4, 5)).transpose(1, 2) for each in self.qkv(x).chunk(3, -1))
        x = x + self.out(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))
        return self.head(x.mean(1))


NETWORKS = {
    "mlp": (lambda: nn.Sequential(nn.Linear(5, 9), nn.Tanh(), nn.Linear(9, 7), nn.ReLU(), nn.Linear(7, 3)), (5,), 2),
    "cnn": (
        lambda: nn.Sequential(
            nn.Conv2d(2, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.Flatten(), nn.Linear(54, 8), nn.ReLU(), nn.Linear(8, 3)
        ),
        (2, 5, 5),
        2,
    ),
    "residual": (Residual, (2, 5, 5), 3),
    "attention": (Attention, (6, 4), 4),
}
every_network = pytest.mark.parametrize("name", NETWORKS)


def looked_at(name, batches=2):
    """A network with statistics that vary, its symmetries, and batches of data."""
    build, shape, _ = NETWORKS[name]
    torch.manual_seed(0)
    module = build()
    for each in module.modules():
        if isinstance(each, nn.BatchNorm2d):
            each.running_mean.normal_()
            each.running_var.uniform_(0.5, 2.0)
            nn.init.normal_(each.bias)
    data = [[torch.randn(BATCH, *shape, dtype=torch.float64)] for _ in range(batches)]
    network = permutable(module, data[0])
    return network, network.traced(), data


@every_network
def test_a_planted_permutation_is_found(name):
    network, traced, data = looked_at(name)
    symmetries, where = traced.symmetries, sites(traced)
    assert len(symmetries.atoms) == NETWORKS[name][2]
    planted = drawn(symmetries, np.random.default_rng(1))
    other = permuted(symmetries, network.tensors, planted)
    found = matched_by_activations(traced, where, summed(traced, where, network.tensors, other, data))
    for one, expected in zip(found, inverse(symmetries, planted)):
        np.testing.assert_array_equal(one, expected)
    assert not is_identity(found)


@every_network
def test_a_network_stays_as_it_is_beside_itself_with_units_that_never_fire_and_equal_ones(name):
    network, traced, data = looked_at(name)
    symmetries, where = traced.symmetries, sites(traced)
    first = symmetries.blocks[0].tensor
    for tensor in (first, first.replace("weight", "bias")):
        network.tensors[tensor][:2] = 0.0
        network.tensors[tensor][2] = network.tensors[tensor][3]
    found = matched_by_activations(traced, where, summed(traced, where, network.tensors, network.tensors, data))
    assert is_identity(found)


@every_network
def test_sums_of_parts_of_the_data_add_up_to_those_of_the_whole(name):
    network, traced, data = looked_at(name, batches=4)
    where = sites(traced)
    other = {name: each + 0.3 for name, each in network.tensors.items()}
    whole = summed(traced, where, network.tensors, other, data)
    halves = [summed(traced, where, network.tensors, other, part) for part in (data[:2], data[2:])]
    for one, first, second in zip(whole, *halves):
        added = first + second
        assert added.count == one.count
        for attribute in ("means", "squares", "products"):
            np.testing.assert_allclose(getattr(added, attribute), getattr(one, attribute), rtol=1e-12, atol=1e-9)


def test_values_are_those_after_the_nonlinearity_at_all_places_of_all_examples():
    network, traced, data = looked_at("residual")
    other = {name: each * 1.1 + 0.1 for name, each in network.tensors.items()}
    where = sites(traced)
    got = dict(zip((site.atoms for site in where), summed(traced, where, network.tensors, other, data)))
    stream, gave = Residual().double().eval(), []
    for tensors in (network.tensors, other):
        stream.load_state_dict(tensors)
        with torch.no_grad():
            x = torch.cat([each for (each,) in data])
            x = F.relu(stream.stem(x))
            for inner, norm, outer in zip(stream.inner, stream.norms, stream.outer):
                x = F.relu(x + outer(F.relu(norm(inner(x)))))
        gave.append(x.movedim(1, 0).reshape(6, -1).numpy())
    sums = got[(0,)]  # of the stream, which the first parameter has
    assert sums.count == 2 * BATCH * 25
    np.testing.assert_allclose(sums.products, gave[0] @ gave[1].T, rtol=1e-10)
    variance = np.array([each.var(1) for each in gave])
    expected = np.corrcoef(*gave)[:6, 6:] * np.outer(*np.sqrt(variance / (variance + FLOOR)))
    np.testing.assert_allclose(sums.correlation(), expected, rtol=1e-9)


def test_values_that_are_not_finite_are_refused():
    network, traced, data = looked_at("residual")
    where = sites(traced)
    first = traced.symmetries.blocks[0].tensor
    other = {**network.tensors, first: network.tensors[first] * float("inf")}
    sums = summed(traced, where, network.tensors, other, data)
    with pytest.raises(PathsearchError, match="are not finite, so units cannot be matched by them"):
        matched_by_activations(traced, where, sums)


def test_a_unit_that_never_fires_goes_with_none():
    zeros = np.zeros(2)
    sums = Sums(10, np.array([zeros, [1.0, 2.0]]), np.array([zeros, [4.0, 5.0]]), np.zeros((2, 2)))
    np.testing.assert_array_equal(sums.correlation(), 0.0)


def test_groups_whose_values_no_node_has_stay_as_they_are():
    network, traced, data = looked_at("mlp")
    where = sites(traced)
    assert unseen(traced, where) == []
    other = permuted(traced.symmetries, network.tensors, drawn(traced.symmetries, np.random.default_rng(1)))
    found = matched_by_activations(traced, where[1:], summed(traced, where[1:], network.tensors, other, data))
    assert unseen(traced, where[1:]) == ["0.weight:0"]
    assert is_identity(found[:1])
    assert not is_identity(found[1:])
