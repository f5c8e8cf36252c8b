"""Runs that are disturbed: preempted, out of time, their node dead. They end with the weights of an undisturbed one."""

import contextlib
import os
import re
import shutil
import signal
from pathlib import Path

import psutil
import pytest

from pathsearch.jobs import records
from pathsearch.jobs.states import statuses
from pathsearch.storage.glance import glance
from tests.commands import pathsearch
from tests.slurm import host
from tests.slurm.conftest import LOSS, SLOW
from tests.slurm.host import said, until
from tests.slurm.runs import TWO, finished, hurry, job, log, same, state, stepped


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """A run on one device."""
    folder = tmp_path_factory.mktemp("undisturbed")
    (folder / "slow.py").write_text(LOSS)
    (folder / "slow.yaml").write_text(SLOW)
    pathsearch("run", "slow.yaml", "--out", "run", "holder=serial", cwd=folder)
    return folder / "run"


def test_a_warning_has_two_nodes_go_on_in_another_attempt(slurm, undisturbed, tmp_path):
    pathsearch("submit", "slow.yaml", *TWO, "--out", "run", cwd=tmp_path, NAP="0.15", **slurm)
    run = tmp_path / "run"
    stepped(run)
    token = next(run.glob(".ray*/token"))
    assert token.stat().st_mode & 0o777 == 0o600
    assert token.parent.stat().st_mode & 0o777 == 0o700
    number, before = job(run), glance(run).moves
    assert said(["scancel", "--signal=USR2", number], os.environ) == ""
    until(lambda: "to requeue job" in log(run), lambda: log(run))
    hurry(tmp_path)
    finished(run)
    assert statuses([run])[0].attempts == 2
    # it was asked between two steps and stopped after the one under way: nothing of it is lost
    stopped, begun = (re.search(pattern, log(run)) for pattern in (r"at step (\d+)", r"continues after (\d+) steps"))
    assert before <= int(stopped[1]) <= before + 10
    assert begun[1] == stopped[1]
    same(run, undisturbed)


def test_a_job_of_higher_priority_takes_the_nodes_for_a_while(slurm, undisturbed, tmp_path):
    pathsearch("submit", "slow.yaml", "--time", 30, "--out", "run", cwd=tmp_path, NAP="0.15", **slurm)
    run = tmp_path / "run"
    stepped(run)
    said(["sbatch", "-N2", "--exclusive", "-p", "urgent", "-o", "/dev/null", "--wrap", "sleep 1"], os.environ)
    until(lambda: "SIGUSR2" in log(run), lambda: log(run))
    hurry(tmp_path)
    finished(run)
    assert statuses([run])[0].attempts == 2
    same(run, undisturbed)


def test_the_end_of_the_time(slurm, undisturbed, tmp_path):
    (tmp_path / "short.yaml").write_text("time: 1\nwarning: 45\n")
    pathsearch("submit", "slow.yaml", "--cluster", "short.yaml", "--out", "run", cwd=tmp_path, NAP="0.1", **slurm)
    run = tmp_path / "run"
    until(lambda: "to requeue job" in log(run), lambda: log(run))
    first = records.attempts(run)[0]
    assert first.outcome == "requeued"
    assert first.ended - first.began < 60
    hurry(tmp_path)
    assert statuses([run])[0].state != "TIMEOUT"
    finished(run)
    assert len(list(run.glob("jobs/attempt-*"))) >= 2
    same(run, undisturbed)


def test_a_node_dies(slurm, slurm_host, undisturbed, tmp_path):
    often = {"RAY_health_check_period_ms": "500"}  # else Ray takes a quarter of a minute to miss a node
    pathsearch("submit", "slow.yaml", *TWO, "--out", "run", cwd=tmp_path, NAP="0.2", **often, **slurm)
    run = tmp_path / "run"
    stepped(run)
    folders = set(Path("/tmp").glob(f"ps{job(run)}-*"))
    for process in task(run, rank=1):
        with contextlib.suppress(ProcessLookupError):  # Ray's own end with their parent
            os.kill(process, signal.SIGKILL)
    until(lambda: "1 actors where there were 2" in log(run), lambda: log(run))
    before = glance(run).moves
    until(lambda: glance(run).moves > before)
    with host.node_down(slurm_host, "n2"):  # now SLURM knows it too
        until(lambda: state(run) == "PENDING", lambda: str(statuses([run])))
    hurry(tmp_path)
    finished(run)
    assert statuses([run])[0].attempts == 2
    same(run, undisturbed)
    for folder in folders:  # a node that died cannot tidy up
        shutil.rmtree(folder, ignore_errors=True)


def task(run, rank):
    """Processes of a job's task on one node, Ray's among them."""
    wanted = {"SLURM_JOB_ID": job(run), "SLURM_PROCID": str(rank)}.items()
    found = [one.pid for one in psutil.process_iter(["environ"]) if wanted <= (one.info["environ"] or {}).items()]
    assert found
    return found
