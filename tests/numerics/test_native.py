import numpy as np
import pytest
import torch

from pathsearch.numerics.native import native


@pytest.mark.parametrize("dtype", [">f8", ">f4", "f4", "f2", ">i2", "i8", "u1", ">u2", "u4", "longdouble", ">c8", "?"])
def test_torch_takes_them_and_the_numbers_are_the_same(dtype):
    array = np.array([1, 0, 3]).astype(dtype)
    np.testing.assert_array_equal(torch.from_numpy(native(array)).numpy(), array)


def test_what_torch_takes_is_not_copied():
    for dtype in ("f4", "f8", "i8", "u1"):
        array = np.zeros(3, dtype)
        assert np.shares_memory(native(array), array)
