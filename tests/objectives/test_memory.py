"""Measuring where memory does not suffice."""

import pytest
import torch
from torch import nn

from pathsearch.errors import PathsearchError
from pathsearch.numerics.seeds import Key
from pathsearch.objectives.data import Data
from pathsearch.objectives.memory import halving
from pathsearch.objectives.protocol import remarked
from tests.objectives import networks
from tests.objectives.networks import layers, objective

KEY = Key(0, 0)


class Narrow(nn.Module):
    """Fails as torch's allocators do for more examples than `room`."""

    room, error = 100, RuntimeError
    says = "[enforce fail at alloc_cpu.cpp:127] . DefaultCPUAllocator: can't allocate memory: you tried to allocate 3 B"

    def __init__(self):
        super().__init__()
        self.net, self.asked = layers(nn.BatchNorm1d(8)), []

    def forward(self, x):
        self.asked.append(len(x))
        if len(x) > self.room:
            raise self.error(self.says)
        return self.net(x)


SMALL = Data(networks.images(450), networks.images(33, seed=1), 4)


@pytest.mark.parametrize("error", [RuntimeError, MemoryError, torch.OutOfMemoryError])
def test_measuring_takes_so_many_examples_as_memory_suffices_for(error, monkeypatch):
    monkeypatch.setattr(Narrow, "error", error)
    found = objective(Narrow, SMALL, batch=20)
    weights = found.initial(0)
    found.module.asked.clear()
    measured = found.measure(weights)
    assert found.module.asked[:3] == [450, 225, 90]  # 450, 225, then 112 as five pieces
    assert remarked(found) == ["measuring 112 examples at once: 450 did not fit in memory"]
    found.module.asked.clear()
    assert found.measure(weights) == measured
    assert max(found.module.asked) == 90
    assert len(found.predictions(weights)) == 33
    assert remarked(found) == []
    monkeypatch.setattr(Narrow, "room", 1000)
    assert objective(Narrow, SMALL, batch=20).measure(weights)["test_loss"] == pytest.approx(
        measured["test_loss"], rel=0.05
    )


def test_one_example_that_does_not_fit_is_said(monkeypatch):
    found = objective(Narrow, SMALL, batch=20)
    monkeypatch.setattr(Narrow, "room", 0)
    with pytest.raises(PathsearchError, match="out of memory in measuring, with one example at once"):
        found.measure(found.initial(0))
    with pytest.raises(MemoryError):  # which holders name by the image
        found.loss(found.initial(0), KEY)


def test_other_errors_in_measuring_are_the_networks(monkeypatch):
    found = objective(Narrow, SMALL, batch=20)
    monkeypatch.setattr(Narrow, "room", 0)
    monkeypatch.setattr(Narrow, "says", "shapes cannot be multiplied")
    with pytest.raises(PathsearchError, match="the network raised RuntimeError: shapes cannot be multiplied"):
        found.measure(found.initial(0))


def test_work_is_halved_until_memory_suffices():
    asked = []

    def work(count):
        asked.append(count)
        if count > 3:
            raise MemoryError
        return f"{count} at once"

    assert halving(work, 13, networks.CPU) == ("3 at once", 3)
    assert asked == [13, 6, 3]
    with pytest.raises(PathsearchError, match="with one example at once"):
        halving(lambda count: work(count + 3), 2, networks.CPU)
