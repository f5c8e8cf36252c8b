"""A network objective as what alignment permutes."""

import numpy as np
import torch
from torch import nn

import pathsearch
from pathsearch.alignment.groups import drawn, inverse, permuted
from pathsearch.objectives.symmetric import matched_on_data, symmetric
from tests.objectives.networks import objective


def network():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, stride=2), nn.BatchNorm2d(6), nn.ReLU(), nn.Flatten(), nn.Linear(54, 7), nn.ReLU(),
        nn.Linear(7, 4),
    )  # fmt: skip


def test_units_of_a_permuted_network_are_found_by_what_they_put_out_on_the_training_set():
    live = objective(network)
    live.chunk = 20  # 70 examples are 18, 18, 17 and 17
    weights = torch.randn(live.size, generator=torch.Generator().manual_seed(1), dtype=torch.float64) / 3
    symmetries = symmetric(live).traced().symmetries
    planted = drawn(symmetries, np.random.default_rng(2))
    tensors = dict(zip(live.names, live.coordinates.parts(weights)))
    moved = permuted(symmetries, tensors, planted)
    other = torch.cat([moved[name].reshape(-1) for name in live.names])
    atoms, found, examples, stay = matched_on_data(live, weights, other)
    assert (atoms, examples, stay) == (symmetries.atoms, 68, [])
    assert len(found) == 2
    for one, expected in zip(found, inverse(symmetries, planted)):
        np.testing.assert_array_equal(one, expected)


def test_the_network_of_a_search_is_left_as_it_was():
    live = pathsearch.network(model="mlp", data="digits", batch=32)
    matched_on_data(live, live.initial(0), live.initial(1))
    assert not live.module._forward_hooks
