"""How much of a data set may lie in memory."""

import os
import resource
import subprocess
import sys
from types import SimpleNamespace

import psutil
import pytest
import torch

from pathsearch.objectives.data import room

GB = 1 << 30
ENV = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}


def test_a_quarter_of_the_least_memory_there_is(monkeypatch):
    sizes = {"available": 12 * GB, "addresses": 8 * GB, "container": 20 * GB}
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=sizes["available"]))
    monkeypatch.setattr(room, "_addresses", lambda: sizes["addresses"])
    monkeypatch.setattr(room, "_container", lambda cgroup, own: sizes["container"])
    for name in sizes:
        sizes[name] = 4 * GB
        assert room.room(torch.device("cpu")) == GB
        sizes[name] = 40 * GB


def test_what_a_limit_on_addresses_leaves(monkeypatch):
    taken = psutil.Process().memory_info().vms
    monkeypatch.setattr(resource, "getrlimit", lambda which: (taken + GB, -1))
    assert room._addresses() == pytest.approx(GB, rel=0.1)


@pytest.mark.parametrize("version", [1, 2])
def test_what_a_containers_limit_leaves(version, tmp_path):
    inner = tmp_path / "job" / "step" if version == 2 else tmp_path / "memory"
    inner.mkdir(parents=True)
    names = ("memory.max", "memory.current") if version == 2 else ("memory.limit_in_bytes", "memory.usage_in_bytes")
    outer = inner.parent if version == 2 else inner
    for name, value in zip(names, (10 * GB, 7 * GB)):
        (outer / name).write_text(f"{value}\n")
    (outer / "memory.stat").write_text(f"anon {GB}\ninactive_file {2 * GB}\n")
    (tmp_path / "own").write_text("0::/job/step\n" if version == 2 else "4:memory:/x\n")
    if version == 2:
        (inner / "memory.max").write_text("max\n")
    assert room._container(tmp_path, tmp_path / "own") == 5 * GB
    assert room._container(tmp_path / "none", tmp_path / "own") == float("inf")


LARGER = """
import resource, sys
import torch
from torch import nn
import pathsearch
from pathsearch.numerics.seeds import Key
from pathsearch.objectives.data import Tokens

class Next(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding, self.out = nn.Embedding(16, 2), nn.Linear(2, 16)
    def forward(self, ids):
        return self.out(self.embedding(ids))

data = Tokens(train=sys.argv[1], test=sys.argv[2], context=512, dtype="uint8", workers=1)
taken = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, 2 * (taken + (64 << 20),))
network = pathsearch.network(model=Next, data=data, loss="next_token", batch=16, measure={"examples": 256})
print(*network.remarks, sep="\\n")
weights = network.initial(0)
for step in range(3):
    loss, gradient = network.loss_and_gradient(weights, Key(0, step))
    weights = weights - gradient
print(float(loss), network.measure(weights)["train_loss"])
try:
    data.load()
except MemoryError:
    print("does not fit")
"""


def test_a_set_larger_than_the_memory_that_ulimit_allows_is_trained_on_and_measured(tmp_path):
    for name, size in (("train", 300 << 20), ("test", 1 << 16)):
        with (tmp_path / name).open("wb") as file:
            file.truncate(size)
            file.write(bytes(range(16)) * 64)
    command = [sys.executable, "-c", LARGER, str(tmp_path / "train"), str(tmp_path / "test")]
    done = subprocess.run(command, capture_output=True, text=True, env={"XDG_CACHE_HOME": str(tmp_path), **ENV})
    assert done.returncode == 0, done.stderr
    *remarks, losses, last = done.stdout.splitlines()
    assert any("the training set of 5.03 GB is read as it is drawn, by 1 process ahead" in each for each in remarks)
    assert all(0 < float(each) < 3 for each in losses.split())
    assert last == "does not fit"
