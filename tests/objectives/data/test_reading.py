"""Data sets of a user's own, read item by item."""

import numpy as np
import pytest
import torch
from PIL import Image

from pathsearch.errors import PathsearchError
from tests.objectives.sources import read


class Items(torch.utils.data.Dataset):
    def __init__(self, items):
        self.items = items

    def __len__(self):
        return len(self.items)

    def __getitem__(self, i):
        if isinstance(self.items[i], BaseException):
            raise self.items[i]
        return self.items[i]


class Endless(torch.utils.data.IterableDataset):
    def __iter__(self):
        yield from [(torch.zeros(2), 0)]


class Reused(Items):
    """Gives the same memory each time, as readers of large files do."""

    memory = torch.zeros(2)

    def __getitem__(self, i):
        return self.memory.fill_(i), i


GOOD = (torch.zeros(2), 1)


PICTURE = Image.new("RGB", (2, 2))


BAD = {
    "a data set without a length": (Endless(), "x gives a Endless, and must give a Dataset with __len__"),
    "no data set": (3, "x gives a int"),
    "a picture": (Items([GOOD, (PICTURE, 0)]), r"the input of item 1 of x is a picture: add .*ToTensor\(\)"),
    "a triple among pairs": (
        Items([GOOD, (torch.zeros(2), 0, 0)]),
        r"item 1 of x is made of \[0\], \[1\], \[2\], item 0",
    ),
    "a dictionary among pairs": (
        Items([GOOD, {"x": 1}]),
        r"item 1 of x is made of \['x'\], item 0 .* all must be made",
    ),
    "text in a dictionary": (Items([{"x": "a"}]), r"\['x'\] of item 0 of x is a str"),
    "nothing": (Items([{}]), "item 0 of x holds no tensors"),
    "another shape": (
        Items([GOOD, (torch.zeros(3), 0)]),
        r"item 1 of x has shape \(3,\), item 0 has \(2,\): .* objective.data.collate must make a batch of them",
    ),
    "text": (Items([("a b", 0)]), "the input of item 0 of x is a str"),
    "no target": (Items([GOOD, (torch.zeros(2), None)]), "the target of item 1 of x is a NoneType"),
    "an error": (Items([GOOD, KeyError("k")]), "item 1 of x raised KeyError: 'k'"),
    "an exit": (Items([GOOD, SystemExit(3)]), "item 1 of x raised SystemExit: 3"),
    "an end": (Items([GOOD, StopIteration()]), r"item 1 of x raised StopIteration \("),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_read_is_named(case):
    dataset, says = BAD[case]
    with pytest.raises(PathsearchError, match=says) as caught:
        read(dataset, "x")
    assert len(str(caught.value).splitlines()) == 1


def test_ctrl_c_while_reading_passes():
    with pytest.raises(KeyboardInterrupt):
        read(Items([KeyboardInterrupt()]), "x")


@pytest.mark.parametrize("dtype", [">f4", "<f8", "longdouble", "u2", ">u4", "i1", "bool"])
def test_arrays_of_any_type(dtype):
    rows = np.array([[1, 0, 1], [0, 1, 1]]).astype(dtype)
    split = read(Items([(row, row[0]) for row in rows]), "x")
    assert split.inputs.tolist() == rows.tolist()
    assert split.targets.tolist() == [1, 0]
    assert split.inputs.is_floating_point() == (np.dtype(dtype).kind == "f")
    assert split.inputs[torch.tensor([1])].tolist() == rows[[1]].tolist()  # torch has types that it cannot index


def test_memory_that_is_used_again_and_mixed_types():
    assert read(Reused([0, 1, 2]), "x").inputs.tolist() == [[0, 0], [1, 1], [2, 2]]
    mixed = read(Items([(torch.tensor([1]), 0), (torch.tensor([0.5]), 1.5)]), "x")
    assert mixed.inputs.tolist() == [[1.0], [0.5]]
    assert mixed.targets.tolist() == [0.0, 1.5]
