"""Inputs for a module that nobody gave any."""

import pytest
import torch
from torch import nn

from pathsearch.alignment.example import example
from pathsearch.errors import PathsearchError


@pytest.mark.parametrize(
    ("module", "shape"),
    [
        (nn.Sequential(nn.Linear(4, 3)), (4, 4)),
        (nn.Sequential(nn.Embedding(7, 3), nn.Linear(3, 2)), (4, 8)),
        (nn.Sequential(nn.Conv2d(3, 2, 3), nn.Flatten(), nn.Linear(2 * 26 * 26, 2)), (4, 3, 28, 28)),
        (nn.Sequential(nn.Conv1d(3, 2, 3), nn.ReLU()), (4, 3, 32)),
    ],
    ids=["vectors", "words", "pictures", "sequences"],
)
def test_the_first_layer_tells(module, shape):
    module.train()
    (given,) = example(module)
    assert given.shape == shape
    assert module.training
    module(given)


def test_what_cannot_be_told_is_asked_for():
    with pytest.raises(PathsearchError, match="cannot be told from its first layer: give example="):
        example(nn.Bilinear(2, 3, 4))


def test_a_network_on_the_meta_device_has_no_values_to_try():
    with torch.device("meta"):
        module = nn.Sequential(nn.Linear(4, 3))
    assert example(module)[0].shape == (4, 4)
