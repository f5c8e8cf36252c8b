"""Environments that jobs are submitted from: GPUs by any name, shells and jobs of SLURM around them."""

import os
import subprocess

import pytest

from pathsearch.errors import PathsearchError
from pathsearch.jobs import submission
from pathsearch.jobs.allocation import asked
from pathsearch.jobs.profiles import ClusterProfile
from pathsearch.jobs.submission import Batch
from pathsearch.run.config import load
from tests.commands import fake_slurm, pathsearch

UUID = "GPU-8f6d0a3c-1111-2222-3333-444455556666"
MIG = "MIG-c6d4f1ef-42e4-5de3-91c7-45d71c87eb3f"
OUTER = {
    "SLURM_JOB_ID": "77",
    "SLURM_STEP_ID": "0",
    "SLURM_STEP_NUM_TASKS": "8",
    "SLURM_ARRAY_JOB_ID": "77",
    "SLURM_ARRAY_TASK_ID": "3",
    "SLURM_MEM_PER_CPU": "4000",
    "SLURM_CPU_BIND": "quiet,mask_cpu:0x3",
    "SLURM_TRES_PER_TASK": "cpu=2",
    "SBATCH_MEM_BIND": "local",
    "SUBMITIT_EXECUTOR": "slurm",
    "SUBMITIT_LOCAL_JOB_ID": "5",
}


@pytest.fixture
def started(tmp_path, monkeypatch):
    """Submit to this machine; gives the environment its process would have."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    given = {}

    class Process:
        pid = os.getpid()

    def start(command, env, **more):
        given.update(env)
        return Process()

    def submit(**options):
        settings, folder = load("two-modes", [])
        batch = Batch("two", tmp_path / "run" / "jobs", {tmp_path / "run": settings}, ClusterProfile(**options))
        prepared = submission.prepare(batch, "local", folder, tmp_path)
        with monkeypatch.context() as patched:
            patched.setattr("submitit.local.local.subprocess.Popen", start)
            submission.to_this_machine(batch, prepared)
        return given

    return submit


@pytest.mark.parametrize(
    ("seen", "asked", "given"),
    [
        ("0", 0, "0"),
        ("0, 1", 0, "0,1"),
        (UUID, 0, UUID),
        (MIG, 0, MIG),
        (f"{UUID},{MIG}", 1, UUID),
        ("GPU-8f6d", 0, "GPU-8f6d"),
        ("1,-1,2", 0, "1"),  # as CUDA reads it
        ("", 0, ""),
        ("NoDevFiles", 0, ""),
    ],
)
def test_case_15_gpu_uuid(started, monkeypatch, seen, asked, given):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", seen)
    assert started(gpus_per_node=asked)["CUDA_VISIBLE_DEVICES"] == given


def test_case_15_all_gpus_where_none_are_named(started, monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 3)
    assert started()["CUDA_VISIBLE_DEVICES"] == "0,1,2"
    assert started(gpus_per_node=2)["CUDA_VISIBLE_DEVICES"] == "0,1"


@pytest.fixture
def taking(tmp_path):
    """A SLURM that takes every job, and writes down what the last one was given."""
    given = tmp_path / "given.txt"
    own = fake_slurm(tmp_path, f"env > {given}\necho Submitted batch job 4711")

    def seen():
        lines = given.read_text().splitlines()
        found = dict(line.split("=", 1) for line in lines if line.startswith(("SLURM", "SBATCH_", "SUBMITIT_")))
        given.unlink()
        return found

    return own, seen


def test_case_16_nested(taking, tmp_path):
    own, given = taking
    users = {"SBATCH_RESERVATION": "ours", "SBATCH_TIMELIMIT": "1", "SBATCH_PARTITION": "usual", "SLURM_CLUSTERS": "c"}
    inside = {**own, **OUTER, **users}
    pathsearch("submit", "two-modes", "--mem", "8GB", "--out", "a", cwd=tmp_path, **inside)
    kept = {"SLURM_CONF": "/etc/hosts", "SLURM_CLUSTERS": "c", "SBATCH_RESERVATION": "ours"}
    # what the user has set for all jobs stays; what is asked for of this one stands over it
    assert given() == {**kept, "SBATCH_PARTITION": "usual"}
    pathsearch("submit", "two-modes", "--partition", "gpu", "--out", "b", cwd=tmp_path, **inside)
    assert given() == kept
    done = pathsearch("resubmit", "a", cwd=tmp_path, **inside)  # SLURM knows nothing of it: it is lost
    assert done.stdout == "job 4711: run in a\n"
    assert given() == {**kept, "SBATCH_PARTITION": "usual"}


def test_case_16_a_process_of_this_machine_is_no_part_of_the_job_around_it(started, monkeypatch):
    for name, value in OUTER.items():
        monkeypatch.setenv(name, value)
    given = started()
    assert not [name for name in given if name.startswith(("SLURM_", "SBATCH_", "SUBMITIT_LOCAL_JOB_ID"))]
    assert given["SUBMITIT_EXECUTOR"] == "local"
    assert os.environ["SLURM_JOB_ID"] == "77"  # this process is


def test_case_16_questions_to_slurm_are_not_answered_by_a_users_filters(tmp_path, monkeypatch):
    squeue = tmp_path / "squeue"
    squeue.write_text("#!/bin/bash\nenv | grep -c SQUEUE_\n")
    squeue.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("SQUEUE_PARTITION", "other")
    assert subprocess.run(["squeue"], capture_output=True, text=True).stdout == "1\n"
    with pytest.raises(PathsearchError):  # grep finds none
        asked(["squeue"])
