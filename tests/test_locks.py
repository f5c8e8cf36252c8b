import fcntl
from contextlib import ExitStack

import pytest

from pathsearch import locks
from pathsearch.errors import PathsearchError


def test_how_a_run_stands(tmp_path):
    assert locks.stands("running", tmp_path) == "unfinished"  # a copy of a file, say
    with locks.alone(tmp_path):
        assert locks.stands("running", tmp_path) == "running"
        assert locks.stands("finished", tmp_path) == "finished"
    assert locks.stands("running", tmp_path) == "interrupted"
    assert locks.stands("finished", tmp_path) == "finished"


def test_a_run_of_another_machine_may_go_on_there(tmp_path):
    with locks.alone(tmp_path):
        pass
    (tmp_path / ".lock").write_text("elsewhere\n")
    assert locks.stands("running", tmp_path) == "unfinished"


def test_a_file_system_without_locks(tmp_path, monkeypatch):
    def refused(*arguments):
        raise OSError(524, "Unknown error 524")

    monkeypatch.setattr(fcntl, "flock", refused)
    with locks.alone(tmp_path):
        assert locks.stands("running", tmp_path) == "unfinished"


def test_one_process_a_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "PATIENCE", 0.05)
    with (
        locks.alone(tmp_path),
        pytest.raises(PathsearchError, match="another process is running"),
        locks.alone(tmp_path),
    ):
        pass


def test_waiting_for_another_process(tmp_path, monkeypatch):
    """The other one lets go at the third call."""
    monkeypatch.setattr(locks, "PATIENCE", 0.01)
    other, calls = ExitStack(), []
    other.enter_context(locks.alone(tmp_path))

    def waiting():
        calls.append(locks.stands("running", tmp_path))
        if len(calls) == 3:
            other.close()

    with locks.alone(tmp_path, waiting):
        assert calls == ["running"] * 3
        with pytest.raises(PathsearchError, match="another process is running"), locks.alone(tmp_path):
            pass
    with locks.alone(tmp_path, waiting):  # nobody to wait for
        assert len(calls) == 3


def test_giving_up_the_wait(tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "PATIENCE", 0.01)

    def stopped():
        raise KeyboardInterrupt

    with locks.alone(tmp_path):
        with pytest.raises(KeyboardInterrupt), locks.alone(tmp_path, stopped):
            pass
        with pytest.raises(PathsearchError, match="another process is running"), locks.alone(tmp_path):
            pass  # the first one holds it as before
    with locks.alone(tmp_path):
        pass


def test_who_looks_does_not_disturb(tmp_path, monkeypatch):
    """Another one's look falls into the moment when a run takes its lock."""
    with locks.alone(tmp_path):
        pass
    looking = (tmp_path / ".lock").open()
    fcntl.flock(looking, fcntl.LOCK_SH)
    monkeypatch.setattr(locks.time, "sleep", lambda seconds: looking.close())
    with locks.alone(tmp_path):
        assert locks.stands("running", tmp_path) == "running"


def test_links_are_not_followed(tmp_path):
    precious, run = tmp_path / "precious", tmp_path / "run"
    precious.write_text("mine")
    run.mkdir()
    (run / ".lock").symlink_to(precious)
    with pytest.raises(PathsearchError, match=r"\.lock in it is a link"), locks.alone(run):
        pass
    assert precious.read_text() == "mine"
    assert locks.stands("running", run) == "unfinished"
