"""Files of token ids."""

import numpy as np
import pytest
import torch

from pathsearch.errors import PathsearchError
from pathsearch.numerics.seeds import Key
from pathsearch.objectives.batches import Given, Held
from pathsearch.objectives.data import Split, Tokens
from pathsearch.objectives.streamed import Streamed

IDS = {"train": np.arange(103) * 7 % 50, "test": np.arange(31) % 44}
HOW = Given(torch.float32, torch.device("cpu"), size=4)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for part, ids in IDS.items():
        ids.astype("<u2").tofile(f"{part}.bin")
        ids.astype("<i4").tofile(f"{part}.i4")
        np.save(f"{part}.npy", ids.astype(">i8"))
    return tmp_path


def tokens(suffix="bin", **more):
    return Tokens(train=f"train.{suffix}", test=f"test.{suffix}", **{"context": 10, **more})


@pytest.mark.parametrize(("suffix", "dtype"), [("bin", "uint16"), ("npy", "uint16"), ("i4", "int32")])
def test_examples_are_windows_and_the_ids_after_each(suffix, dtype):
    data = tokens(suffix, dtype=dtype).load()
    ids = torch.from_numpy(IDS["train"])
    assert data.outputs == 50
    assert data.train.inputs.dtype == data.train.targets.dtype == torch.int64
    assert torch.equal(data.train.inputs, ids[:100].view(10, 10))
    assert torch.equal(data.train.targets, ids[1:101].view(10, 10))
    assert len(data.test.inputs) == 3
    assert data.remarks == (
        f"the training set leaves out the last 2 of the 103 ids in train.{suffix}: they fill no window of 10",
    )


@pytest.mark.parametrize("workers", [None, 1])
def test_a_file_that_does_not_fit_is_read_where_it_lies_with_the_same_bits(workers):
    data, held = tokens("npy", workers=workers).load(room=1000), Held(tokens().load().train, HOW, False)
    streamed = Streamed(data.train, HOW, False, None, data.workers)
    assert isinstance(data.test, Split)
    assert data.remarks[1].startswith("the training set of 1.6 kB is read as it is drawn, ")
    assert data.remarks[1].endswith(": it does not fit in 1 kB, a quarter of the memory that is free")
    for mine, theirs in [(streamed.draw(Key(1, 3)), held.draw(Key(1, 3))), (streamed.whole(4), held.whole(4))]:
        for one, other in zip(mine, theirs, strict=True):
            assert all(map(torch.equal, one, other))


def test_the_highest_id_is_looked_for_once(folder, monkeypatch):
    assert tokens().load().outputs == 50
    monkeypatch.setattr("pathsearch.objectives.data.windows.Windows._chunks", None)
    assert tokens().load().outputs == 50


def files(folder):
    np.save("real.npy", np.zeros(30))
    np.save("rows.npy", np.zeros((3, 10), int))
    np.save("minus.npy", np.array([0] * 12 + [-3] + [0] * 9))
    (folder / "odd.bin").write_bytes(bytes(41))
    (folder / "no.npy").write_bytes(bytes(41))
    whole = (folder / "train.npy").read_bytes()
    (folder / "cut.npy").write_bytes(whole[:-9])


BAD = {
    "beyond": ("train.bin", {"vocabulary": 40}, r"train\.bin has the token id 42 at position 6, which is beyond .*=40"),
    "negative": ("minus.npy", {}, r"minus\.npy has the token id -3 at position 12, and ids count from 0"),
    "real": ("real.npy", {}, r"real\.npy holds float64 of shape \(30,\), and must hold one row of whole numbers"),
    "rows": ("rows.npy", {}, r"rows\.npy holds int64 of shape \(3, 10\)"),
    "odd": ("odd.bin", {}, r"odd\.bin has 41 bytes of ids, and must have 2 for each"),
    "no array": ("no.npy", {}, r"no\.npy is no \.npy file"),
    "cut": ("cut.npy", {}, r"cut\.npy has 815 bytes of ids, and must have 8 for each: it is cut"),
    "short": (
        "train.bin",
        {"context": 103},
        r"train\.bin has 103 ids, and must have more than .*context, which is 103",
    ),
    "missing": ("nowhere.bin", {}, r"no file nowhere\.bin here in"),
}


@pytest.mark.parametrize("case", BAD)
def test_files_that_hold_no_ids_are_named(case, folder):
    files(folder)
    name, more, says = BAD[case]
    with pytest.raises(PathsearchError, match=says) as caught:
        Tokens(train=name, test="test.bin", **{"context": 10, **more}).load()
    assert len(str(caught.value).splitlines()) == 1


def test_a_file_that_is_cut_while_it_is_used_is_named(folder):
    source = tokens().load(room=0).train
    (folder / "train.bin").write_bytes(b"\0\0")
    with pytest.raises(PathsearchError, match=r"train\.bin has become shorter"):
        list(Streamed(source, HOW, False).draw(Key(0, 0)))
