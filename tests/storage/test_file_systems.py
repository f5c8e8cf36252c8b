"""File systems that lack something, fill up, or go away: a run goes on, or stops in a line with its last file whole."""

import errno
import fcntl
import io
import os
import resource

import numpy as np
import pytest

from pathsearch import locks, plots, progress, storage
from pathsearch.errors import PathsearchError
from pathsearch.storage.glance import glance
from pathsearch.storage.seal import hdf5

WEIGHTS = np.arange(60_000.0).reshape(3, 20_000)


def write(folder, rows=len(WEIGHTS), row=lambda k: WEIGHTS[k]):
    storage.write(folder / "path.h5", storage.Kept(weights=storage.Rows((rows, 20_000), WEIGHTS.dtype, row)))


def failing(number, only=lambda *arguments: True, otherwise=None):
    def fail(*arguments, **options):
        if only(*arguments):
            raise OSError(number, os.strerror(number))
        return otherwise(*arguments, **options)

    return fail


def bound(file_size):
    """Let files of this process grow to so many bytes."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (file_size, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))


@pytest.mark.parametrize("limit", [0, 300, 600, 2000, 5000, 160_000, 400_000, 483_000])
def test_a_disk_that_fills_up_inside_hdf5_leaves_the_last_file(limit, tmp_path, monkeypatch):
    """At any byte: the user block, the library's tables, weights; without the reservation that would have told."""
    write(tmp_path)
    old = (tmp_path / "path.h5").read_bytes()
    assert len(old) > 483_000
    monkeypatch.setattr("os.posix_fallocate", failing(errno.EOPNOTSUPP), raising=False)
    soft = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
    bound(limit)
    try:
        with pytest.raises(PathsearchError, match=r"File too large; the last checkpoint is kept\. Raise the limit on"):
            write(tmp_path)
    finally:
        bound(soft)
    assert (tmp_path / "path.h5").read_bytes() == old
    assert os.listdir(tmp_path) == ["path.h5"]


def test_no_vector_is_fetched_for_a_disk_that_is_full(tmp_path, monkeypatch):
    fetched = []

    def row(k):
        fetched.append(k)
        return WEIGHTS[k]

    monkeypatch.setattr("os.posix_fallocate", failing(errno.EINVAL), raising=False)
    soft = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
    bound(400_000)
    try:
        with pytest.raises(PathsearchError, match="File too large"):
            write(tmp_path, 500, lambda k: row(k % 3))
    finally:
        bound(soft)
    assert len(fetched) < 100  # as many as HDF5 keeps back


def test_an_interrupt_amid_a_write_is_not_lost_in_hdf5(tmp_path, monkeypatch):
    def interrupted(buffer):
        raise KeyboardInterrupt

    monkeypatch.setattr("pathsearch.storage.writer.memoryview", interrupted, raising=False)
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path)
    assert os.listdir(tmp_path) == []


def test_what_fetching_a_vector_raises_is_not_blamed_on_the_disk(tmp_path):
    def lost(k):
        raise RuntimeError("CUDA error: device-side assert triggered")

    with pytest.raises(RuntimeError, match="CUDA"):
        write(tmp_path, row=lost)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("number", [errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS, errno.ENODEV])
def test_no_fallocate(number, tmp_path, monkeypatch):
    monkeypatch.setattr("os.posix_fallocate", failing(number), raising=False)
    write(tmp_path)
    with (tmp_path / "path.h5").open("rb") as file, hdf5(file) as h5:
        np.testing.assert_array_equal(h5["path/weights"], WEIGHTS)


def is_folder(handle):
    return os.path.isdir(f"/proc/self/fd/{handle}") or os.path.isdir(f"/dev/fd/{handle}")


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOSYS, errno.EBADF, errno.EIO])
def test_no_fsync_of_a_folder(number, tmp_path, monkeypatch):
    monkeypatch.setattr("os.fsync", failing(number, is_folder, os.fsync))
    write(tmp_path)
    assert os.listdir(tmp_path) == ["path.h5"]


def test_a_folder_that_cannot_be_opened(tmp_path, monkeypatch):
    refused = failing(errno.EACCES, lambda name, *rest: os.path.isdir(name), os.open)
    monkeypatch.setattr("pathsearch.atomic.os.open", refused)
    write(tmp_path)
    assert os.listdir(tmp_path) == ["path.h5"]


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, 524])
def test_no_fsync_of_files(number, tmp_path, monkeypatch):
    monkeypatch.setattr("os.fsync", failing(number))
    write(tmp_path)
    assert os.listdir(tmp_path) == ["path.h5"]


ADVICE = {
    errno.ENOSPC: "No space left on device; the last checkpoint is kept. Free some space, then",
    errno.EDQUOT: "Disk quota exceeded; the last checkpoint is kept. Free some space or ask for a larger quota, then",
    errno.EROFS: "Read-only file system; the last checkpoint is kept. Name a place that can be written to, then",
    errno.ESTALE: "Stale file handle; the last checkpoint is kept. See that its file system works, then",
    errno.EIO: "Input/output error; the last checkpoint is kept. See that its file system works, then",
}


@pytest.mark.parametrize("number", ADVICE)
@pytest.mark.parametrize("where", ["os.fsync", "os.replace", "io.FileIO.write"])
def test_advice_follows_the_error(where, number, tmp_path, monkeypatch):
    """However late it comes: NFS tells of a full disk when a file is synced."""
    write(tmp_path)
    old = (tmp_path / "path.h5").read_bytes()
    if where == "io.FileIO.write":
        monkeypatch.setattr("pathsearch.storage.writer.memoryview", failing(number), raising=False)
    else:
        monkeypatch.setattr(where, failing(number))
    with pytest.raises(PathsearchError) as error:
        write(tmp_path)
    assert ADVICE[number] in str(error.value)
    assert "\n" not in str(error.value)
    assert (tmp_path / "path.h5").read_bytes() == old
    assert os.listdir(tmp_path) == ["path.h5"]


@pytest.mark.parametrize(
    ("folder", "said"),
    [
        ("gone", "No such file or directory; nothing was kept yet. See that its folder is there"),
        ("n" * 300, "File name too long; nothing was kept yet. Choose a shorter name"),
        ("a file", "Not a directory; nothing was kept yet. See that its folder is there"),
    ],
)
def test_folders_that_are_none(folder, said, tmp_path):
    (tmp_path / "a file").write_text("")
    with pytest.raises(PathsearchError, match=said):
        write(tmp_path / folder)
    storage.sweep(tmp_path / folder / "path.h5")


def test_a_link_in_the_way_of_the_temporary_file_is_not_followed(tmp_path, monkeypatch):
    (tmp_path / "precious").write_text("kept")
    monkeypatch.setattr("pathsearch.atomic.secrets.token_hex", lambda count: "0")
    (tmp_path / f".path.h5.{os.getpid()}-0.tmp").symlink_to(tmp_path / "precious")
    with pytest.raises(PathsearchError, match="File exists"):
        write(tmp_path)
    assert (tmp_path / "precious").read_text() == "kept"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("n" * 300, "cannot read .*: File name too long"),
        ("deep/" * 1000, "cannot read .*: File name too long"),
        ("nul\0", "cannot read .*null"),
        ("odd\udcff", "no .*name a run's folder"),
        ("~nobody-of-that-name/x", "home folder"),
    ],
)
def test_odd_names_are_a_line(name, said):
    with pytest.raises(PathsearchError, match=said) as error:
        storage.read(name)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO, errno.ESTALE])
def test_a_file_that_cannot_be_read_is_not_called_damaged(number, finished_run, monkeypatch):
    monkeypatch.setattr("pathlib.Path.open", failing(number))
    with pytest.raises(PathsearchError, match="cannot read") as error:
        storage.read(finished_run.file)
    assert os.strerror(number) in str(error.value)
    assert "damaged" not in str(error.value)
    assert glance(finished_run.file.parent) is None


def test_a_file_that_is_open_elsewhere_in_the_process_is_read(finished_run):
    """As xarray keeps one open, locked or not."""
    import h5py

    for locking in (True, False):
        with h5py.File(finished_run.file, "r", locking=locking):
            assert storage.read(finished_run.file).state == "finished"
            assert glance(finished_run.file.parent).state == "finished"
    with storage.stored(finished_run.file) as kept, h5py.File(finished_run.file, "r", locking=True):
        assert kept.weights.shape == (9, 2)


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, 524, errno.ENOSYS, errno.EINVAL, errno.EIO])
def test_a_folder_without_locks_is_used(number, tmp_path, monkeypatch):
    monkeypatch.setattr("fcntl.flock", failing(number))
    with locks.alone(tmp_path / "run"):
        assert (tmp_path / "run").is_dir()


@pytest.mark.parametrize("number", [errno.EWOULDBLOCK, errno.EAGAIN])
def test_a_folder_in_use_is_not(number, tmp_path, monkeypatch):
    monkeypatch.setattr(fcntl, "flock", failing(number))
    with pytest.raises(PathsearchError, match="another process"), locks.alone(tmp_path):
        pass


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
def test_a_log_on_a_full_disk_does_not_end_a_run(tmp_path, capsys):
    (tmp_path / "run.log").symlink_to("/dev/full")
    with progress.display(tmp_path / "run.log") as shown:
        shown.log("begins")
        shown.phase("neb", 3)
    assert capsys.readouterr().err == "begins\n"


@pytest.mark.parametrize("terminal", [False, True])
def test_a_log_takes_any_text(terminal, tmp_path, monkeypatch):
    """Names of files are bytes; errors quote what looks like markup."""
    said = "x\udcff: [/red] [Errno 5] :smile:"
    errors = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors="backslashreplace")  # as Python's own
    errors.isatty = lambda: terminal
    monkeypatch.setattr("sys.stderr", errors)
    with progress.display(tmp_path / "run.log") as shown:
        shown.log(said)
    assert "x\\udcff: [/red] [Errno 5] :smile:" in (tmp_path / "run.log").read_text()
    assert b"x\\udcff: [/red] [Errno 5] :smile:" in errors.buffer.getvalue()


def test_stderr_on_a_full_disk_does_not_end_a_run(tmp_path, monkeypatch):
    class Full:
        def write(self, text):
            raise OSError(errno.ENOSPC, "")

        def flush(self):
            raise OSError(errno.ENOSPC, "")

        def isatty(self):
            return False

    monkeypatch.setattr("sys.stderr", Full())
    with progress.display(tmp_path / "run.log") as shown:
        shown.log("begins")
    assert "begins" in (tmp_path / "run.log").read_text()


def test_a_picture_that_cannot_be_written_leaves_the_old_one(blank, finished_run, tmp_path, monkeypatch):
    (tmp_path / "path.png").write_text("old")
    monkeypatch.setattr("os.replace", failing(errno.EDQUOT))
    with pytest.raises(PathsearchError, match=r"path\.png: Disk quota exceeded\. Free some space or ask"):
        plots.save(finished_run, tmp_path / "path.png")
    assert (tmp_path / "path.png").read_text() == "old"
    assert os.listdir(tmp_path) == ["path.png"]
