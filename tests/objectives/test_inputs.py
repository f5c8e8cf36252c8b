"""A network that cannot take the data is named, with what it was given and torch's own reason, in one line."""

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils.data import TensorDataset

import pathsearch
from pathsearch.errors import PathsearchError

PICTURES = TensorDataset(torch.rand(40, 1, 8, 8), torch.arange(40) % 3)
TOKENS = TensorDataset(torch.arange(240).reshape(40, 6) % 9, torch.arange(240).reshape(40, 6) % 9)


class Own(nn.Linear):
    def __init__(self):
        super().__init__(4, 3)


class Ids(nn.Embedding):
    def __init__(self):
        super().__init__(4, 3)


def loss(model, batch):
    inputs, targets = batch
    return cross_entropy(model(inputs), targets, reduction="sum"), len(targets)


def own_fault(model, batch):
    model(batch[0].flatten(1)[:, :4])
    raise ValueError("mine")


NO_CONVOLUTION = r"RuntimeError: Expected 3D .* to conv2d, but got input of size: \[16, 2\]"
NO_PRODUCT = r"RuntimeError: mat1 and mat2 shapes cannot be multiplied \(128x8 and 4x3\)"
OF_PICTURES = r"; the network was given inputs of shape \(16, 1, 8, 8\), float32"
GIVEN = {
    "gpt on points": (
        "gpt",
        "moons",
        {},
        "gpt takes token ids, which are whole numbers, and the inputs here are real ones: name data",
    ),
    "gpt on pictures": ("gpt", "digits", {}, r"gpt takes windows of token ids, .* inputs have shape \(1, 8, 8\)"),
    "vit on points": ("vit", "moons", {}, r"vit takes pictures .* inputs have shape \(2,\)"),
    "cnn on points": (
        "cnn",
        "moons",
        {},
        rf"objective\.model cnn raised {NO_CONVOLUTION}; the network was given inputs of shape \(16, 2\), float32",
    ),
    "another shape": (Own, PICTURES, {}, rf"Own raised {NO_PRODUCT}{OF_PICTURES}"),
    "another dtype": (
        Own,
        TOKENS,
        {"loss": "next_token"},
        r"Own raised RuntimeError: .*dtype.*; the network was given inputs of shape \(16, 6\), int64",
    ),
    "real numbers for ids": (Ids, PICTURES, {}, rf"Ids raised RuntimeError: .*'indices'.*Long.*{OF_PICTURES}"),
    "by a loss of one's own": (
        Own,
        PICTURES,
        {"loss": loss},
        rf"objective\.loss loss raised {NO_PRODUCT}.*{OF_PICTURES}",
    ),
}


@pytest.mark.parametrize("case", GIVEN)
def test_what_a_network_cannot_take_is_said_in_a_line(case):
    model, data, options, says = GIVEN[case]
    with pytest.raises(PathsearchError, match=f"^{says}") as error:
        pathsearch.network(model=model, data=data if isinstance(data, str) else (data, data), batch=8, **options)
    assert "\n" not in str(error.value)


def test_a_fault_of_the_loss_is_none_of_the_inputs():
    with pytest.raises(PathsearchError, match=r"objective\.loss own_fault raised ValueError: mine") as error:
        pathsearch.network(model=Own, data=(PICTURES, PICTURES), batch=8, loss=own_fault)
    assert "was given" not in str(error.value)


def test_nothing_of_the_look_stays_with_the_network():
    points = TensorDataset(torch.rand(40, 4), torch.arange(40) % 3)
    module = pathsearch.network(model=Own, data=(points, points), batch=8).module
    assert not module._forward_pre_hooks
    assert not module._forward_hooks
