"""A run on actors reads its data where these are: its own process knows a few examples, and finds the same bits."""

import os
import shutil
import signal
from pathlib import Path

import pytest

from pathsearch.errors import Interrupted, PathsearchError
from pathsearch.run import whole
from pathsearch.run.config import validated
from pathsearch.run.settings import Asked
from pathsearch.run.stop import Stop
from tests.holders.ray.test_faults import compare
from tests.runs import Heard

OWN = """
import os
from pathlib import Path
import torch

def loss(model, batch):
    # something is said of it: its sum is not that over parts of a batch
    outputs = model(batch[0])
    spread = torch.log1p((outputs.sum(0) ** 2).sum())
    return torch.nn.functional.cross_entropy(outputs, batch[1], reduction="sum") + spread, len(outputs)

class Pictures(torch.utils.data.Dataset):
    def __init__(self, count, fails=False):
        with Path("readers").open("a") as file:
            file.write(f"{os.getpid()}\\n")
        if fails:
            raise ValueError("no such pictures")
        draw = torch.Generator().manual_seed(count)
        self.x, self.y = torch.randn(count, 2, 6, 6, generator=draw), torch.randint(3, (count,), generator=draw)
    def __len__(self): return len(self.x)
    def __getitem__(self, n): return self.x[n], int(self.y[n])
"""
HOLDER = {"name": "ray", "actors": 2, "gpus_per_actor": 0, "timeout": 60}


def settings(**changes):
    ends = {side: {"train": {"seed": seed, "steps": 3}} for side, seed in (("start", 0), ("end", 1))}
    ends["align"] = "weights"
    data = {"name": "dataset", "target": "own:Pictures", "train_args": {"count": 90}, "test_args": {"count": 40}}
    objective = {"name": "network", "model": "cnn", "data": {**data, **changes.pop("data", {})}, "batch": 30}
    objective["loss"] = "own:loss"
    given = {"method": {"name": "neb", "images": 2}, "steps": 5, "checkpoint": {"steps": 2}, "device": "cpu"}
    measure = {"points": 3, "plane": 0, "examples": 20}
    return validated({"objective": objective, "endpoints": ends, "measure": measure, **given, **changes}, "test")


@pytest.fixture
def here(tmp_path, monkeypatch, ray_cluster):
    monkeypatch.chdir(tmp_path)
    Path("own.py").write_text(OWN)
    return tmp_path


def run(out, stop=None, watcher=None, **changes):
    asked = Asked(settings(**changes), Path(), store=Path("minima"))
    return whole.run(asked, Path(out), watcher or Heard(), stop or Stop())


def readers():
    file = Path("readers")
    found = [int(line) for line in file.read_text().splitlines()] if file.exists() else []
    file.unlink(missing_ok=True)
    return found


def test_its_own_process_reads_no_data(here):
    heard = Heard()
    found = run("actors", watcher=heard, holder=HOLDER)
    assert sum("is not that over its parts" in line for line in heard.lines) == 1, heard.lines
    elsewhere = readers()
    assert os.getpid() not in elsewhere
    assert len(set(elsewhere)) == 5  # that of the glimpse, two minima's, two actors
    (aligned,) = Path("minima").glob("*-aligned-*")
    shutil.rmtree(aligned)  # so that it is aligned anew
    alone = run("alone", holder="serial")
    assert set(readers()) == {os.getpid()}
    compare(found, alone)
    assert found.alignment == alone.alignment
    assert found.alignment["sides"][0]["moved"]["units"] > 0
    assert found.summary["measured"] == {"train": 20, "train_of": 90, "test": 20, "test_of": 40}
    assert found.summary == {**alone.summary, "device": found.summary["device"]}


def test_what_is_wrong_with_the_data_is_said_before_anything_is_trained(here):
    heard = Heard()
    with pytest.raises(PathsearchError, match=r"objective\.data\.target own:Pictures, made with train_args .* raised"):
        run("actors", watcher=heard, holder=HOLDER, data={"train_args": {"count": 9, "fails": True}})
    with pytest.raises(PathsearchError, match=r"holder asks for 99 actors .*: set holder\.actors=12 or less"):
        run("actors", watcher=heard, holder={**HOLDER, "actors": 99})
    stop = Stop()
    stop.number = signal.SIGTERM
    with pytest.raises(Interrupted, match="stopped by SIGTERM before it began"):
        run("actors", stop, heard, holder=HOLDER)
    assert heard.lines == []
    assert not Path("minima").exists()
