"""Picture data sets: the files of MNIST as torchvision reads them, folders of images, real CIFAR-10 where it is."""

import errno
import fcntl
import io
import json
import os
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pathsearch.errors import PathsearchError
from pathsearch.objectives.data import Folder, Torchvision, cache
from tests.commands import pathsearch

ARCHIVE = Path(__file__).resolve().parents[4] / "shared" / "data" / "cifar10-jpeg.tar.xz"


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


def picture(file, size=(8, 6), value=0):
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (value, 2 * value, 3 * value)).save(file)


def test_folders_of_images_are_decoded_once(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for part, values in (("train", (10, 20, 30)), ("test", (40,))):
        for kind in ("cat", "dog"):
            for value in values:
                picture(tmp_path / "data" / part / kind / f"{value}.png", value=value)
    settings = Folder(root=str(tmp_path / "data"))
    data = settings.load()
    assert data.train.inputs.shape == (6, 3, 6, 8)
    assert data.train.inputs.dtype == torch.uint8
    assert data.train.inputs[1, :, 0, 0].tolist() == [20, 40, 60]
    assert data.train.targets.tolist() == [0, 0, 0, 1, 1, 1]
    assert len(list((tmp_path / "cache" / "pathsearch").glob("*.npy"))) == 2
    monkeypatch.setattr("pathsearch.objectives.data.pictures.decoded", None)  # not needed a second time
    torch.testing.assert_close(settings.load().train.inputs, data.train.inputs)


def test_pictures_of_other_sizes_need_a_size(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for part in ("train", "test"):
        picture(tmp_path / part / "cat" / "a.png")
        picture(tmp_path / part / "cat" / "b.png", size=(9, 9))
    with pytest.raises(PathsearchError, match=r"b\.png is not of the first image's size"):
        Folder(root=str(tmp_path)).load()
    assert Folder(root=str(tmp_path), size=4).load().train.inputs.shape == (2, 3, 4, 4)


def pixels(value=1):
    return np.full((2, 3, 4, 4), value, np.uint8)


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "pathsearch"


def test_nothing_is_left_where_there_is_no_room_for_the_cache(store, monkeypatch):
    def full(file, array, allow_pickle):
        file.write(b"some")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    cache.keep("a", pixels())
    assert list(store.iterdir()) == []
    assert cache.kept("a", 2) is None


def test_what_a_killed_writer_left_is_removed_and_what_a_live_one_writes_is_not(store):
    store.mkdir()
    dead, live = store / f"b.dead{cache.SUFFIX}", store / f"b.live{cache.SUFFIX}"
    dead.write_bytes(b"some")
    with live.open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        cache.keep("a", pixels())
        assert sorted(store.iterdir()) == [store / "a.npy", live]
    cache.keep("a", pixels(2))
    assert list(store.iterdir()) == [store / "a.npy"]
    np.testing.assert_array_equal(cache.kept("a", 2), pixels(2))


def test_without_locks_only_an_old_file_of_a_writer_is_removed(store, monkeypatch):
    def none(handle, how):
        raise OSError(errno.ENOLCK, "No locks available")

    store.mkdir()
    old, new = store / f"b.old{cache.SUFFIX}", store / f"b.new{cache.SUFFIX}"
    for file in (old, new):
        file.write_bytes(b"some")
    os.utime(old, (0, 0))
    monkeypatch.setattr(fcntl, "flock", none)
    cache.keep("a", pixels())
    assert sorted(store.iterdir()) == [store / "a.npy", new]


def test_a_cache_of_another_count_is_none(store):
    cache.keep("a", pixels())
    assert cache.kept("a", 2) is not None
    assert cache.kept("a", 3) is None


def test_a_user_without_a_home_has_no_cache(monkeypatch):
    monkeypatch.setattr(cache, "user_folder", lambda kind: None)
    cache.keep("a", pixels())
    assert cache.kept("a", 2) is None


def test_classes_that_one_part_lacks_are_named(tmp_path, store):
    for file in ("train/cat/1", "train/dog/1", "test/cat/1"):
        picture(tmp_path / f"{file}.png")
    with pytest.raises(PathsearchError, match="only train/ has dog"):
        Folder(root=str(tmp_path)).load()


@pytest.mark.skipif(not ARCHIVE.exists(), reason=f"real CIFAR-10 images are not at {ARCHIVE}")
def test_a_resnet_on_real_cifar10_from_images_to_path(tmp_path):
    """20 + 5 images a class: batch norm, augmentation, AutoNEB cycles, folder of JPEGs, end to end."""
    kept: dict[str, int] = {}
    with tarfile.open(ARCHIVE) as archive:
        for member in archive:
            folder = str(Path(member.name).parent)
            if member.isfile() and kept.get(folder, 0) < (20 if "train" in folder else 5):
                kept[folder] = kept.get(folder, 0) + 1
                picture_file = tmp_path / "data" / member.name.removeprefix("./")
                picture_file.parent.mkdir(parents=True, exist_ok=True)
                content = archive.extractfile(member)
                assert content is not None
                picture_file.write_bytes(io.BytesIO(content.read()).getvalue())
            if len(kept) == 20 and sum(kept.values()) == 10 * 25:
                break
    train = "{name: sgd, lr: 0.05, schedule: one-cycle}"
    pathsearch(
        "run",
        "cifar10-resnet20",
        "objective.model=resnet8",
        f"objective.data={{name: folder, root: {tmp_path / 'data'}, augment: true}}",
        "objective.batch=50",
        f"endpoints={{start: {{train: {{seed: 0, steps: 60, optimizer: {train}}}}}, "
        f"end: {{train: {{seed: 1, steps: 60, optimizer: {train}}}}}}}",
        "method.cycles=[{steps: 15, insert: {rule: equal, count: 2}}, {insert: {rule: highest, count: 1, batches: 2}}]",
        "optimizer.lr=0.05",
        "measure={points: 9, tolerance: 0.1, plane: 0}",
        "--out",
        "run",
        cwd=tmp_path,
    )
    found = json.loads(pathsearch("show", "run", "--json", cwd=tmp_path).stdout)
    assert found["parameters"] == 78_042
    assert found["pivots"] >= 4
    assert found["linear"]["train_error"]["start"] < 0.75  # it has learnt something: chance is 0.9
    assert found["path"]["train_loss"]["max"] < found["linear"]["train_loss"]["max"]
