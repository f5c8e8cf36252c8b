"""Runs on a real Slurm: to their end, cancelled, refused, and what is said of them."""

import re
import subprocess
import sys

from pathsearch import storage
from pathsearch.jobs.states import statuses
from tests.commands import SMALL, pathsearch
from tests.slurm.host import until
from tests.slurm.runs import TWO, finished, job, log, same, state, stepped

IMPATIENT = """
import sys
from pathsearch.cli import main
from pathsearch.jobs import nodes

nodes.SEEN = 2.0  # a disk that nodes share may take half a minute; this one does not
sys.argv = ["pathsearch", "run", "../slow.yaml", "--out", "run"]
main()
"""


def test_two_nodes_find_the_path_of_one_device(slurm, tmp_path):
    (tmp_path / "small.yaml").write_text(SMALL)
    pathsearch("run", "small.yaml", "--out", "alone", "holder=serial", cwd=tmp_path)
    done = pathsearch("submit", "small.yaml", *TWO, "--gpus-per-node", 2, "--out", "run", cwd=tmp_path, **slurm)
    assert re.search(r"^job \d+: run in run$", done.stdout, re.M)
    followed = pathsearch("logs", "-f", "run", cwd=tmp_path, **slurm)
    finished(tmp_path / "run")
    assert "on 4 Ray actors" in followed.stdout
    assert "kept in" in followed.stdout
    same(tmp_path / "run", tmp_path / "alone")
    assert (tmp_path / "run" / "path.png").read_bytes().startswith(b"\x89PNG")
    assert not list((tmp_path / "run").glob(".ray*"))


def test_cancel(slurm, tmp_path):
    pathsearch("submit", "slow.yaml", *TWO, "--out", "run", cwd=tmp_path, NAP="0.15", **slurm)
    run = tmp_path / "run"
    stepped(run)
    done = pathsearch("submit", "slow.yaml", *TWO, "--out", "run", cwd=tmp_path, status=1, **slurm)
    assert re.search(r"run has job \d+, RUNNING: wait, cancel it with `pathsearch cancel run`", done.stderr)
    assert "is asked to end" in pathsearch("cancel", "run", cwd=tmp_path, **slurm).stdout
    until(lambda: state(run) == "CANCELLED", lambda: log(run))
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
    assert not (tmp_path / "run").exists()
    assert "no runs were submitted yet" in pathsearch("jobs", cwd=tmp_path, **slurm).stdout


def test_jobs_tell_of_one_that_died_before_it_wrote_anything(slurm, tmp_path):
    (tmp_path / "bad.yaml").write_text("prologue: ['echo the module is missing; exit 3']\n")
    pathsearch("submit", "slow.yaml", "--cluster", "bad.yaml", "--out", "run", cwd=tmp_path, **slurm)
    run = tmp_path / "run"
    until(lambda: state(run) not in ("PENDING", "RUNNING", "COMPLETING"))
    (one,) = statuses([run])
    assert (one.state, one.says, one.seen) == ("FAILED", "the module is missing", None)
    assert "FAILED" in pathsearch("jobs", cwd=tmp_path, **slurm).stdout
    assert "the module is missing" in pathsearch("logs", "run", cwd=tmp_path, **slurm).stdout
    # the same again, of which is now more to be said
    pathsearch("resubmit", "--failed", cwd=tmp_path, **slurm)
    until(lambda: state(run) == "FAILED")
    assert job(run) != one.record.job


def test_a_folder_the_other_nodes_cannot_see(slurm, tmp_path):
    """The nodes of this Slurm share a disk; a task that stands elsewhere sees what another host would."""
    (tmp_path / "impatient.py").write_text(IMPATIENT)
    script = f"mkdir -p $SLURM_PROCID && cd $SLURM_PROCID && exec {sys.executable} ../impatient.py"
    done = subprocess.run(
        ["srun", "-N2", "--gres=gpu:1", "bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=240
    )
    assert done.returncode
    assert re.search(r"run cannot be seen on n\d: put the run on a file system all nodes share", done.stderr)
