"""Actors die, hang and run out of memory in the middle of a run: it ends with the same path, or says why not."""

import os
import re
import signal
import time
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from pathsearch import storage
from pathsearch.errors import PathsearchError
from pathsearch.objectives import NetworkSettings
from pathsearch.run import session, whole
from pathsearch.run.config import validated
from pathsearch.run.settings import Asked
from pathsearch.run.stop import Stop
from tests.commands import SMALL

DATA = {"name": "random", "shape": [1, 8, 8], "examples": 200}  # digits take every new actor a second to import
NETWORK = {**yaml.safe_load(SMALL)["objective"], "data": DATA}


def holders(actors):
    return {"serial": {"name": "serial"}, "ray": {"name": "ray", "actors": actors}}


class Watcher:
    """Does something to the actors when certain steps are done, or points measured."""

    def __init__(self, moves=(), points=(), act=lambda: None):
        self.moves, self.points, self.act = list(moves), list(points), act
        self.lines, self.measured = [], 0

    def log(self, line):
        self.lines.append(line)

    def step(self, step):
        if self.moves and step.state.moves == self.moves[0]:
            self.moves.pop(0)
            self.act()

    def phase(self, name, total):
        pass

    def tick(self, count):
        self.measured += count
        if self.points and self.measured >= self.points[0]:
            self.points.pop(0)
            self.act()


def actors():
    """Process ids of the actors of Rays that this process started."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            named = (folder / "cmdline").read_bytes().startswith(b"ray::Worker")
            if named and parent(parent(int(folder.name))) == os.getpid():
                found.append(int(folder.name))
        except OSError:
            continue  # it ended meanwhile
    return sorted(found)


def parent(pid):
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def run(folder, watcher, **changes):
    holder = {"name": "ray", "actors": 2, "timeout": 60}
    config = {**yaml.safe_load(SMALL), "objective": NETWORK, "steps": 80, "holder": holder, **changes}
    return whole.run(Asked(validated(config, "test"), folder), folder, watcher, Stop())


@pytest.fixture(scope="module")
def undisturbed(ray_cluster, tmp_path_factory):
    return run(tmp_path_factory.mktemp("undisturbed"), Watcher(), holder="serial")


def compare(found, undisturbed):
    np.testing.assert_array_equal(storage.read_vectors(found.file)[0], storage.read_vectors(undisturbed.file)[0])
    for group, arrays in undisturbed.groups.items():
        for name, values in arrays.items():
            if not name.endswith("bytes"):
                np.testing.assert_array_equal(found.groups[group][name], values, err_msg=f"{group}/{name}")


def test_an_actor_killed_twice_in_the_search_and_once_in_measuring(tmp_path, undisturbed):
    draw = np.random.default_rng(3)
    watcher = Watcher([27, 61], [11], lambda: os.kill(int(draw.choice(actors())), signal.SIGKILL))
    compare(run(tmp_path, watcher), undisturbed)
    lost = [line for line in watcher.lines if "goes on from the last checkpoint" in line]
    assert len(lost) == 3
    assert all("died" in line or "lost touch" in line for line in lost), lost


def test_an_actor_that_hangs(tmp_path, undisturbed):
    hung = []

    def stop():
        hung.append(actors()[1])
        os.kill(hung[0], signal.SIGSTOP)

    watcher = Watcher([50], [], stop)
    compare(run(tmp_path, watcher, holder={"name": "ray", "actors": 2, "timeout": 4}), undisturbed)
    (line,) = (line for line in watcher.lines if "goes on from the last checkpoint" in line)
    assert re.search(rf"process {hung[0]} .* did not answer within 4 s", line), (line, hung)
    deadline = time.monotonic() + 30
    while actors():
        assert time.monotonic() < deadline, "the hung one was left behind"
        time.sleep(0.2)


def test_one_that_is_killed_again_and_again(tmp_path, ray_cluster, monkeypatch):
    monkeypatch.setattr(session, "RETRIES", 1)
    watcher = Watcher([30] * 9, [], lambda: os.kill(actors()[0], signal.SIGKILL))
    with pytest.raises(
        PathsearchError, match=r"actor \d .* died .* 2 times without getting further; the last .* is kept in"
    ):
        run(tmp_path, watcher)
    assert storage.read(tmp_path).position["moves"] == 20
    found = run(tmp_path, Watcher(), holder="serial")
    assert found.state == "finished"


def test_more_actors_than_pivots(tmp_path, ray_cluster):
    changes = {"objective": "two-modes", "endpoints": None, "method": "linear", "optimizer": "lbfgs"}
    found = [run(tmp_path / name, Watcher(), **changes, holder=holder) for name, holder in holders(3).items()]
    for arrays, others in zip(found[0].groups["profiles/linear"].items(), found[1].groups["profiles/linear"].items()):
        np.testing.assert_array_equal(arrays[1], others[1])


def test_endpoints_that_came_with_statistics(tmp_path, ray_cluster):
    objective = {"name": "network", "model": {"name": "mlp", "args": {"norm": True}}, "data": DATA, "batch": 50}
    network = NetworkSettings.model_validate(objective).open(None, torch.device("cpu"))
    for seed in (0, 1):
        torch.manual_seed(seed)
        module = network.make()
        module(network.train.first(100)[0])  # leaves running statistics
        torch.save(module.state_dict(), tmp_path / f"{seed}.pt")
    ends = {"start": str(tmp_path / "0.pt"), "end": str(tmp_path / "1.pt")}
    changes = {"objective": objective, "endpoints": ends, "steps": 3}
    found = [run(tmp_path / name, Watcher(), **changes, holder=holder) for name, holder in holders(2).items()]
    assert set(found[0].summary["as_loaded"]) == {"start", "end"}
    for side, metrics in found[0].summary["as_loaded"].items():
        assert found[1].summary["as_loaded"][side] == pytest.approx(metrics, rel=1e-5)


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("nan", r"loss is nan at image 2 .* on actor 1 \(process \d+ on .*cpu\), step 0 of neb"),
        ("out_of_memory", r"out of memory at image 2: set objective.micro_batch, or objective.batch lower, on actor 1"),
        ("error", r"objective\.target .*broken:error raised ValueError: too far \(.*broken\.py, line .*\), on actor 1"),
    ],
)
def test_an_image_that_cannot_be_worked_out(target, said, tmp_path, ray_cluster):
    changes = {
        "objective": {"name": "callable", "target": f"tests.holders.ray.broken:{target}"},
        "endpoints": {"start": [-1.0, 0.0], "end": [1.0, 0.0]},
        "holder": {"name": "ray", "actors": 2},
    }
    with pytest.raises(PathsearchError, match=said) as caught:
        run(tmp_path, Watcher(), **changes)
    assert len(str(caught.value).splitlines()) == 1


def test_a_device_that_fails_once(tmp_path, ray_cluster, monkeypatch):
    monkeypatch.chdir(tmp_path)  # as actors do
    changes = {
        "objective": {"name": "callable", "target": "tests.holders.ray.broken:device"},
        "endpoints": {"start": [-1.0, 0.0], "end": [1.0, 0.0]},
        "holder": {"name": "ray", "actors": 1},
        "steps": 3,
    }
    watcher = Watcher()
    assert run(tmp_path, watcher, **changes).state == "finished"
    said = r"actor 0 \(.*\): the device failed \(CUDA error: unspecified launch failure\); goes on from the last"
    assert sum(bool(re.match(said, line)) for line in watcher.lines) == 1, watcher.lines
