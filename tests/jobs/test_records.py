"""Records of jobs and attempts."""

import json
import time
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest

from pathsearch.errors import Interrupted, PathsearchError, Requeued
from pathsearch.jobs import records
from pathsearch.jobs.profiles import ClusterProfile
from pathsearch.jobs.records import Attempt, Record, attempt, attempts, record, submitted
from pathsearch.jobs.registry import known_runs
from pathsearch.jobs.submission import Batch, prepare
from pathsearch.run import config


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


def test_a_run_waits_for_what_it_needs_and_for_its_endpoints(tmp_path):
    (tmp_path / "store").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "store")
    ends = {"endpoints": {"start": {"run": "store/b", "pivot": 0}, "end": {"run": "a"}}}
    kept = Record("slurm", ends, "/elsewhere", str(tmp_path), 5.0)
    needs = [str(tmp_path / "link" / name) for name in ("b", "c")]
    submitted(tmp_path / "run", replace(kept, needs=needs))
    again = record(tmp_path / "run")
    assert again.needs == needs
    assert records.prerequisites(again) == [tmp_path / "store" / "b", tmp_path / "store" / "c", tmp_path / "a"]
    assert records.prerequisites(kept) == [tmp_path / "store" / "b", tmp_path / "a"]


@pytest.mark.parametrize("needs", ["/a", None, {}, [1], [["/a"]], ["a"], ["/a\0"], ["/a", ""]])
def test_what_is_no_list_of_folders(tmp_path, needs):
    submitted(tmp_path, Record("slurm", {}, "/a", "/b", 5.0))
    values = json.loads((tmp_path / "job.json").read_text())
    (tmp_path / "job.json").write_text(json.dumps({**values, "needs": needs}))
    with pytest.raises(PathsearchError, match="'needs' is none that this program wrote"):
        record(tmp_path)
    del values["needs"]  # of an earlier version
    (tmp_path / "job.json").write_text(json.dumps(values))
    assert record(tmp_path).needs == []


def test_what_a_run_needs_is_written_down_as_it_is_submitted(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings, folder = config.load("two-modes", [])
    runs = {Path("one"): settings, Path("two"): settings}
    batch = Batch("two", tmp_path / "jobs", runs, ClusterProfile(), needs={Path("one"): [Path("minima/a")]})
    prepare(batch, "slurm", folder, tmp_path)
    assert record(tmp_path / "one").needs == [str(tmp_path / "minima" / "a")]
    assert record(tmp_path / "two").needs == []


def test_a_home_that_cannot_be_written_to_costs_no_run(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    submitted(tmp_path, Record("slurm", {}, "/a", "/b", 5.0))
    assert record(tmp_path).cluster == "slurm"
    monkeypatch.setattr("pathsearch.jobs.registry.user_folder", lambda kind: None)
    submitted(tmp_path, Record("local", {}, "/a", "/b", 5.0))
    assert record(tmp_path).cluster == "local"
    with pytest.raises(PathsearchError, match=r"home folder is not known: set \$HOME, or \$XDG_STATE_HOME"):
        known_runs()


def test_a_damaged_record_is_named(tmp_path):
    (tmp_path / "job.json").write_text("{")
    with pytest.raises(PathsearchError, match=r"job.json is damaged: move it away"):
        record(tmp_path)
