"""Arrays, dependencies, and the plain scripts of slurm/."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np

from pathsearch import storage
from pathsearch.jobs.states import statuses
from tests.commands import SMALL, pathsearch
from tests.slurm.host import until
from tests.slurm.runs import finished, same, state

TEMPLATES = Path(__file__).parents[2] / "slurm"


def test_minima_are_trained_once_and_an_array_waits_for_them(slurm, tmp_path):
    (tmp_path / "small.yaml").write_text(SMALL)
    sweep = ("--sweep", "seed=0:2", "--sweep", "method.name=neb,bezier", "--parallel", 2)
    done = pathsearch("submit", "small.yaml", *sweep, "--out", "all", cwd=tmp_path, **slurm)
    training, array = re.findall(r"^job (\d+):", done.stdout, re.M)
    runs = [tmp_path / "all" / f"seed={seed},method.name={name}" for seed in (0, 1) for name in ("neb", "bezier")]
    minima = sorted((tmp_path / "minima").glob("mlp-*"))
    assert {(one.state, one.waits_for) for one in statuses(runs)} == {("PENDING", tuple(minima))}
    assert {one.record.job for one in statuses(runs)} == {f"{array}_{k}" for k in range(4)}
    for run in runs:
        finished(run)
    assert [one.record.job for one in statuses(minima)] == [f"{training}_0", f"{training}_1"]
    ends = np.concatenate([storage.read_vectors(minimum)[0] for minimum in minima])
    for run in runs:
        np.testing.assert_array_equal(storage.read_vectors(run)[0][[0, -1]], ends)
        assert statuses([run])[0].attempts == 1
    pathsearch("run", "small.yaml", "method.name=bezier", "--out", "alone", cwd=tmp_path)
    same(runs[1], tmp_path / "alone")


def test_an_array_does_not_wait_for_a_training_that_failed(slurm, tmp_path):
    (tmp_path / "bad.yaml").write_text(SMALL.replace("digits", "{name: folder, root: nowhere}"))
    pathsearch("submit", "bad.yaml", "--sweep", "seed=0:2", "--out", "all", cwd=tmp_path, **slurm)
    run = tmp_path / "all" / "seed=1"
    until(lambda: state(run) == "CANCELLED", lambda: str(statuses([run])))
    minima = sorted((tmp_path / "minima").glob("mlp-*"))
    for training in statuses(minima):
        assert training.state == "FAILED"
        assert "objective.data.root must hold train/ and test/" in training.says
    # again, in the same order: an array that waits for the trainings
    done = pathsearch("resubmit", "--failed", cwd=tmp_path, **slurm)
    first, then = done.stdout.splitlines()
    training = statuses(minima)[0].record.job.partition("_")[0]
    assert first == f"job {training}: 2 runs in minima"
    array = re.fullmatch(r"job (\d+): 2 runs in all", then)[1]
    script = (tmp_path / "all" / "jobs-bad" / f"{array}_submission.sh").read_text()
    assert f"--dependency=afterok:{training}" in script
    assert "--array=0-1%" in script


def test_the_plain_scripts(slurm, tmp_path):
    (tmp_path / "small.yaml").write_text(SMALL)
    for name in ("multi-node", "array"):
        shutil.copy(TEMPLATES / f"{name}.sbatch", tmp_path)
    run = tmp_path / "runs" / "small"
    sbatch("multi-node.sbatch", "small.yaml", cwd=tmp_path)
    until((run / "job.json").exists)
    finished(run)
    sbatch("--array=0-1", "array.sbatch", "small.yaml", "steps=20", cwd=tmp_path)
    runs = [tmp_path / "runs" / "small" / f"seed={seed}" for seed in (0, 1)]
    for one in runs:
        until((one / "job.json").exists)
        finished(one)
    pathsearch("run", "small.yaml", "--out", "alone", cwd=tmp_path)
    same(run, tmp_path / "alone")
    listed = pathsearch("jobs", cwd=tmp_path, **slurm).stdout
    assert listed.count("COMPLETED") == 3
    (log,) = (file for file in tmp_path.glob("pathsearch-*.log") if "_" not in file.name)
    assert "on 4 Ray actors" in log.read_text()


def sbatch(*arguments, cwd):
    # the scripts call `pathsearch`, as from an activated environment
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    subprocess.run(["sbatch", *arguments], cwd=cwd, env={**os.environ, "PATH": path}, check=True, capture_output=True)
