"""What a task of a job does, SLURM's answers given by hand."""

import os
import signal
import time
from contextlib import nullcontext

import pytest

from pathsearch import storage
from pathsearch.errors import Interrupted, PathsearchError, Requeued
from pathsearch.launch import config
from pathsearch.launch.jobs import records, registry, work
from pathsearch.launch.jobs.allocation import Fate
from pathsearch.launch.stop import signals

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
    monkeypatch.setattr(work, "fate", lambda job: Fate(state, time.time() + left, requeue, preempted))


def run(where, settings):
    with signals() as stop:
        return work.run(where, settings, stop)


def configured():
    return config.load("two-modes", ["measure.plane=0"])


def interrupted(number=signal.SIGUSR2):
    def settings():
        os.kill(os.getpid(), number)  # while torch is imported
        return configured()

    return settings


def test_a_run_of_a_plain_script_is_known(tmp_path, monkeypatch):
    slurm(monkeypatch)
    assert run(tmp_path / "run", configured).state == "finished"
    (turn,) = records.turns(tmp_path / "run")
    assert (turn.job, turn.outcome, turn.nodes, turn.gpus) == ("41", "finished", 1, 0)
    assert registry.known_runs() == [tmp_path / "run"]
    assert records.record(tmp_path / "run").job == "41"


def test_a_warning_has_the_job_requeued(tmp_path, monkeypatch, asked):
    slurm(monkeypatch)
    with pytest.raises(Requeued, match=r"SIGUSR2 .*; the job is requeued"):
        run(tmp_path / "run", interrupted())
    assert asked == ["41"]
    assert storage.read(tmp_path / "run").state == "running"
    assert records.turns(tmp_path / "run")[0].outcome == "requeued"


@pytest.mark.parametrize(
    ("number", "facts", "says"),
    [
        (signal.SIGTERM, {}, "stopped by SIGTERM at"),
        (signal.SIGUSR2, {"requeue": False}, "stopped by SIGUSR2 at"),
        (signal.SIGUSR2, {"state": "COMPLETING"}, r"SLURM ends the job \(COMPLETING\)"),
    ],
)
def test_no_other_turn_where_none_is_wanted(tmp_path, monkeypatch, asked, number, facts, says):
    slurm(monkeypatch, **facts)
    with pytest.raises(Interrupted, match=says) as raised:
        run(tmp_path / "run", interrupted(number))
    assert not isinstance(raised.value, Requeued)
    assert asked == []
    assert records.turns(tmp_path / "run")[0].outcome == "stopped"


def test_a_preemption_that_is_told_by_sigterm(tmp_path, monkeypatch, asked):
    slurm(monkeypatch, preempted=True)
    with pytest.raises(Requeued):
        run(tmp_path / "run", interrupted(signal.SIGTERM))
    assert asked == ["41"]


def test_no_fourth_turn_without_progress(tmp_path, monkeypatch, asked):
    slurm(monkeypatch, left=5.0)  # too short for a step
    for restart in range(3):
        monkeypatch.setenv("SLURM_RESTART_COUNT", str(restart))
        assert len(asked) == restart
        with pytest.raises(PathsearchError) as raised:
            run(tmp_path / "run", configured)
        assert isinstance(raised.value, Requeued) == (restart < 2)
    assert "in 3 turns it got no further, and is not requeued: give it more time" in str(raised.value)
    assert [turn.outcome for turn in records.turns(tmp_path / "run")] == ["requeued", "requeued", "failed"]


def test_a_holder_that_leaves_nodes_idle_is_refused(tmp_path, monkeypatch):
    slurm(monkeypatch)
    monkeypatch.setenv("SLURM_STEP_NUM_NODES", "2")
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "2")
    monkeypatch.setattr("pathsearch.launch.jobs.nodes.head", lambda *arguments: nullcontext("nowhere:1"))
    with pytest.raises(PathsearchError, match="holder serial of this run leaves 2 nodes idle: ask for one node"):
        run(tmp_path / "run", lambda: config.load("two-modes", ["holder=serial"]))
