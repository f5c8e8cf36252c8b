"""Data sets of a user's own, by import string."""

from pathlib import Path

import numpy as np
import pytest
import torch

from pathsearch.errors import PathsearchError
from pathsearch.numerics.seeds import Key
from pathsearch.objectives import LossSettings, ModelSettings, opening
from pathsearch.objectives.batches import Given, Held
from pathsearch.objectives.data import Custom, Split
from pathsearch.objectives.data.live import data_of
from pathsearch.objectives.data.made import Made
from pathsearch.objectives.streamed import Streamed
from tests.objectives import sources

HOW = Given(torch.float64, torch.device("cpu"), size=4)
SOURCES = sources.__name__


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
    called = f"{__name__}:Squares"
    with pytest.raises(PathsearchError, match=rf"{called}, made with train_args {{}}, raised TypeError"):
        Custom(target=called).load()
    with pytest.raises(PathsearchError, match=rf"data.train_args of {called}: no argument 'size': there are count"):
        Custom(target=called, train_args={"size": 3}).load()


def bits(one, other, key=Key(3, 5)):
    """Whether two batches have the same examples at a step and in measuring."""
    for mine, theirs in ((one.draw(key), other.draw(key)), (one.whole(9), other.whole(9))):
        for (inputs, targets), (wanted, classes) in zip(mine, theirs, strict=True):
            torch.testing.assert_close(inputs, wanted, rtol=0, atol=0)
            assert torch.equal(targets, classes)


def test_what_does_not_fit_is_read_when_it_is_drawn_with_the_same_bits():
    settings = Custom(target=f"{SOURCES}:Noisy", train_args={"count": 30}, test_args={"count": 2}, workers=2)
    held, data = settings.load(), settings.load(room=4000)
    assert data.outputs == 3  # its classes
    assert isinstance(data.test, Split)
    assert data.remarks == (
        "the training set of 13.2 kB is read as it is drawn, by 2 processes ahead, each of which makes it anew "
        "(none does with objective.data.workers=0): it does not fit in 4 kB, a quarter of the memory that is free",
    )
    bits(Streamed(data.train, HOW, False, None, data.workers), Held(held.train, HOW, False))


def test_a_set_that_is_drawn_anew_is_measured_as_first_drawn():
    plain = Custom(target=f"{SOURCES}:Noisy", workers=0)
    held, data = plain.load(), plain.model_copy(update={"redraw": True}).load()
    streamed, fixed = Streamed(data.train, HOW, False), Held(held.train, HOW, False)
    assert data.remarks == ("the training set is read as it is drawn, without processes that read ahead",)
    assert torch.equal(next(streamed.whole(99))[0], next(fixed.whole(99))[0])
    assert not torch.equal(next(streamed.draw(Key(0, 0)))[0], next(fixed.draw(Key(0, 0)))[0])
    assert isinstance(data.test, Split)


def test_a_process_opens_files_of_its_own(tmp_path):
    (tmp_path / "bytes").write_bytes(bytes(range(200)))
    arguments = {"file": str(tmp_path / "bytes")}
    settings = Custom(target=f"{SOURCES}:Opened", train_args=arguments, test_args=arguments, workers=3)
    streamed = Streamed(settings.load(room=0).train, HOW, False, None, 3)
    assert torch.cat([inputs for inputs, _ in streamed.whole(5)])[:, 0].tolist() == list(range(200))


def test_a_collate_makes_the_batches_of_items_that_are_kept_or_not():
    settings = Custom(
        target=f"{SOURCES}:lines", train_args={"count": 9}, test_args={"count": 2}, collate=f"{SOURCES}:padded"
    )
    kept, read = settings.load(), settings.load(room=100)
    assert kept.train.cheap
    assert kept.remarks == ()
    assert not read.train.cheap
    for data in (kept, read):
        (batch,) = Streamed(data.train, HOW, False, None, 1).draw(Key(0, 0))
        assert batch.ids.shape == batch.mask.shape
        assert batch.mask.dtype == torch.bool
        assert batch.ids[~batch.mask].sum() == 0
    with pytest.raises(PathsearchError, match=r"item 1 of .* has shape \(2,\), item 0 has \(1,\): .*collate"):
        settings.model_copy(update={"collate": None}).load()
    with pytest.raises(PathsearchError, match=r"collate builtins:len gives no tensors"):
        next(Streamed(settings.model_copy(update={"collate": "builtins:len"}).load().train, HOW).draw(Key(0, 0)))


def test_objects_of_a_program_are_held_or_read_with_the_same_bits():
    alone = sources.Noisy(30)
    for given in (alone, (alone, sources.Noisy(4))):
        held, read = data_of(given), data_of(given, room=0)
        for mine, theirs in ((read.train, held.train), (read.test, held.test)):
            bits(Streamed(mine, HOW, False, None, 1), Held(theirs, HOW, False))
        assert read.outputs == held.outputs == 3
        assert read.workers == 0  # another process would move the places in files that it shares with this one
    assert len(held.train.inputs) == 30
    assert len(data_of(alone).train.inputs) == 24
    made = Made(None, "f", "train", 2), Made(None, "f", "test", 2)
    assert data_of(made).train is made[0]
    with pytest.raises(PathsearchError, match="network: data is a source: give a pair"):
        data_of(made[0])


def greedy(items):
    """Takes its items apart, as a collate may."""
    batch = torch.stack([item.pop("x").mul_(2) for item in items])
    return {"x": batch, "drawn": torch.rand(len(items))}


def rows(count):
    return [{"x": torch.full((2,), float(n))} for n in range(count)]


def test_a_collate_may_write_to_items_that_are_kept():
    settings = Custom(
        target=f"{__name__}:rows", train_args={"count": 4}, test_args={"count": 2}, collate=f"{__name__}:greedy"
    )
    train = Streamed(settings.load().train, HOW, False)
    assert train.source.cheap
    for _ in range(2):
        assert next(train.whole(4))["x"][:, 0].tolist() == [0, 2, 4, 6]


def test_a_collate_draws_anew_where_items_are():
    settings = Custom(
        target=f"{SOURCES}:Noisy", train_args={"count": 4}, collate=f"{__name__}:drawn", redraw=True, workers=0
    )
    data = settings.load()
    drawn_at = [float(next(Streamed(data.train, HOW, False).draw(Key(0, step)))) for step in (0, 1, 1)]
    assert drawn_at[0] != drawn_at[1] == drawn_at[2]


def drawn(items):
    return torch.rand(1)


def test_items_that_are_kept_for_a_collate_take_room():
    arguments = {"count": 10, "side": 6}
    settings = Custom(
        target=f"{SOURCES}:Noisy", train_args=arguments, test_args=arguments, collate=f"{__name__}:drawn", workers=0
    )
    data = settings.load(room=6000)  # of 4400 bytes each
    assert (data.train.cheap, data.test.cheap) == (True, False)


class Narrow(torch.utils.data.Dataset):
    """Few classes at first, as bytes, and one more at the end."""

    def __len__(self):
        return 70

    def __getitem__(self, i):
        return torch.tensor([float(i), 1.0]), np.uint8(i % 2 if i < 69 else 2)


def test_classes_do_not_depend_on_whether_the_set_is_held():
    options = LossSettings(batch=4, dtype="float64")
    model = opening.model_of(ModelSettings(name="mlp"), Path())
    settings = Custom(target=f"{__name__}:Narrow", workers=0)
    network = lambda settings, room: opening.network(options, model, settings.load(room=room), False, HOW.device)
    held = network(settings, float("inf"))
    with pytest.raises(PathsearchError, match=r"mlp: data that are read .* set objective.data.outputs"):
        network(settings, 0)
    told = network(settings.model_copy(update={"outputs": 3}), 0)
    assert told.size == held.size
    for mine, theirs in zip(told.train.whole(99), held.train.whole(99), strict=True):
        assert mine[1].dtype == theirs[1].dtype == torch.int64
        assert torch.equal(mine[1], theirs[1])
    squares = Custom(target=f"{__name__}:Squares", train_args={"count": 5}, test_args={"count": 5}, workers=0)
    options = LossSettings(batch=4, dtype="float64", loss="mse")
    assert network(squares, 0).size == network(squares, float("inf")).size
