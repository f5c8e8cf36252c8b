"""What a task of a job does, SLURM's answers given by hand."""

import os
import signal
import sys
import time
from contextlib import nullcontext

import pytest

from pathsearch import storage
from pathsearch.errors import Interrupted, PathsearchError, Requeued
from pathsearch.jobs import records, registry, work
from pathsearch.jobs.allocation import JobInfo
from pathsearch.machine import cores
from pathsearch.run import config
from pathsearch.run.settings import Asked
from pathsearch.run.stop import signals

STEP = {
    "SLURM_JOB_ID": "41",
    "SLURM_STEP_ID": "0",
    "SLURM_STEP_NUM_NODES": "1",
    "SLURM_STEP_NUM_TASKS": "1",
    "SLURM_PROCID": "0",
    "CUDA_VISIBLE_DEVICES": "",
}


@pytest.fixture(autouse=True)
def asked(tmp_path, monkeypatch):
    """What SLURM was asked for."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("SLURM_")]:
        monkeypatch.delenv(name)
    found = []
    monkeypatch.setattr(work, "requeue", found.append)
    return found


def slurm(monkeypatch, state="RUNNING", left=3600.0, requeue=True, preempted=False):
    for name, value in STEP.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(work, "job_info", lambda job: JobInfo(state, time.time() + left, requeue, preempted))


def run(where, settings):
    with signals() as stop:
        return work.run(where, settings, stop)


def configured():
    return Asked(*config.load("two-modes", ["measure.plane=0"]))


def interrupted(number=signal.SIGUSR2):
    def settings():
        os.kill(os.getpid(), number)  # while torch is imported
        return configured()

    return settings


def test_a_run_of_a_plain_script_is_known(tmp_path, monkeypatch):
    slurm(monkeypatch)
    assert run(tmp_path / "run", configured).state == "finished"
    (attempt,) = records.attempts(tmp_path / "run")
    assert (attempt.job, attempt.outcome, attempt.nodes, attempt.gpus) == ("41", "finished", 1, 0)
    assert registry.known_runs() == [tmp_path / "run"]
    assert records.record(tmp_path / "run").job == "41"


def test_a_warning_has_the_job_requeued(tmp_path, monkeypatch, asked):
    slurm(monkeypatch)
    with pytest.raises(Requeued, match=r"SIGUSR2 .*; the job is requeued"):
        run(tmp_path / "run", interrupted())
    assert asked == ["41"]
    assert storage.read(tmp_path / "run").state == "running"
    assert records.attempts(tmp_path / "run")[0].outcome == "requeued"


@pytest.mark.parametrize(
    ("number", "facts", "says"),
    [
        (signal.SIGTERM, {}, "stopped by SIGTERM at"),
        (signal.SIGUSR2, {"requeue": False}, "stopped by SIGUSR2 at"),
        (signal.SIGUSR2, {"state": "COMPLETING"}, r"SLURM ends the job \(COMPLETING\)"),
    ],
)
def test_no_other_attempt_where_none_is_wanted(tmp_path, monkeypatch, asked, number, facts, says):
    slurm(monkeypatch, **facts)
    with pytest.raises(Interrupted, match=says) as raised:
        run(tmp_path / "run", interrupted(number))
    assert not isinstance(raised.value, Requeued)
    assert asked == []
    assert records.attempts(tmp_path / "run")[0].outcome == "stopped"


def test_a_preemption_that_is_told_by_sigterm(tmp_path, monkeypatch, asked):
    slurm(monkeypatch, preempted=True)
    with pytest.raises(Requeued):
        run(tmp_path / "run", interrupted(signal.SIGTERM))
    assert asked == ["41"]


def test_no_fourth_attempt_without_progress(tmp_path, monkeypatch, asked):
    slurm(monkeypatch, left=5.0)  # too short for a step
    for restart in range(3):
        monkeypatch.setenv("SLURM_RESTART_COUNT", str(restart))
        assert len(asked) == restart
        with pytest.raises(PathsearchError) as raised:
            run(tmp_path / "run", configured)
        assert isinstance(raised.value, Requeued) == (restart < 2)
    assert "in 3 attempts it got no further, and is not requeued: give it more time" in str(raised.value)
    assert [attempt.outcome for attempt in records.attempts(tmp_path / "run")] == ["requeued", "requeued", "failed"]


def test_a_holder_that_leaves_nodes_idle_is_refused(tmp_path, monkeypatch):
    slurm(monkeypatch)
    monkeypatch.setenv("SLURM_STEP_NUM_NODES", "2")
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "2")
    monkeypatch.setattr("pathsearch.jobs.nodes.head", lambda *arguments: nullcontext("nowhere:1"))
    with pytest.raises(PathsearchError, match="holder serial of this run leaves 2 nodes idle: ask for one node"):
        run(tmp_path / "run", lambda: Asked(*config.load("two-modes", ["holder=serial"])))


def local(monkeypatch, tmp_path, act, runs=("a", "b", "c")):
    """Carry out runs of a process of this machine, of which each calls `act`; returns status and what was begun."""
    monkeypatch.setenv("SUBMITIT_LOCAL_JOB_ID", "99")
    for number, name in ((1, "stdout"), (2, "stderr")):  # pytest's own write past these descriptors
        monkeypatch.setattr(sys, name, os.fdopen(number, "w", closefd=False, buffering=1))
    begun = []
    for name in runs:
        records.submitted(tmp_path / name, records.Record("local", {}, str(tmp_path), str(tmp_path), 5.0))

    def run(where, configured, stop):
        begun.append(where.name)
        print("output of", where.name, flush=True)
        act(where, stop)
        if stop.due(0.0):
            raise Interrupted(f"stopped by {stop.reason}", stop.number)

    monkeypatch.setattr(work, "run", run)
    with pytest.raises(SystemExit) if act is failing else nullcontext() as raised:
        work.work([str(tmp_path / name) for name in runs], 5.0)
    return begun, raised


def failing(where, stop):
    raise PathsearchError(f"{where.name} fails")


def test_what_is_cancelled_ends_and_the_others_go_on(tmp_path, monkeypatch, capfd):
    def act(where, stop):
        for name in ("a", "b") if where.name == "a" else ():
            records.cancel(tmp_path / name, records.record(tmp_path / name))

    begun, _ = local(monkeypatch, tmp_path, act, ("a", "b", "c"))
    assert begun == ["a", "c"]
    own = {name: tmp_path / name / "jobs" / "99_0_log.out" for name in "abc"}
    assert own["a"].read_text() == "output of a\npathsearch: stopped by `pathsearch cancel`\n"
    assert not own["b"].exists()
    assert capfd.readouterr().out == f"{tmp_path / 'b'}: cancelled before it began\n"


def test_a_signal_ends_all_runs_also_where_one_was_cancelled(tmp_path, monkeypatch):
    def act(where, stop):
        records.cancel(where, records.record(where))
        assert stop.due(0.0)
        os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(SystemExit) as raised:
        local(monkeypatch, tmp_path, act)
    assert raised.value.code == 130


def test_a_run_that_was_submitted_again_meanwhile_is_the_other_jobs(tmp_path, monkeypatch):
    def act(where, stop):
        if where.name == "a":
            anew = records.Record("local", {}, str(tmp_path), str(tmp_path), 6.0)
            records.submitted(tmp_path / "b", anew)
            records.cancel(tmp_path / "b", anew)

    assert local(monkeypatch, tmp_path, act)[0] == ["a", "c"]


def test_one_that_fails_keeps_no_other_from_running(tmp_path, monkeypatch, capfd):
    begun, raised = local(monkeypatch, tmp_path, failing)
    assert (begun, raised.value.code) == (["a", "b", "c"], 1)
    assert capfd.readouterr().err == ""
    assert "pathsearch: b fails" in (tmp_path / "b" / "jobs" / "99_0_log.out").read_text()


def test_ray_that_is_gone_ends_a_run_that_has_no_other_attempt(tmp_path, monkeypatch, capsys):
    slurm(monkeypatch, requeue=False)
    found = {}

    def on_nodes(where, configured, given, stop, lost):
        found["status"] = lost("Ray ended on n1, the first node: out of memory")

    monkeypatch.setattr(work, "_on_nodes", on_nodes)
    run(tmp_path / "run", configured)
    assert found["status"] == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line == (
        "pathsearch: Ray ended on n1, the first node: out of memory; "
        "run the same command again to continue from the last checkpoint"
    )
    (attempt,) = records.attempts(tmp_path / "run")
    assert (attempt.outcome, attempt.last, attempt.step, attempt.cpus) == (
        "finished",
        True,
        "41.0",
        attempt.nodes * cores(),
    )


def test_a_run_typed_in_a_shell_that_slurm_gave_is_no_job_of_its_own(tmp_path, monkeypatch):
    slurm(monkeypatch)
    monkeypatch.setenv("SLURM_PTY_PORT", "4711")
    monkeypatch.setenv("SLURM_TASK_PID", "1")  # the shell's
    monkeypatch.setattr(work, "_search", lambda *arguments: "alone")
    assert run(tmp_path / "run", configured) == "alone"
    assert registry.known_runs() == []
