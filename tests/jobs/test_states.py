"""What became of a job, from all that is known of it."""

import subprocess
import sys
from contextlib import contextmanager
from dataclasses import replace

import pytest

from pathsearch.errors import PathsearchError
from pathsearch.jobs.listing import cancel, facts, show
from pathsearch.jobs.process import identity
from pathsearch.jobs.records import Attempt, Record, submitted, write
from pathsearch.jobs.states import accounting, judged, queue, statuses
from pathsearch.storage.glance import Glance


@contextmanager
def sleeper(*words):
    """A process that goes on until the end of the block; words: more of its command line."""
    lives = [sys.executable, "-c", "print(flush=True); input()", *map(str, words)]
    with subprocess.Popen(lives, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()  # Popen returns a moment before the kernel knows the new command line
        yield process
        process.communicate(b"\n")


def attempt(outcome, said="", last=False):
    return Attempt("7", 0, "host", 1, 1, 1, 0.0, 1.0, outcome=outcome, said=said, last=last)


def seen(state):
    return Glance(state, "neb", 10, 100, 1.0, 0.5, 0)


@pytest.mark.parametrize(
    ("told", "had", "shown", "judgement"),
    [
        (("PENDING", "Dependency"), [], None, ("PENDING", "Dependency")),
        (("RUNNING", "None"), [attempt("")], seen("running"), ("RUNNING", "")),
        (("COMPLETED", "None"), [attempt("finished")], seen("finished"), ("COMPLETED", "")),
        (None, [attempt("finished")], seen("finished"), ("COMPLETED", "")),
        # it has what it was to find, whatever happened to the job after
        (("FAILED", "NonZeroExitCode"), [attempt("failed")], seen("finished"), ("COMPLETED", "")),
        (("FAILED", "NonZeroExitCode"), [attempt("failed", "no data")], seen("running"), ("FAILED", "no data")),
        (("CANCELLED", "None"), [], None, ("CANCELLED", "")),
        (("TIMEOUT", "TimeLimit"), [attempt("")], seen("running"), ("TIMEOUT", "")),
        # a script whose last command succeeded, though the run did not
        (("COMPLETED", "None"), [attempt("failed", "no data")], None, ("FAILED", "no data")),
        (("COMPLETED", "None"), [], None, ("FAILED", "")),
        # nobody remembers the job
        (None, [attempt("failed", "no data")], None, ("FAILED", "no data")),
        (None, [attempt("stopped", "by SIGTERM")], seen("running"), ("STOPPED", "by SIGTERM")),
        (None, [attempt("")], seen("running"), ("LOST", "")),
        (None, [], None, ("LOST", "")),
        # the shell, or script, that it was started in goes on, and gives it no other attempt
        (("RUNNING", "None"), [attempt("stopped", "by SIGINT", last=True)], seen("running"), ("STOPPED", "by SIGINT")),
        (("RUNNING", "None"), [attempt("stopped", "by SIGTERM")], seen("running"), ("RUNNING", "")),
        (("RUNNING", "None"), [attempt("", last=True)], seen("running"), ("RUNNING", "")),
    ],
)
def test_the_truth(told, had, shown, judgement):
    assert judged(told, had, shown) == judgement


@pytest.mark.parametrize(
    ("told", "had", "shown", "state"),
    [
        (None, [], None, "CANCELLED"),
        (None, [attempt("stopped", "why")], seen("running"), "CANCELLED"),
        (("CANCELLED", "None"), [attempt("")], seen("running"), "CANCELLED"),
        (("COMPLETING", "None"), [attempt("")], seen("running"), "COMPLETING"),
        (("UNKNOWN", "squeue"), [attempt("")], seen("running"), "UNKNOWN"),
        (None, [attempt("finished")], seen("finished"), "COMPLETED"),  # it was too late
    ],
)
def test_one_that_was_cancelled(told, had, shown, state):
    assert judged(told, had, shown, cancelled=True)[0] == state


def test_a_run_whose_record_is_damaged_does_not_hide_the_others(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        submitted(tmp_path / name, Record("slurm", {}, "", "", 1.0))
    (tmp_path / "one" / "job.json").write_text("{")
    found = statuses([tmp_path / "one", tmp_path / "two"])
    assert [one.state for one in found] == ["UNKNOWN", "UNSUBMITTED"]
    assert "job.json is damaged" in found[0].says
    with pytest.raises(PathsearchError, match=r"one: not cancelled, .*job\.json is damaged"):
        cancel(found[0])


def test_slurm_that_does_not_answer(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    submitted(tmp_path, Record("slurm", {}, "", "", 1.0, job="7"))
    (one,) = statuses([tmp_path])
    assert one.state == "UNKNOWN"
    assert "squeue" in one.says


def test_what_a_run_waits_for_is_told(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    rows = "7|PENDING|Dependency\n8|PENDING|Resources\n9|CANCELLED|DependencyNeverSatisfied\n"
    monkeypatch.setattr("pathsearch.jobs.states.asked", lambda command: rows)
    needs = [str(tmp_path / f"minima/{k}") for k in range(6)]
    for job in (7, 8, 9):
        submitted(tmp_path / f"run{job}", Record("slurm", {}, "/", "/", 1.0, job=str(job), needs=needs))
    finished = lambda run: seen("finished") if run.name == "0" else None
    monkeypatch.setattr("pathsearch.jobs.states.glances", lambda runs: {run: finished(run) for run in runs})
    found = statuses([tmp_path / f"run{job}" for job in (7, 8, 9)])
    assert [[run.name for run in one.waits_for] for one in found] == [list("12345"), [], list("12345")]
    assert facts(found[0])["waits_for"] == needs[1:]
    show(found)
    assert capsys.readouterr().out.splitlines()[-3:] == [
        "run7: Dependency: waits for minima/1, minima/2, minima/3 and 2 more",
        "run8: Resources",
        "run9: DependencyNeverSatisfied: waits for minima/1, minima/2, minima/3 and 2 more",
    ]


def test_runs_of_one_process_each_have_their_own_state(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    names = ("ended", "under way", "waits")
    with sleeper() as process:
        boot, started = identity(process.pid)
        for name, outcome in zip(names, ("failed", "", None), strict=True):
            run = tmp_path / name
            run.mkdir()
            record = Record("local", {}, "", "", 1.0, job=str(process.pid), boot=boot, started=started)
            submitted(run, record)
            if outcome is not None:
                said = Attempt(str(process.pid), 0, "host", 1, 1, 1, 2.0, 3.0, outcome=outcome, said="why")
                write(run / "jobs" / "attempt-1-0.json", said)
        assert [one.state for one in statuses([tmp_path / name for name in names])] == ["FAILED", "RUNNING", "PENDING"]
        # the same number, another process: a container was started anew, or the machine
        submitted(tmp_path / "waits", replace(record, started=started - 60))
        assert statuses([tmp_path / "waits"])[0].state == "LOST"
        submitted(tmp_path / "waits", replace(record, boot="another"))
        assert statuses([tmp_path / "waits"])[0].state == "LOST"
        submitted(tmp_path / "waits", record)
    assert [one.state for one in statuses([tmp_path / name for name in names])] == ["FAILED", "LOST", "LOST"]
    submitted(tmp_path / "waits", Record("local", {}, "", "", 1.0, job="1", host="elsewhere"))
    (one,) = statuses([tmp_path / "waits"])
    assert (one.state, one.says) == ("UNKNOWN", "it runs on elsewhere: ask there")


def test_lines_of_squeue_and_sacct():
    listed = "12|RUNNING|None\n13_0|PENDING|Dependency\n13_1|PENDING|(launch failed|held)\n"
    assert queue(listed) == {
        "12": ("RUNNING", "None"),
        "13_0": ("PENDING", "Dependency"),
        "13_1": ("PENDING", "(launch failed|held)"),
    }
    assert accounting("12|CANCELLED by 0\n13_4|COMPLETED\n") == {"12": ("CANCELLED", ""), "13_4": ("COMPLETED", "")}
    assert queue("") == accounting("") == {}
