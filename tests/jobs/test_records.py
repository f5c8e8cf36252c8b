"""Records of jobs and attempts."""

import time
from contextlib import nullcontext

import pytest

from pathsearch.errors import Interrupted, PathsearchError, Requeued
from pathsearch.jobs import records
from pathsearch.jobs.records import Attempt, Record, attempt, attempts, record, submitted
from pathsearch.jobs.registry import known_runs


@pytest.fixture(autouse=True)
def _own_state(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def begun(restart=0, began=1000.0):
    return Attempt("7", restart, "host", 1, 2, 4, began, began)


def test_a_users_runs_are_known_as_long_as_they_are_there(tmp_path):
    assert known_runs() == []
    kept = Record("slurm", {"seed": 1}, "/a", "/b", 5.0, {"nodes": 2}, "7", "/log", "host")
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        submitted(tmp_path / name, kept)
        submitted(tmp_path / name, kept)
    assert known_runs() == [tmp_path / "one", tmp_path / "two"]
    assert record(tmp_path / "one") == kept
    (tmp_path / "one" / "job.json").unlink()
    assert known_runs() == [tmp_path / "two"]
    assert record(tmp_path / "one") is None


@pytest.mark.parametrize(
    ("error", "outcome", "said"),
    [
        (None, "finished", ""),
        (Requeued("later", 12), "requeued", "later"),
        (Interrupted("stopped", 15), "stopped", "stopped"),
        (PathsearchError("no\ndata"), "failed", "no data"),
        (KeyError(), "failed", "KeyError"),
    ],
)
def test_an_attempt_says_how_it_ended(tmp_path, error, outcome, said):
    now = time.time()
    with nullcontext() if error is None else pytest.raises(type(error)), attempt(tmp_path, begun(began=now)):
        (going_on,) = attempts(tmp_path)
        assert going_on.outcome == ""
        if error is not None:
            raise error
    (ended,) = attempts(tmp_path)
    assert (ended.outcome, ended.said) == (outcome, said)
    assert now <= ended.ended <= time.time()


def test_an_attempt_that_was_cut_off_ends_at_its_last_sign_of_life(tmp_path, monkeypatch):
    monkeypatch.setattr(records, "BEAT", 0.01)
    now = time.time()
    with attempt(tmp_path, begun(began=now)) as end:
        time.sleep(0.1)
        (going_on,) = attempts(tmp_path)
        end(None)
    assert now + 0.03 < going_on.ended < now + 5
    records.write(
        tmp_path / "jobs" / "attempt-7-1.json", begun(1, began=now + 9e4)
    )  # whose clock is ahead of the disk's
    assert attempts(tmp_path)[1].gpu_hours == 0.0


def test_gpu_hours():
    assert Attempt("7", 0, "host", 1, 2, 4, 0.0, 1800.0).gpu_hours == 2.0


def test_a_damaged_attempt_does_not_hide_the_others(tmp_path):
    records.write(tmp_path / "jobs" / "attempt-7-0.json", begun())
    (tmp_path / "jobs" / "attempt-7-1.json").touch()  # a node crashed as it wrote
    assert [attempt.restart for attempt in attempts(tmp_path)] == [0]


def test_what_an_earlier_version_called_turns_are_attempts(tmp_path):
    records.write(tmp_path / "jobs" / "turn-7-1.json", begun(1, began=2000.0))
    records.write(tmp_path / "jobs" / "attempt-7-2.json", begun(2, began=3000.0))
    records.write(tmp_path / "jobs" / "turn-6-0.json", begun(0))
    assert [attempt.restart for attempt in attempts(tmp_path)] == [0, 1, 2]


def test_a_home_that_cannot_be_written_to_costs_no_run(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    submitted(tmp_path, Record("slurm", {}, "/a", "/b", 5.0))
    assert record(tmp_path).cluster == "slurm"


def test_a_damaged_record_is_named(tmp_path):
    (tmp_path / "job.json").write_text("{")
    with pytest.raises(PathsearchError, match=r"job.json is damaged: move it away"):
        record(tmp_path)
