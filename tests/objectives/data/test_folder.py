"""Folders of pictures; real CIFAR-10 where it is."""

import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pathsearch.errors import PathsearchError
from pathsearch.numerics.seeds import Key
from pathsearch.objectives import NetworkSettings, opening
from pathsearch.objectives.data import Folder
from tests.commands import pathsearch

ARCHIVE = Path(__file__).resolve().parents[4] / "shared" / "data" / "cifar10-jpeg.tar.xz"


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
    monkeypatch.setattr("pathsearch.objectives.data.pictures.Pictures.decoded", None)  # not needed a second time
    torch.testing.assert_close(settings.load().train.inputs, data.train.inputs)


def test_pictures_of_other_sizes_need_a_size(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for part in ("train", "test"):
        picture(tmp_path / part / "cat" / "a.png")
        picture(tmp_path / part / "cat" / "b.png", size=(9, 9))
    with pytest.raises(PathsearchError, match=r"b\.png is not of the first image's size"):
        Folder(root=str(tmp_path)).load()
    assert Folder(root=str(tmp_path), size=4).load().train.inputs.shape == (2, 3, 4, 4)


def test_classes_that_one_part_lacks_are_named(tmp_path):
    for file in ("train/cat/1", "train/dog/1", "test/cat/1"):
        picture(tmp_path / f"{file}.png")
    with pytest.raises(PathsearchError, match="only train/ has dog"):
        Folder(root=str(tmp_path)).load()


def noisy(root, count=7, size=(5, 5)):
    """Pictures of noise of two classes, one more for training than for the test."""
    for part, more in (("train", 1), ("test", 0)):
        for n in range(count + more):
            pixels = np.random.default_rng(n).integers(0, 256, (*size, 3), dtype=np.uint8)
            file = root / part / ("cat", "dog")[n % 2] / f"{n}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(file)


def opened(root, room, **options):
    settings = NetworkSettings.model_validate(
        {"model": "cnn", "data": {"name": "folder", "root": str(root), "augment": True, **options}, "batch": 3}
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(opening, "room", lambda device: room)
        return settings.open(None, torch.device("cpu"), root)


def test_pictures_that_do_not_fit_are_decoded_when_drawn_with_the_same_losses(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    noisy(tmp_path)
    held, streamed = opened(tmp_path, 2000), opened(tmp_path, 100, workers=2)
    assert held.remarks == []
    assert [line.partition(" of ")[0] for line in streamed.remarks] == ["the training set", "the test set"]
    weights = held.initial(0)
    for step in range(4):
        for mine, theirs in zip(
            streamed.loss_and_gradient(weights, Key(1, step)), held.loss_and_gradient(weights, Key(1, step))
        ):
            assert torch.equal(mine, theirs)
    assert streamed.measure(weights) == held.measure(weights)
    monkeypatch.setattr("pathsearch.objectives.streamed.moments", None)  # they are kept
    assert opened(tmp_path, 100, workers=0).measure(weights) == held.measure(weights)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_picture_that_cannot_be_decoded_is_named_before_anything_is_trained(workers, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    noisy(tmp_path)
    (tmp_path / "train" / "dog" / "5.png").write_bytes(b"no picture")
    with pytest.raises(PathsearchError, match=r"picture .*train/dog/5\.png of objective\.data raised Unidentified"):
        opened(tmp_path, 100, workers=workers)
    picture(tmp_path / "train" / "dog" / "5.png", size=(9, 9))
    with pytest.raises(PathsearchError, match=r"dog/5\.png is not of the first image's size"):
        opened(tmp_path, 100, workers=workers)


@pytest.mark.skipif(not ARCHIVE.exists(), reason=f"real CIFAR-10 images are not at {ARCHIVE}")
def test_a_resnet_on_real_cifar10_from_images_to_path(tmp_path):
    """50 + 10 images a class, at half their size: batch norm, augmentation, AutoNEB, folder of JPEGs, end to end."""
    kept: dict[str, int] = {}
    with tarfile.open(ARCHIVE) as archive:  # the training set comes first: the rest is not unpacked
        for member in archive:
            kind = Path(member.name).parent.name
            if member.isfile() and kept.setdefault(kind, 0) < 60:
                file = tmp_path / "data" / ("train" if kept[kind] < 50 else "test") / kind / Path(member.name).name
                file.parent.mkdir(parents=True, exist_ok=True)
                content = archive.extractfile(member)
                assert content is not None
                file.write_bytes(content.read())
                kept[kind] += 1
            if list(kept.values()) == 10 * [60]:
                break
    train = "{name: sgd, lr: 0.05, schedule: one-cycle}"
    pathsearch(
        "run",
        "cifar10-resnet20",
        "objective.model=resnet8",
        f"objective.data={{name: folder, root: {tmp_path / 'data'}, size: 16, augment: true}}",
        "objective.batch=100",
        f"endpoints={{start: {{train: {{seed: 0, steps: 60, optimizer: {train}}}}}, "
        f"end: {{train: {{seed: 1, steps: 60, optimizer: {train}}}}}}}",
        "method.cycles=[{steps: 15, insert: {rule: equal, count: 2}}, {insert: {rule: highest, count: 1, batches: 2}}]",
        "optimizer.lr=0.05",
        "measure={points: 9, tolerance: 0.01, plane: 0}",
        "--out",
        "run",
        cwd=tmp_path,
    )
    found = json.loads(pathsearch("show", "run", "--json", cwd=tmp_path).stdout)
    assert found["parameters"] == 78_042
    assert found["pivots"] >= 4
    assert found["linear"]["train_error"]["start"] < 0.75  # it has learnt something: chance is 0.9
    assert found["path"]["train_loss"]["max"] < found["linear"]["train_loss"]["max"]
