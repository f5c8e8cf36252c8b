"""Decoded pictures on disk."""

import errno
import fcntl
import os

import numpy as np
import pytest

from pathsearch.objectives.data import cache


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
