"""Cores a run may use, what `auto` comes to, devices that fail, and the little that Ray shows of itself."""

import os
import pickle
import signal
import stat
from types import SimpleNamespace

import pytest
import torch

from pathsearch import clusters, machine, storage
from pathsearch.errors import HolderLost, MachineLost, PathsearchError, Requeued
from pathsearch.holders import HolderSettings
from pathsearch.holders.ray import local
from pathsearch.holders.ray.pool import _of_task
from pathsearch.objectives.faults import device_fault
from pathsearch.run import config, placement, session, whole
from pathsearch.run.placement import Work
from pathsearch.run.settings import Asked
from pathsearch.run.stop import Stop
from tests.holders.ray.test_faults import Watcher
from tests.jobs.test_work import run as run_in_job
from tests.jobs.test_work import slurm

NETWORK, BAND, CURVE = None, [(100, 7)], [(100, 1)]
TRAINED = [(100, 2), (100, 1)]


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="the system binds no process to cores")
def test_case_14_affinity():
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})
    try:
        assert local.resources(HolderSettings())["num_cpus"] == 1
        assert local.resources(HolderSettings(actors=3, cpus_per_actor=2))["num_cpus"] == 6
    finally:
        os.sched_setaffinity(0, allowed)


def test_case_14_quota(monkeypatch):
    monkeypatch.setattr(machine, "cores", lambda: 5)
    assert local.resources(HolderSettings())["num_cpus"] == 5


@pytest.mark.parametrize(
    ("asked", "device", "work", "gpus", "place"),
    [
        ({}, "auto", Work(2, BAND), 4, ("serial", "cpu")),
        ({}, "auto", Work(placement.FEW + 1, BAND), 4, ("ray", "auto")),
        ({}, "auto", Work(NETWORK, BAND), 4, ("ray", "auto")),
        ({}, "auto", Work(NETWORK, BAND), 1, ("serial", "cuda")),
        ({}, "auto", Work(NETWORK, BAND), 0, ("serial", "cpu")),
        ({}, "auto", Work(NETWORK, CURVE), 4, ("serial", "cuda")),
        ({}, "auto", Work(NETWORK, TRAINED), 4, ("serial", "cuda")),
        ({}, "auto", Work(NETWORK, [(900, 2), (100, 1)]), 2, ("ray", "auto")),
        ({}, "cpu", Work(NETWORK, BAND), 4, ("serial", "cpu")),
        ({}, "cuda", Work(2, BAND), 4, ("serial", "cuda")),
        ({"actors": 2}, "auto", Work(NETWORK, CURVE), 0, ("ray", "auto")),
        ({"actors": 2}, "auto", Work(2, BAND), 4, ("ray", "cpu")),
        ({"actors": 1}, "auto", Work(2, BAND), 4, ("serial", "cpu")),
        ({"address": "auto"}, "auto", Work(NETWORK, CURVE), 0, ("ray", "auto")),
        ({"gpus_per_actor": 0.5}, "auto", Work(NETWORK, BAND), 1, ("ray", "auto")),
        ({"gpus_per_actor": 0.5}, "auto", Work(2, BAND), 1, ("ray", "auto")),
        ({"name": "ray"}, "auto", Work(2, BAND), 4, ("ray", "cpu")),
        ({"name": "serial"}, "auto", Work(NETWORK, BAND), 4, ("serial", "cuda")),
    ],
)
def test_where_auto_has_the_work_done(asked, device, work, gpus, place):
    found = placement.place(HolderSettings(**asked), device, work, gpus, cluster=False)
    assert (found.holder, found.device) == place


@pytest.mark.parametrize(
    ("asked", "device", "work", "gpus", "why"),
    [
        ({}, "auto", Work(2, BAND), 4, "2 weights are few"),
        ({}, "auto", Work(NETWORK, BAND), 4, "7 points a step, 4 GPUs"),
        ({}, "auto", Work(NETWORK, CURVE), 4, "too few points a step for 4 GPUs"),
        ({}, "cuda", Work(NETWORK, CURVE), 4, "too few points a step for 4 GPUs"),
        ({}, "auto", Work(NETWORK, CURVE), 1, "a GPU"),
        ({}, "auto", Work(NETWORK, CURVE), 0, "no GPU"),
        ({}, "cpu", Work(NETWORK, BAND), 4, ""),
        ({"name": "ray"}, "auto", Work(NETWORK, BAND), 4, ""),
        ({"actors": 2}, "auto", Work(NETWORK, BAND), 4, ""),
    ],
)
def test_why_auto_has_it_done_there(asked, device, work, gpus, why):
    assert placement.place(HolderSettings(**asked), device, work, gpus, cluster=False).why == why


@pytest.mark.parametrize(
    ("work", "gpus", "holder"),
    [(Work(2, BAND), 0, "serial"), (Work(NETWORK, BAND), 1, "ray"), (Work(NETWORK, CURVE), 0, "ray")],
)
def test_a_cluster_that_a_process_was_started_for(work, gpus, holder):
    assert placement.place(HolderSettings(), "auto", work, gpus, cluster=True).holder == holder


@pytest.mark.parametrize(
    ("name", "changes", "steps"),
    [
        ("two-modes", [], [(200, 24)]),  # three segments, eight points each
        ("cifar10-resnet20-bezier", [], [(78000, 1)]),
        ("digits", ["method={name: neb, images: 5}", "steps=7"], [(7, 5)]),
        ("two-modes", ["method=linear", "measure.points=9"], [(1, 9)]),
    ],
)
def test_gradients_of_a_step(name, changes, steps):
    settings, _ = config.load(name, changes)
    found = placement.gradients(settings)
    assert found[-len(steps) :] == steps


def test_the_log_says_what_auto_chose_and_a_change_of_device(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    settings, _ = config.load("two-modes", ["measure.plane=0", "checkpoint.steps=1"])
    watcher, stop = Watcher(), Stop()
    watcher.moves, watcher.act = [2], lambda: setattr(stop, "number", signal.SIGTERM)
    with pytest.raises(PathsearchError, match="stopped by SIGTERM"):
        whole.run(Asked(settings, tmp_path), tmp_path, watcher, stop)
    assert watcher.lines == ["begins: 2 parameters on cpu (auto: 2 weights are few)"]
    assert storage.read(tmp_path).summary["device"] == "cpu"
    monkeypatch.setattr("pathsearch.holders.serial.SerialHolder.devices", lambda self: "cuda")
    watcher = Watcher()
    whole.run(Asked(settings, tmp_path), tmp_path, watcher, Stop())
    assert watcher.lines[1] == "warning: begun on cpu, goes on on cuda, where last digits differ"


ECC = """CUDA error: uncorrectable ECC error encountered
Search for `cudaErrorECCUncorrectable' in https://…
Compile with …"""


@pytest.mark.parametrize(
    ("said", "fault"),
    [
        (ECC, "the device failed (CUDA error: uncorrectable ECC error encountered)"),
        ("CUDA error: an illegal memory access was encountered", True),
        ("CUDA error: unspecified launch failure", True),
        ("CUDA error: unknown error", True),
        ("CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasSgemm(…)`", True),
        ("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED", True),
        ("HIP error: unspecified launch failure", True),
        ("CUDA driver error: unknown error", True),
        ("Triton Error [CUDA]: an illegal memory access was encountered", True),
        ("NCCL error in: ProcessGroupNCCL.cpp:1, unhandled cuda error", True),
        ("CUDA error: device-side assert triggered", False),
        ("CUDA error: out of memory", False),
        ("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`", False),
        ("CUDA error: no kernel image is available for execution on the device", False),
        ("CUDA error: invalid device ordinal", False),
        ("mat1 and mat2 shapes cannot be multiplied (2x3 and 4x5)", False),
        ("my network says: CUDA error: none", False),
    ],
)
def test_faults_of_a_device(said, fault):
    found = device_fault(RuntimeError(said))
    assert found == fault if isinstance(fault, str) else bool(found) == fault
    assert bool(device_fault(ValueError(said))) is False
    with pytest.raises(ValueError, match="own words") as caught:
        raise ValueError("a network's own words") from RuntimeError(said)
    assert device_fault(caught.value) == found


def test_faults_by_torchs_classes():
    assert device_fault(torch.OutOfMemoryError("CUDA error: unknown error")) == ""
    if hasattr(torch, "AcceleratorError"):  # 2.8
        assert device_fault(torch.AcceleratorError(ECC))


FAILING = """
from pathlib import Path

def loss(w):
    file = Path(__file__).with_name("left")
    left = int(file.read_text())
    if left == 0:
        raise RuntimeError("CUDA error: uncorrectable ECC error encountered\\nCompile with …")
    file.write_text(str(left - 1))
    return (w @ w + w[1] - 1) ** 2
"""


def failing(folder, left):
    """A run whose device fails after so many losses, for ever."""
    name = f"own_{folder.name}"  # modules stay imported
    (folder / f"{name}.py").write_text(FAILING)
    (folder / "left").write_text(str(left))
    values = {
        "objective": {"name": "callable", "target": f"{name}:loss"},
        "endpoints": {"start": [-1.0, 0.0], "end": [1.0, 0.0]},
        "method": {"name": "neb", "images": 3},
        "measure": {"points": 5, "plane": 0},
        "steps": 5,
        "checkpoint": {"steps": 1},
    }
    return lambda: Asked(config.validated(values, "test"), folder)


def test_a_device_that_fails_in_this_process(tmp_path):
    asked = failing(tmp_path, 12)()
    with pytest.raises(MachineLost) as caught:
        whole.run(asked, tmp_path / "run", Watcher(), Stop())
    said = str(caught.value)
    assert said.startswith(
        "the device failed (CUDA error: uncorrectable ECC error encountered); the last checkpoint is"
    )
    assert said.count("run the same command again") == 1
    assert caught.value.status == 75
    (tmp_path / "left").write_text("-1")  # another one
    watcher = Watcher()
    assert whole.run(asked, tmp_path / "run", watcher, Stop()).state == "finished"
    assert watcher.lines[0].startswith("continues after")


def test_a_device_that_fails_in_a_job(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    asked = []
    monkeypatch.setattr("pathsearch.jobs.work.requeue", asked.append)
    slurm(monkeypatch)
    with pytest.raises(Requeued, match=r"the device failed .* is kept in .*path.h5; the job is requeued"):
        run_in_job(tmp_path / "run", failing(tmp_path, 12))
    assert asked == ["41"]
    slurm(monkeypatch, requeue=False)
    (tmp_path / "left").write_text("0")
    with pytest.raises(MachineLost, match="run the same command again"):
        run_in_job(tmp_path / "run", failing(tmp_path, 0))


def test_a_device_that_always_fails_on_an_actor():
    for cause in (RuntimeError(ECC), MachineLost("the device failed (…)")):
        rank, lost = _of_task(SimpleNamespace(cause=cause), "actor 0 (…)")
        assert (rank, type(lost)) == (1, HolderLost)
        assert str(lost).startswith("actor 0 (…): the device failed (")
        # what its loss ends in when it was revived in vain
        with pytest.raises(MachineLost, match=r"^actor 0 .*, 4 times; kept$"), session._device_faults(lambda: "kept"):
            raise PathsearchError(f"{lost}, 4 times; kept") from lost
    assert pickle.loads(pickle.dumps(MachineLost("said"))).status == 75


def test_a_folder_with_a_short_name(tmp_path):
    long = tmp_path / ("x" * 150)
    long.mkdir()
    folder = local.short_folder([str(long), str(tmp_path / "none"), "/tmp"])
    try:
        assert folder.parent == local.Path("/tmp")
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert list(long.iterdir()) == []
    finally:
        folder.rmdir()
    with pytest.raises(PathsearchError, match=r"at most 24 characters .*: set TMPDIR to one, or use holder=serial"):
        local.short_folder([str(long)])


def test_names_of_sockets_fit():
    session_name = "session_2026-11-25_13-10-58_815337_4194304"
    assert len(f"{'x' * local.ROOM}/{local.INSIDE}/{session_name}/sockets/plasma_store") <= 103


def test_a_token_is_nobody_elses(tmp_path):
    old = os.umask(0)
    try:
        file = clusters.kept_secret(tmp_path / "token")
    finally:
        os.umask(old)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert len(file.read_text()) == 64
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileExistsError):
        clusters.kept_secret(tmp_path / "link")


def test_the_environment_is_put_back(monkeypatch):
    monkeypatch.setenv("PATHSEARCH_TEST", "mine")
    with clusters.environment({"PATHSEARCH_TEST": "another", "PATHSEARCH_OTHER": "1"}):
        assert (os.environ["PATHSEARCH_TEST"], os.environ["PATHSEARCH_OTHER"]) == ("mine", "1")
        os.environ["PATHSEARCH_THIRD"] = "of Ray's own"
    assert os.environ["PATHSEARCH_TEST"] == "mine"
    assert not {"PATHSEARCH_OTHER", "PATHSEARCH_THIRD"} & os.environ.keys()
