"""Data sets that torchvision reads."""

import numpy as np
import pytest

from pathsearch.errors import PathsearchError
from pathsearch.objectives.data import Torchvision


def write_idx(file, array):
    """MNIST's own format: magic number with type and rank, sizes, bytes."""
    file.write_bytes(
        bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape) + array.tobytes()
    )


def test_mnist_is_read_from_its_files(tmp_path, rng):
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    wanted = {}
    for part, stem, count in (("train", "train", 12), ("test", "t10k", 5)):
        wanted[part] = rng.integers(0, 256, (count, 28, 28), dtype=np.uint8), np.arange(count, dtype=np.uint8) % 10
        write_idx(raw / f"{stem}-images-idx3-ubyte", wanted[part][0])
        write_idx(raw / f"{stem}-labels-idx1-ubyte", wanted[part][1])
    data = Torchvision(name="mnist", root=str(tmp_path)).load()
    for part in ("train", "test"):
        split = getattr(data, part)
        np.testing.assert_array_equal(split.inputs[:, 0], wanted[part][0])
        np.testing.assert_array_equal(split.targets, wanted[part][1])
    assert data.outputs == 10


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist", "cifar10", "cifar100"])
def test_missing_files_say_how_to_get_them(name, tmp_path):
    with pytest.raises(PathsearchError, match=r"set objective\.data\.root .* or objective\.data\.download=true"):
        Torchvision(name=name, root=str(tmp_path)).load()
