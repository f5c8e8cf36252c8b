"""Data sets of a user's own, by import string."""

import pytest
import torch

from pathsearch.errors import PathsearchError
from pathsearch.objectives.data import Custom


class Squares(torch.utils.data.Dataset):
    """A data set of a user's own, with real-valued targets."""

    def __init__(self, count):
        self.count = count

    def __len__(self):
        return self.count

    def __getitem__(self, i):
        return torch.tensor([float(i), 1.0]), float(i * i)


def test_any_dataset_by_import_string():
    target = f"{__name__}:Squares"
    data = Custom(target=target, train_args={"count": 5}, test_args={"count": 2}).load()
    assert data.train.inputs.tolist()[3] == [3.0, 1.0]
    assert data.train.targets.tolist() == [0, 1, 4, 9, 16]
    assert data.outputs == 1
    assert not data.standardise
    with pytest.raises(PathsearchError, match="is empty"):
        Custom(target=target, train_args={"count": 0}, test_args={"count": 2}).load()


def test_a_constructor_that_fails_is_named_with_its_arguments():
    with pytest.raises(
        PathsearchError, match=rf"{__name__}:Squares, made with train_args {{'size': 3}}, raised TypeError"
    ):
        Custom(target=f"{__name__}:Squares", train_args={"size": 3}).load()
