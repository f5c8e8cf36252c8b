"""The table of jobs, their logs, and their end."""

import os
from dataclasses import replace

import pytest

from pathsearch.errors import PathsearchError
from pathsearch.jobs import listing, records
from pathsearch.jobs.listing import cancel, clock, facts, show
from pathsearch.jobs.logs import print_log
from pathsearch.jobs.process import identity
from pathsearch.jobs.records import Attempt, Record, submitted, write
from pathsearch.jobs.states import Status, statuses
from tests.jobs.test_states import sleeper


def test_a_narrow_terminal_cuts_no_name(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "40")
    runs = [tmp_path / f"{'long' * 30}-{k}" for k in range(2)]
    show([Status(run, Record("slurm", {}, "", "", 0.0, job="12345678_9"), "COMPLETED", "", None, 0, 1) for run in runs])
    said = capsys.readouterr().out
    for row, run in zip(said.splitlines()[3:], runs):
        assert row.split() == ["12345678_9", "COMPLETED", "–", "–", "–", "–", "–", str(run)]


def test_time_and_what_it_cost(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for name, gpus, cpus in (("gpu", 2, 8), ("cpu", 0, 4), ("old", 0, 0)):
        submitted(tmp_path / name, Record("slurm", {}, "", "", 1.0, job="7"))
        for n in range(2):
            attempt = Attempt("7", n, "h", 1, 1, gpus, 100.0, 1900.0, outcome="requeued", cpus=cpus)
            write(tmp_path / name / "jobs" / f"attempt-7-{n}.json", attempt)
    found = statuses([tmp_path / name for name in ("gpu", "cpu", "old")])
    said = [facts(one) for one in found]
    assert [(one["elapsed"], one["gpu_hours"], one["core_hours"]) for one in said] == [
        (3600.0, 2.0, 8.0),
        (3600.0, 0.0, 4.0),
        (3600.0, 0.0, 0.0),
    ]
    show(found)
    rows = capsys.readouterr().out.splitlines()[3:6]
    assert [" ".join(row.split()[-4:-1]) for row in rows] == [
        "1:00:00 2.00 GPU-h",
        "1:00:00 4.00 core-h",
        "– 1:00:00 –",
    ]


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.4, "0:00:00"), (59.6, "0:01:00"), (3725, "1:02:05"), (90061, "1-01:01:01")]
)
def test_times_are_written_as_slurm_writes_them(seconds, said):
    assert clock(seconds) == said


@pytest.fixture
def local(tmp_path, monkeypatch):
    """A run of a process of this machine, which is `pid`; the record can be changed."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)

    def one(pid, name="run", **more):
        boot, started = identity(pid)
        kept = Record("local", {}, "", "", 1.0, {"nodes": 1}, str(pid), boot=boot, started=started)
        submitted(tmp_path / name, replace(kept, run=str(tmp_path / name), **more))
        return statuses([tmp_path / name])[0]

    return one


def test_no_process_is_ended_by_its_number(local, tmp_path):
    with sleeper("submitit", tmp_path / "run" / "jobs") as process:
        dead = local(process.pid, started=1.0)
        assert cancel(dead) == "run: nothing to end, it is LOST"
        # of an earlier version there is the number alone: its folder says that it is this run's, and it is not ended
        old = local(process.pid, boot="", started=0.0)
        assert old.state == "PENDING"
        with pytest.raises(PathsearchError, match=f"run: not cancelled, an earlier version .* `kill {process.pid}`"):
            cancel(old)
        assert local(process.pid, name="other", boot="", started=0.0).state == "LOST"
        assert process.poll() is None
        assert cancel(local(process.pid)) == "run: will not begin"
        assert statuses([tmp_path / "run"])[0].state == "CANCELLED"
        assert local(process.pid, submitted=2.0).state == "PENDING"  # submitted again
        assert process.poll() is None


def test_a_copy_of_a_run_has_no_job(local, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(listing, "asked", lambda command: asked.append(command) or "")
    with sleeper() as process:
        one = local(process.pid)
        for cluster in ("local", "slurm"):
            submitted(tmp_path / "copy", replace(one.record, cluster=cluster))
            submitted(tmp_path / "run", replace(one.record, cluster=cluster))
            (copy,) = statuses([tmp_path / "copy"])
            assert (copy.state, copy.says) == ("LOST", f"a copy of {tmp_path}/run, whose job it is")
            with pytest.raises(PathsearchError, match=r"copy: not cancelled, it is a copy: its job is that of .*/run"):
                cancel(replace(copy, state="RUNNING"))
        assert asked == []
        (tmp_path / "run").rename(tmp_path / "moved")  # that is none
        submitted(tmp_path / "moved", one.record)
        assert statuses([tmp_path / "moved"])[0].state == "PENDING"


def test_of_a_script_of_ones_own_the_step_is_ended(local, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(listing, "asked", lambda command: asked.append(command) or "")
    own = Record("slurm", {}, "", "", 1.0, job="41_3")
    for name, kept in (("own", own), ("ours", replace(own, profile={"nodes": 1}))):
        submitted(tmp_path / name, kept)
        write(tmp_path / name / "jobs" / "attempt-41_3-0.json", Attempt("41_3", 0, "h", 1, 1, 0, 2.0, 3.0, step="44.1"))
        cancel(Status(tmp_path / name, kept, "RUNNING", "", None, 0.0, 1))
    assert asked == [["scancel", "44.1"], ["scancel", "41_3"]]
    assert records.cancelled(tmp_path / "own", 1.0)


def test_the_log_of_a_run_is_its_own(local, tmp_path, capsys):
    with sleeper() as process:
        waits = local(process.pid, log=str(tmp_path / "run" / "jobs" / "5_0_log.out"), logs="../jobs-all")
        (tmp_path / "jobs-all").mkdir()
        (tmp_path / "jobs-all" / "5_0_log.out").write_text("another run's\n")
        with pytest.raises(PathsearchError, match=r"run: nothing is printed yet, it waits \(PENDING\)"):
            print_log(waits.run, False)
        # of an earlier version, where all runs of a process printed into one file
        old = local(process.pid, name="old", log=str(tmp_path / "jobs-all" / "5_0_log.out"), logs="../jobs-all")
        with pytest.raises(PathsearchError, match="it waits"):
            print_log(old.run, False)
        (tmp_path / "old" / "run.log").write_text("own\n")
        print_log(old.run, False)
    assert capsys.readouterr().out == "own\n"
    (lost,) = statuses([waits.run])
    assert (lost.state, lost.says) == ("LOST", "its job ended before it began")
    assert os.listdir(waits.run) == ["job.json"]


def test_the_log_moves_with_its_run(local, tmp_path, capsys):
    submitted(tmp_path / "a", Record("slurm", {}, "", "", 1.0, job="7", log="/elsewhere/jobs/7_0_log.out"))
    (tmp_path / "a" / "jobs").mkdir()
    (tmp_path / "a" / "jobs" / "7_0_log.out").write_bytes(b"\xff printed\n")
    print_log(tmp_path / "a", False)
    assert "printed" in capsys.readouterr().out
    (tmp_path / "a" / "jobs" / "7_0_log.out").unlink()
    (tmp_path / "a" / "jobs" / "7_0_log.out").mkdir()
    with pytest.raises(PathsearchError, match="is no file"):
        print_log(tmp_path / "a", False)
