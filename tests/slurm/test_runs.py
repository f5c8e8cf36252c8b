"""Runs on a real Slurm: to their end, through preemption, the end of their time, the loss of a node."""

import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest

from pathsearch import storage
from pathsearch.launch.jobs.states import statuses
from pathsearch.storage.glance import glance
from tests.commands import SMALL, pathsearch
from tests.slurm import host
from tests.slurm.host import said, until

TWO = ("--nodes", 2, "--gpus-per-node", 1, "--time", 30)


@pytest.fixture(scope="module")
def serial(tmp_path_factory):
    """The undisturbed runs, on one device."""
    from tests.slurm.conftest import LOSS, SLOW

    folder = tmp_path_factory.mktemp("serial")
    (folder / "small.yaml").write_text(SMALL)
    (folder / "slow.py").write_text(LOSS)
    (folder / "slow.yaml").write_text(SLOW)
    for name in ("small", "slow"):
        pathsearch("run", f"{name}.yaml", "--out", name, "holder=serial", cwd=folder)
    return folder


def same(run, wanted):
    one, other = (storage.read_vectors(folder)[0] for folder in (run, wanted))
    np.testing.assert_array_equal(one, other)
    for name in ("path", "linear"):
        profiles = (storage.read(folder).groups[f"profiles/{name}"] for folder in (run, wanted))
        for values, expected in zip(*(profile.values() for profile in profiles)):
            np.testing.assert_array_equal(values, expected)


def state(run):
    return statuses([run])[0].state


def finished(run, seconds=150):
    def what():
        return f"{statuses([run])}\n{log(run)}"

    until(lambda: state(run) not in ("PENDING", "RUNNING", "COMPLETING", "REQUEUED"), seconds, what)
    assert state(run) == "COMPLETED", what()


def log(run):
    return "".join(file.read_text() for file in sorted(run.glob("jobs/*_log.out")))


def stepped(run, moves=5):
    """Wait until a run is in the middle of its steps."""
    until(lambda: (seen := glance(run)) is not None and seen.moves >= moves, 90, lambda: log(run))


def job(run):
    return statuses([run])[0].record.job


def test_two_nodes_find_the_path_of_one_device(slurm, serial, tmp_path):
    (tmp_path / "small.yaml").write_text(SMALL)
    done = pathsearch("submit", "small.yaml", *TWO, "--gpus-per-node", 2, "--out", "run", cwd=tmp_path, **slurm)
    assert re.search(r"^job \d+: run in run$", done.stdout, re.M)
    followed = pathsearch("logs", "-f", "run", cwd=tmp_path, **slurm)
    finished(tmp_path / "run")
    assert "on 4 Ray actors" in followed.stdout
    assert "kept in" in followed.stdout
    same(tmp_path / "run", serial / "small")
    assert (tmp_path / "run" / "path.png").read_bytes().startswith(b"\x89PNG")
    assert not list((tmp_path / "run").glob(".ray*"))


def test_a_warning_has_two_nodes_go_on_in_another_turn(slurm, serial, tmp_path):
    pathsearch("submit", "slow.yaml", *TWO, "--out", "run", cwd=tmp_path, NAP="0.05", **slurm)
    run = tmp_path / "run"
    stepped(run)
    token = next(run.glob(".ray*/token"))
    assert token.stat().st_mode & 0o777 == 0o600
    assert token.parent.stat().st_mode & 0o777 == 0o700
    before = glance(run).moves
    assert said(["scancel", "--signal=USR2", job(run)], os.environ) == ""
    until(lambda: statuses([run])[0].turns == 2, 60, lambda: log(run))
    # it was asked between two steps and stopped after the one under way: nothing of it is lost
    stopped, begun = (re.search(pattern, log(run)) for pattern in (r"at step (\d+)", r"continues after (\d+) steps"))
    assert before <= int(stopped[1]) <= before + 10
    finished(run)
    begun = re.search(r"continues after (\d+) steps", log(run))
    assert begun[1] == stopped[1]
    same(run, serial / "slow")


def test_a_job_of_higher_priority_takes_the_nodes_for_a_while(slurm, serial, tmp_path):
    pathsearch("submit", "slow.yaml", "--time", 30, "--out", "run", cwd=tmp_path, NAP="0.05", **slurm)
    run = tmp_path / "run"
    stepped(run)
    said(["sbatch", "-N2", "--exclusive", "-p", "urgent", "-o", "/dev/null", "--wrap", "sleep 1"], os.environ)
    until(lambda: "SIGUSR2" in log(run), 60, lambda: log(run))
    finished(run)
    assert statuses([run])[0].turns == 2
    same(run, serial / "slow")


def test_the_end_of_the_time(slurm, serial, tmp_path):
    (tmp_path / "short.yaml").write_text("time: 1\nwarning: 45\n")
    begun = time.time()
    pathsearch("submit", "slow.yaml", "--cluster", "short.yaml", "--out", "run", cwd=tmp_path, NAP="0.1", **slurm)
    run = tmp_path / "run"
    until(lambda: "is requeued" in log(run), 90, lambda: log(run))
    assert time.time() - begun < 60
    assert statuses([run])[0].state != "TIMEOUT"
    finished(run)
    assert len(list(run.glob("jobs/turn-*"))) >= 2
    same(run, serial / "slow")


def test_a_node_dies(slurm, slurm_host, serial, tmp_path):
    pathsearch("submit", "slow.yaml", *TWO, "--out", "run", cwd=tmp_path, NAP="0.2", **slurm)
    run = tmp_path / "run"
    stepped(run)
    folders = set(Path("/tmp").glob(f"ps{job(run)}-*"))
    for process in task(run, rank=1):
        os.kill(process, signal.SIGKILL)
    until(lambda: "1 actors where there were 2" in log(run), 90, lambda: log(run))
    before = glance(run).moves
    until(lambda: glance(run).moves > before, 30)
    with host.node_down(slurm_host, "n2"):  # now SLURM notices, too
        until(lambda: state(run) == "PENDING", 60, lambda: str(statuses([run])))
    finished(run)
    assert statuses([run])[0].turns == 2
    same(run, serial / "slow")
    for folder in folders:  # a node that died cannot tidy up
        shutil.rmtree(folder, ignore_errors=True)


def task(run, rank):
    """Processes of a job's task on one node, Ray's among them."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            variables = (process / "environ").read_bytes().split(b"\0")
        except OSError:
            continue  # it ended meanwhile
        if f"SLURM_JOB_ID={job(run)}".encode() in variables and f"SLURM_PROCID={rank}".encode() in variables:
            found.append(int(process.name))
    assert found
    return found


def test_cancel(slurm, tmp_path):
    pathsearch("submit", "slow.yaml", *TWO, "--out", "run", cwd=tmp_path, NAP="0.05", **slurm)
    run = tmp_path / "run"
    stepped(run)
    done = pathsearch("submit", "slow.yaml", *TWO, "--out", "run", cwd=tmp_path, status=1, **slurm)
    assert re.search(r"run has job \d+, RUNNING: wait, cancel it with `pathsearch cancel run`", done.stderr)
    assert "is asked to end" in pathsearch("cancel", "run", cwd=tmp_path, **slurm).stdout
    until(lambda: state(run) == "CANCELLED", 30, lambda: log(run))
    assert storage.read(run).position["moves"] >= 5
    assert "nothing to end, it is CANCELLED" in pathsearch("cancel", "run", cwd=tmp_path, **slurm).stdout


def test_what_goes_wrong_is_said_in_a_line(slurm, tmp_path):
    def line(*arguments):
        done = pathsearch("submit", "slow.yaml", "--out", "run", *arguments, cwd=tmp_path, status=1, **slurm)
        (only,) = done.stderr.splitlines()
        return only

    assert "invalid partition specified: nowhere" in line("--partition", "nowhere")
    assert "SLURM takes no %" in line("--out", "a%b")
    assert "no file gone.npy here" in line("endpoints.start=gone.npy")
    assert "UNSUBMITTED" in pathsearch("jobs", cwd=tmp_path, **slurm).stdout


def test_jobs_tell_of_one_that_died_before_it_wrote_anything(slurm, tmp_path):
    (tmp_path / "bad.yaml").write_text("prologue: ['echo the module is missing; exit 3']\n")
    pathsearch("submit", "slow.yaml", "--cluster", "bad.yaml", "--out", "run", cwd=tmp_path, **slurm)
    run = tmp_path / "run"
    until(lambda: state(run) not in ("PENDING", "RUNNING", "COMPLETING"), 30)
    (one,) = statuses([run])
    assert (one.state, one.says, one.seen) == ("FAILED", "the module is missing", None)
    assert "FAILED" in pathsearch("jobs", cwd=tmp_path, **slurm).stdout
    assert "the module is missing" in pathsearch("logs", "run", cwd=tmp_path, **slurm).stdout
    # the same again, of which is now more to be said
    pathsearch("resubmit", "--failed", cwd=tmp_path, **slurm)
    until(lambda: state(run) == "FAILED", 30)
    assert job(run) != one.record.job


def test_a_folder_the_other_nodes_cannot_see(slurm, tmp_path):
    """The nodes of this Slurm share a disk; a task that stands elsewhere sees what another host would."""
    script = "mkdir -p $SLURM_PROCID && cd $SLURM_PROCID && exec pathsearch run ../slow.yaml --out run"
    done = subprocess.run(
        ["srun", "-N2", "--gres=gpu:1", "bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=240
    )
    assert done.returncode
    assert re.search(r"run cannot be seen on n\d: put the run on a file system all nodes share", done.stderr)
