"""Cores, and the settings of torch that every way into the program makes."""

import ctypes
import json
import os
import subprocess
import sys
import warnings

import psutil
import pytest
import torch

from pathsearch import machine


def test_cores_are_those_this_process_may_use(monkeypatch):
    monkeypatch.setattr(machine, "_quota", lambda cgroup: None)
    allowed = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(allowed)})
        assert machine.cores() == 1
    finally:
        os.sched_setaffinity(0, allowed)
    assert machine.cores() == len(allowed)


@pytest.mark.parametrize(
    ("files", "wanted"),
    [
        ({"cpu.max": "150000 100000\n"}, 2),
        ({"cpu.max": "max 100000\n"}, None),
        ({"cpu/cpu.cfs_quota_us": "100000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 1),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, None),
        ({}, None),
    ],
)
def test_a_containers_quota(tmp_path, files, wanted):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert machine._quota(tmp_path) == wanted


def test_threads_wait_asleep_unless_the_user_says_otherwise(monkeypatch):
    for name in machine.WAITING:
        monkeypatch.delenv(name, raising=False)
    machine.before_torch()
    assert {name: os.environ[name] for name in machine.WAITING} == machine.WAITING
    for name in machine.WAITING:
        monkeypatch.delenv(name)
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    machine.before_torch()
    assert "GOMP_SPINCOUNT" not in os.environ


def test_the_policy_is_set_before_torch_is_imported():
    code = (
        "import os, sys; import pathsearch; set = 'OMP_WAIT_POLICY' in os.environ; "
        "assert set and 'torch' not in sys.modules"
    )
    environment = {name: value for name, value in os.environ.items() if name not in machine.WAITING}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)


@pytest.fixture
def torch_as_it_was():
    yield
    if hasattr(torch.backends, "fp32_precision"):
        torch.backends.mkldnn.set_flags(_fp32_precision="none")
    machine.prepare_torch("float32")


@pytest.mark.usefixtures("torch_as_it_was")
@pytest.mark.parametrize("precision", ["float32", "tf32", "bfloat16"])
@pytest.mark.parametrize("set_before", ["nothing", "whole", "products", "convolutions", "cpu"])
def test_precision_is_set_whatever_was_set_before(set_before, precision):
    newer = hasattr(torch.backends, "fp32_precision")
    if set_before == "whole" and newer:
        torch.backends.fp32_precision = "tf32"
    elif set_before == "products":
        torch.set_float32_matmul_precision("medium")
    elif set_before == "convolutions" and newer:
        torch.backends.cudnn.conv.fp32_precision = "tf32"
    elif set_before == "cpu" and newer:
        torch.backends.mkldnn.set_flags(_fp32_precision="bf16")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        machine.prepare_torch(precision)
        tf32 = precision == "tf32"
        # what torch.compile asks by
        assert (torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32) == (tf32, tf32)
        assert torch.get_float32_matmul_precision() == ("high" if precision == "tf32" else "highest")
        if newer:
            for part in (torch.backends.cudnn.conv, torch.backends.cudnn.rnn, torch.backends.cuda.matmul):
                assert (part.fp32_precision == "tf32") == (precision == "tf32")
            for part in (torch.backends.mkldnn.conv, torch.backends.mkldnn.rnn, torch.backends.mkldnn.matmul):
                assert part.fp32_precision == "ieee"


def kernels():
    return torch.get_deterministic_debug_mode(), torch.utils.deterministic.fill_uninitialized_memory


@pytest.mark.parametrize("before", [(0, True), (1, False), (2, True)])
def test_deterministic_kernels_are_asked_for_as_long_as_an_objective_wants_them(monkeypatch, before):
    monkeypatch.delenv(machine.WORKSPACE[0], raising=False)
    # torch's own tells its compiler, too, whose import takes seconds
    tell = lambda mode, warn_only=False: torch.set_deterministic_debug_mode(int(mode) * (1 if warn_only else 2))
    monkeypatch.setattr(torch, "use_deterministic_algorithms", tell)
    torch.set_deterministic_debug_mode(before[0])
    torch.utils.deterministic.fill_uninitialized_memory = before[1]
    try:
        machine.prepare_torch("float32")
        assert kernels() == before
        assert machine.WORKSPACE[0] not in os.environ
        for _ in range(2):
            machine.prepare_torch("float32", deterministic=True)
            assert kernels() == (2, False)
            assert os.environ[machine.WORKSPACE[0]] == ":4096:8"
        machine.prepare_torch("float32")
        assert kernels() == before
        torch.set_deterministic_debug_mode("warn")  # a program's own choice, once no objective asks
        machine.prepare_torch("float32")
        assert kernels() == (1, before[1])
    finally:
        torch.set_deterministic_debug_mode(0)
        torch.utils.deterministic.fill_uninitialized_memory = True


def test_threads_are_no_more_than_cores_unless_the_user_says(monkeypatch):
    asked = []
    monkeypatch.setattr(machine, "cores", lambda: 2)
    monkeypatch.setattr(torch, "set_num_threads", asked.append)
    for name in machine.THREADS:
        monkeypatch.delenv(name, raising=False)
    for threads, wanted in ((8, [2]), (2, []), (1, [])):  # fewer stay: bits depend on how many
        monkeypatch.setattr(torch, "get_num_threads", lambda threads=threads: threads)
        asked.clear()
        machine.prepare_torch("float32")
        assert asked == wanted
    monkeypatch.setattr(torch, "get_num_threads", lambda: 8)
    monkeypatch.setenv("OMP_NUM_THREADS", "8")
    machine.prepare_torch("float32")
    assert asked == []


@pytest.mark.parametrize(("size", "given"), [(32 << 20, True), (31 << 20, False)])
def test_freed_memory_is_given_back_for_blocks_that_cannot_lie_in_it(size, given):
    machine.prepare_torch("float32")
    if not hasattr(ctypes.CDLL(None), "malloc_trim"):  # it is not glibc: nothing is kept either
        return
    taken = [torch.ones(1 << 18) for _ in range(64)]  # a MB each
    del taken
    before = psutil.Process().memory_info().rss
    machine.make_room(size)
    assert (before - psutil.Process().memory_info().rss > 32 << 20) == given


PROBE = """
import ctypes, functools, json, os, pathlib
import torch
from torch import nn

@functools.cache  # it does so once, since it keeps what is freed
def grows():
    "Whether malloc asks the system for 64 MB or more at once, when a MB does not fit into what it has."
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "mallinfo2"):  # it is not glibc
        return True
    libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
    libc.free.argtypes = [ctypes.c_void_p]
    class Info(ctypes.Structure):
        _fields_ = [("arena", ctypes.c_size_t), ("others", 9 * ctypes.c_size_t)]
    libc.mallinfo2.restype = Info
    blocks, before = [], libc.mallinfo2().arena
    while libc.mallinfo2().arena == before and len(blocks) < 500:
        blocks.append(libc.malloc(1 << 20))
    grown = libc.mallinfo2().arena - before
    for block in blocks:
        libc.free(block)
    return grown >= 64 << 20

def settings():
    cudnn = torch.backends.cudnn
    return {
        "precision": (torch.backends.cuda.matmul.allow_tf32, cudnn.allow_tf32, torch.get_float32_matmul_precision()),
        "kernels": (cudnn.benchmark, cudnn.deterministic),
        "threads": torch.get_num_threads(),
        "waiting": {name: os.environ.get(name) for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")},
        "malloc grows": grows(),
    }

torch.backends.cudnn.allow_tf32 = torch.backends.cudnn.benchmark = True  # the program has the last word

class Net(nn.Linear):
    def __init__(self):
        super().__init__(64, 10)
    def forward(self, x):
        pathlib.Path("seen").write_text(json.dumps(settings()))
        return super().forward(x.flatten(1))
"""
DATA = {"name": "random", "shape": [1, 8, 8], "examples": 20}  # which no library has to be imported for
OPTIONS = {"model": "probe:Net", "data": DATA, "batch": 8, "precision": "float32"}
TRAINED = {"train": {"seed": 0, "steps": 1}}, {"train": {"seed": 1, "steps": 1}}
LINE = f"""
objective: {json.dumps({"name": "network", **OPTIONS})}
endpoints: {json.dumps(dict(zip(("start", "end"), TRAINED)))}
method: linear
measure: {{points: 3, plane: 0}}
device: cpu
"""
DOORS = {
    "command line": ["-m", "pathsearch", "run", "run.yaml", "--out", "x"],
    "python": ["-c", f"import pathsearch; pathsearch.network(**{OPTIONS})"],
}


def test_the_command_line_and_python_end_with_the_same_settings(tmp_path):
    (tmp_path / "probe.py").write_text(PROBE)
    (tmp_path / "run.yaml").write_text(LINE)
    unset = (*machine.WAITING, *machine.THREADS)
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    found = {}
    for door, command in DOORS.items():
        subprocess.run([sys.executable, *command], check=True, env=environment, cwd=tmp_path, capture_output=True)
        found[door] = json.loads((tmp_path / "seen").read_text())
    assert found["command line"] == found["python"]
    wanted = {
        "precision": [False, False, "highest"],
        "kernels": [False, True],
        "threads": min(machine.cores(), found["python"]["threads"]),
        "waiting": machine.WAITING,
        "malloc grows": True,
    }
    assert found["python"] == wanted
