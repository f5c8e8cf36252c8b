"""Files of runs: what is written comes back, and what is damaged is refused."""

import errno
import json
import os
import subprocess
import sys

import h5py
import numpy as np
import pytest
import xarray

from pathsearch import storage
from pathsearch.errors import PathsearchError
from pathsearch.search import State
from pathsearch.storage.history import History, before


@pytest.fixture
def run(finished_run):
    return finished_run


def test_everything_written_is_read_back(run):
    again = storage.read(run.file.parent)
    assert again.state == "finished"
    assert again.config["method"] == {"name": "neb", "images": 7, "spring": "inf", "climb": True}
    assert again.shape == (9, 2)
    assert again.versions["pathsearch"] == "0.1.0"
    weights, _ = storage.read_vectors(run.file)
    assert weights.dtype == np.float64
    np.testing.assert_allclose(weights[0], [-0.558223634633024277, 1.44172584180466866], rtol=1e-15)
    rows = again.groups["history"]
    assert rows["loss"].shape == (len(rows["step"]), 9)
    assert set(again.groups) >= {"history", "parameters", "profiles/path", "profiles/linear", "profiles/plane"}


def test_xarray_opens_every_group_with_named_dimensions(run):
    wanted = {
        "path": {"pivot": 9, "parameter": 2},
        "profiles/plane": {"x": 7, "y": 7},
        "parameters": {"tensor": 1},
    }
    for group, sizes in wanted.items():
        with xarray.open_dataset(run.file, group=group, engine="h5netcdf") as found:
            assert dict(found.sizes) == sizes
    with xarray.open_dataset(run.file, group="path", engine="h5netcdf") as found:
        np.testing.assert_array_equal(found.weights.sel(pivot=8), storage.read_vectors(run.file)[0][8])
    with xarray.open_dataset(run.file, group="profiles/path", engine="h5netcdf") as found:
        assert float(found.loss.max()) == pytest.approx(-40.664843508657, abs=1e-6)
        assert found.loss.dims == ("t",)
    with xarray.open_dataset(run.file, group="history", engine="h5netcdf") as found:
        assert found.loss.dims == ("row", "point")


@pytest.mark.parametrize("content", [b"", b"not hdf5", b"\x89HDF\r\n\x1a\n" + 500 * b"\0"])
def test_a_file_that_is_no_run_is_refused(tmp_path, content):
    (tmp_path / "path.h5").write_bytes(content)
    with pytest.raises(PathsearchError, match=r"path\.h5 cannot be read"):
        storage.read(tmp_path)


def test_other_hdf5_files_and_later_versions_are_refused(run, tmp_path):
    other = tmp_path / "other.h5"
    with h5py.File(other, "w") as h5:
        h5["x"] = 1
    with pytest.raises(PathsearchError, match="not written by pathsearch"):
        storage.read(other)
    other.write_bytes(run.file.read_bytes().replace(b"format version 2", b"format version 9", 1))
    with h5py.File(other, "r+") as h5:
        h5.attrs["format_version"] = 9
    with pytest.raises(PathsearchError, match="update pathsearch"):
        storage.read(other)


def test_no_file_says_what_to_name(tmp_path):
    with pytest.raises(PathsearchError, match=r"no .*path\.h5"):
        storage.read(tmp_path)


def test_a_write_that_fails_keeps_the_old_file_and_leaves_no_rubbish(tmp_path):
    file = tmp_path / "path.h5"
    storage.write(file, storage.Kept(weights=np.ones((2, 3))))
    old = file.read_bytes()
    code = (
        "import resource, sys, signal, numpy as np, pathlib; from pathsearch import storage\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "try: storage.write(pathlib.Path(sys.argv[1]), storage.Kept(weights=np.ones((9, 9999))))\n"
        "except storage.writer.PathsearchError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(file)], capture_output=True, text=True)
    assert "cannot write" in done.stdout
    assert "the last checkpoint is kept" in done.stdout
    assert done.returncode == 0
    assert file.read_bytes() == old
    assert os.listdir(tmp_path) == ["path.h5"]


def test_a_disk_without_room_is_told_before_writing(tmp_path, monkeypatch):
    def full(handle, offset, size):
        raise OSError(errno.ENOSPC, "")

    monkeypatch.setattr("os.posix_fallocate", full)
    with pytest.raises(PathsearchError, match=r"No space left on device, 1\.1 MB needed; nothing was kept yet"):
        storage.write(tmp_path / "path.h5", storage.Kept(weights=np.ones((2, 5000))))


def test_leftovers_of_killed_writers_are_swept(tmp_path):
    (tmp_path / ".path.h5.123.tmp").write_text("half")
    (tmp_path / "keep").write_text("")
    storage.sweep(tmp_path / "path.h5")
    assert os.listdir(tmp_path) == ["keep"]


def test_history_before_a_position_drops_the_step_to_be_taken_again():
    history = History(
        rows=[(0, 0, 1.0, 2.0, 5), (0, 1, 1.0, 2.0, 10), (1, 0, 1.0, 2.0, 15), (1, 1, 1.0, 2.0, 20)],
        t=[np.array([0.0, 1.0])] * 2 + [np.array([0.0, 0.5, 1.0])] * 2,
        loss=[np.array([1.0, np.inf])] * 2 + [np.ones(3)] * 2,
        looks=[{"stage": stage, "step": step, "loss": 0.5} for stage, step in ((0, 0), (0, 1), (1, 1))],
    )
    arrays, looks = history.arrays(), history.look_arrays()
    kept = before(State(3, stage=1, step=1, begun=True), arrays, looks)
    assert [row[:2] for row in kept.rows] == [(0, 0), (0, 1), (1, 0)]
    assert [len(row) for row in kept.t] == [2, 2, 3]
    assert len(before(State(3, stage=1, begun=False), arrays, looks).rows) == 2
    assert kept.looks == history.looks[:2]
    assert before(State(3, stage=1, begun=False), arrays, {}).looks == []


def test_names_with_a_slash_are_read_back(tmp_path):
    """As a module may be called."""
    buffers = {"stem/conv.mask": np.arange(3.0), "stem/bn.mean": np.ones((2, 3)), "plain": np.array(True)}
    storage.write(tmp_path / "path.h5", storage.Kept(weights=np.ones((2, 3)), buffers=buffers))
    found = storage.read_buffers(tmp_path)
    assert found.keys() == buffers.keys()
    for name, values in buffers.items():
        np.testing.assert_array_equal(found[name], values)
        assert found[name].dtype == values.dtype


def test_attributes_are_plain_json(run):
    with h5py.File(run.file) as h5:
        assert json.loads(h5.attrs["position"])["converged"] is True
        assert h5.attrs["format_version"] == 2
        assert h5.attrs["curve"] == "polygon"
