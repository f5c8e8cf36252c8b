"""Verification: a wrong table is refused whatever the outputs are like, and right ones pass."""

import pytest
import torch
from torch import nn

import pathsearch
from pathsearch.errors import PathsearchError

MASK = torch.tensor([True, False, False, False])


class Net(nn.Module):
    def __init__(self, seed, after):
        super().__init__()
        torch.manual_seed(seed)
        self.f, self.g, self.after = nn.Linear(5, 6), nn.Linear(6, 4), after

    def forward(self, x):
        return self.after(self.g(torch.relu(self.f(x))))


class Thing:
    def __init__(self, scores):
        self.scores = scores


RIGHT = {"f.weight": ["h", None], "f.bias": ["h"], "g.weight": [None, "h"]}
WRONG = {"f.weight": ["h", None], "f.bias": ["h"]}
FITTING = {
    "plain": lambda y: y,
    "masked": lambda y: y.masked_fill(MASK, -float("inf")),
    "no numbers in part": lambda y: torch.where(MASK, y * float("nan"), y),
    "tiny": lambda y: y * 1e-10,
    "with what is whole": lambda y: (y, y.argmax(1)),
}


@pytest.mark.parametrize("name", list(FITTING))
def test_a_wrong_table_is_refused_and_a_right_one_is_not(name):
    one, other = (Net(seed, FITTING[name]) for seed in (0, 1))
    with pytest.raises(PathsearchError, match=r"to permute group f\.weight:0 changes what the network works out"):
        pathsearch.align(one, one, other, table=WRONG)
    assert pathsearch.align(one, one, other, table=RIGHT).moved


@pytest.mark.parametrize("after", [Thing, lambda y: y.argmax(1)], ids=["object", "whole numbers"])
def test_outputs_that_show_nothing_are_refused(after):
    one, other = (Net(seed, after) for seed in (0, 1))
    with pytest.raises(PathsearchError, match="the network gives no real numbers"):
        pathsearch.align(one, one, other, table=RIGHT)


def test_a_network_that_fails_on_its_examples_is_one_line():
    one, other = (Net(seed, lambda y: y) for seed in (0, 1))
    with pytest.raises(PathsearchError, match="fails on the examples it is tried on: RuntimeError: mat1 and mat2"):
        pathsearch.align(one, one, other, table=RIGHT, example=torch.randn(3, 9))


@pytest.mark.parametrize(
    "nothing",
    [lambda y: y.new_zeros(len(y), 0), lambda y: y[:, :0].reshape(len(y), 0), lambda y: y[:, :0]],
    ids=["made", "viewed", "cut"],
)
def test_nothing_put_beside_something_is_nothing(nothing):
    one, other = (Net(seed, lambda y: torch.cat([y, nothing(y)], 1)) for seed in (0, 1))
    assert pathsearch.align(one, one, other).moved
