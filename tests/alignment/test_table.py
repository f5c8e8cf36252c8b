"""Groups by hand: what tracing finds, found in a table, and tables that do not fit."""

import numpy as np
import pytest
import torch
from torch import nn

from pathsearch.alignment.groups import drawn, permuted
from pathsearch.alignment.matching import matched
from pathsearch.alignment.permutable import permutable
from pathsearch.alignment.table import by_hand
from pathsearch.alignment.verify import off_by
from pathsearch.errors import PathsearchError


def cnn():
    torch.manual_seed(0)
    body = [
        nn.Conv2d(1, 4, 3),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(4 * 9, 5),
        nn.ReLU(),
        nn.Linear(5, 2),
    ]
    return permutable(nn.Sequential(*body).eval(), [torch.randn(2, 1, 5, 5)])


TABLE = {
    "0.weight": ["channels", None, None, None],
    "0.bias": ["channels"],
    "1.weight": ["channels"],
    "1.bias": ["channels"],
    "1.running_mean": ["channels"],
    "1.running_var": ["channels"],
    "4.weight": ["hidden", "channels*9"],
    "4.bias": ["hidden"],
    "6.weight": [None, "hidden"],
}


def test_a_table_says_what_a_trace_finds():
    network = cnn()
    tensors = {name: network.tensors[name] for name in (*network.free, *network.statistics)}
    by, traced = by_hand(TABLE, tensors, network.statistics), network.traced().symmetries
    assert [(atom.name, atom.size) for atom in by.atoms] == [(atom.name, atom.size) for atom in traced.atoms]
    assert {block.tensor for block in by.moved} == {"1.running_mean", "1.running_var"}
    permutations = drawn(by, np.random.default_rng(0))
    assert off_by(network, by, permutations) < 1e-12
    copy = permuted(by, network.tensors, permutations)
    back = permuted(by, copy, matched(by, network.tensors, copy))
    assert all(torch.equal(back[name], each) for name, each in network.tensors.items())


def test_segments_and_products():
    found = by_hand(
        {"a": ["x"], "b": ["y*2"], "c": ["x + y*2"]}, {"a": torch.zeros(3), "b": torch.zeros(8), "c": torch.zeros(11)}
    )
    assert [(atom.name, atom.size) for atom in found.atoms] == [("a:0", 3), ("b:0", 4)]
    assert [(block.tensor, block.parts, block.shape, block.atoms) for block in found.blocks[2:]] == [
        ("c", ((0, 3),), (3,), (0,)),
        ("c", ((3, 11),), (4, 2), (1, None)),
    ]


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ([1], "a table of groups is a mapping"),
        ({}, "a table of groups is a mapping"),
        ({"c": ["x"]}, "no parameter 'c'"),
        ({"a": ["x"]}, "a has 2 axes, of sizes (6, 4): give a list of as many entries"),
        ({"a": ["x", None], "b": ["x"]}, "b, axis 0 has 5 units, x has 6"),
        ({"a": ["x*4", None]}, "a, axis 0: 6 units are no x*4"),
        ({"a": ["x*y", None]}, "the sizes of x*y cannot be told"),
        ({"a": ["x y", None]}, "'x y' is to be names and numbers"),
    ],
)
def test_tables_that_do_not_fit(table, said):
    with pytest.raises(PathsearchError) as raised:
        by_hand(table, {"a": torch.zeros(6, 4), "b": torch.zeros(5)})
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)
