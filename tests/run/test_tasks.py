"""Minima trained at the same time, each a task of Ray: the same bits, whatever becomes of a worker."""

import signal
from contextlib import ExitStack, suppress
from pathlib import Path

import numpy as np
import psutil
import pytest

from pathsearch import storage
from pathsearch.errors import Interrupted, PathsearchError
from pathsearch.run import minima, whole
from pathsearch.run.config import validated
from pathsearch.run.stop import Stop
from pathsearch.storage.glance import glance
from tests.run.test_whole import TINY
from tests.runs import Heard

STEPS = 2000  # some seconds: long enough to be disturbed


def settings(holder, seed=0, **changes):
    ends = {side: {"train": {"seed": seed + n, "steps": STEPS}} for n, side in enumerate(("start", "end"))}
    return validated({**TINY, "endpoints": ends, "checkpoint": {"steps": 100}, "holder": holder, **changes}, "test")


def train(store, watcher, stop=None, holder=None, **changes):
    """Train both minima; the store's folders by side."""
    asked = settings(holder or {"name": "ray", "gpus_per_actor": 0}, **changes)
    needed = minima.needed(asked, Path(), store)
    with ExitStack() as stack:
        whole.train(list(needed.values()), asked, Path(), watcher, stop or Stop(), stack)
    return {side: each.folder for side, each in needed.items()}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    return train(tmp_path_factory.mktemp("undisturbed"), Heard(), holder={"name": "serial"})


def same(one, other):
    for side in ("start", "end"):
        assert storage.read(one[side]).state == storage.read(other[side]).state == "finished"
        np.testing.assert_array_equal(*(storage.read_vectors(each[side])[0] for each in (one, other)))
        assert len({str(storage.read(each[side]).summary["minimum"]) for each in (one, other)}) == 1


def workers():
    """Workers of this process's Ray that carry out tasks."""
    found = []
    for one in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):  # it ended meanwhile
            if "_carried" in " ".join(one.cmdline()):
                found.append(one)
    return found


class Disturbed(Stop):
    """Acts once, when a minimum below `store` has made a few steps; asked whether to stop while tasks run."""

    def __init__(self, store, act):
        super().__init__()
        self.store, self.act = store, act

    def due(self, ahead):
        reached = [seen.moves for folder in self.store.glob("mlp-*") if (seen := glance(folder)) is not None]
        if self.act is not None and any(10 <= moves < STEPS for moves in reached):
            act, self.act = self.act, None
            act(self)
        return self.number is not None


def test_the_same_bits_as_one_after_another(ray_cluster, tmp_path, undisturbed):
    heard = Heard()
    same(train(tmp_path, heard), undisturbed)
    assert heard.lines[0].startswith("trains as many at once as there is room for: mlp-digits-seed0-")
    assert sum(line.startswith("trained ") for line in heard.lines) == 2


def test_a_worker_that_dies_is_replaced_and_goes_on(ray_cluster, tmp_path, undisturbed):
    killed = []

    def kill(stop):
        killed.extend(workers()[:1])
        killed[0].kill()

    same(train(tmp_path, Heard(), Disturbed(tmp_path, kill)), undisturbed)
    assert not killed[0].is_running()


def test_a_signal_stops_them_at_a_checkpoint_and_they_go_on(ray_cluster, tmp_path, undisturbed):
    stop = Disturbed(tmp_path, lambda stop: setattr(stop, "number", signal.SIGTERM))
    with pytest.raises(Interrupted, match="stopped by SIGTERM; what was found is kept"):
        train(tmp_path, Heard(), stop)
    assert not workers()
    logs = [(folder / "run.log").read_text() for folder in tmp_path.glob("mlp-*")]
    assert all(f"step {STEPS} of" not in log for log in logs)
    same(train(tmp_path, Heard()), undisturbed)


def test_one_that_fails_is_named_when_the_others_are_done(ray_cluster, tmp_path):
    asked = settings({"name": "ray", "gpus_per_actor": 0}, seed=5)
    good, bad = minima.needed(asked, Path(), tmp_path).values()
    lr = {"train": {"seed": 6, "steps": 20, "optimizer": {"name": "sgd", "lr": 1e30}}}
    bad = minima.needed(settings({"name": "serial"}, endpoints={"start": lr, "end": [0.0]}), Path(), tmp_path)["start"]
    with ExitStack() as stack, pytest.raises(PathsearchError, match=rf"^{bad.folder}: .*(nan|inf|not finite)"):
        whole.train([bad, good], asked, Path(), Heard(), Stop(), stack)
    assert storage.read(good.folder).state == "finished"


def test_too_many_actors_are_refused_before_anything_is_trained(ray_cluster, tmp_path):
    with pytest.raises(PathsearchError, match=r"holder asks for 99 actors .*: set holder\.actors=12 or less"):
        train(tmp_path, Heard(), holder={"name": "ray", "actors": 99, "gpus_per_actor": 0})
    assert not list(tmp_path.iterdir())


FAILS = """
from pathlib import Path
from torch import nn

class Net(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Flatten(), nn.Linear(64, 10))
        self.steps = 0

    def forward(self, x):
        self.steps += 1
        if self.steps == 40 and not Path("failed").exists():
            Path("failed").touch()
            raise RuntimeError("CUDA error: unspecified launch failure")
        return super().forward(x)
"""


def test_one_whose_device_fails_goes_on_in_another_process(ray_cluster, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("net.py").write_text(FAILS)
    objective = {**TINY["objective"], "model": "net:Net"}
    asked = settings({"name": "ray", "gpus_per_actor": 0}, objective=objective)
    needed = list(minima.needed(asked, tmp_path, tmp_path / "store").values())
    with ExitStack() as stack:
        whole.train(needed, asked, tmp_path, Heard(), Stop(), stack)
    assert {storage.read(each.folder).state for each in needed} == {"finished"}
    logs = "".join((each.folder / "run.log").read_text() for each in needed)
    assert logs.count("the device failed") >= 1
    assert "continues after" in logs
