"""Carrying out a run in this process."""

import copy
import dataclasses
from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from pathsearch import storage
from pathsearch.run import config, whole
from pathsearch.run.extend import extended
from pathsearch.run.settings import Asked
from pathsearch.run.stop import Stop


class Heard:
    """A watcher that keeps what is logged; `at` is called at every step with its number."""

    def __init__(self, at=lambda moves: None):
        self.lines, self.at = [], at

    def log(self, line):
        self.lines.append(line)

    def step(self, step):
        self.at(step.state.moves)

    def phase(self, name, total):
        pass

    def tick(self, count):
        pass


def carried_out(configuration, *overrides, out, stop_at=None, watcher=None, stretch=False) -> storage.Run:
    """A run to its end, or to a signal at a step (raises Interrupted then)."""
    settings, folder = config.load(str(configuration), list(overrides))
    return again(settings, folder, out, stop_at, watcher, stretch)


def again(settings, folder, out, stop_at=None, watcher=None, stretch=False) -> storage.Run:
    stop = Stop()

    def ask(moves):
        if moves == stop_at:
            stop.number = 15

    heard = watcher or Heard()
    if stop_at is not None:
        heard.at = ask
    return whole.run(Asked(settings, folder, stretch), Path(out), heard, stop)


def extend(out, *changes, **more) -> storage.Run:
    """A run goes on as `pathsearch extend` has it; more: as of `again`."""
    asked = extended(Path(out).resolve(), list(changes))
    return again(asked.settings, asked.folder, out, stretch=asked.stretch, **more)


def another(run, folder, **options) -> storage.Run:
    """The run in another folder, with other options by dotted key (`__` for a dot)."""
    config = copy.deepcopy(run.config)
    for key, value in options.items():
        *inner, last = key.split("__")
        part = config
        for each in inner:
            part = part[each]
        part[last] = value
    return dataclasses.replace(run, config=config, file=Path(folder) / "path.h5")


def assert_same(one: storage.Run, other: storage.Run):
    """The same bits in everything that two runs found."""
    np.testing.assert_array_equal(*(storage.read_vectors(run.file)[0] for run in (one, other)))
    assert one.groups.keys() == other.groups.keys()
    for group, arrays in one.groups.items():
        for name, values in arrays.items():
            np.testing.assert_array_equal(values, other.groups[group][name], err_msg=f"{group}/{name}")
    assert (one.position, one.last, one.summary) == (other.position, other.last, other.summary)


# a network with batch norm, dropout and a buffer, and its data, as a user has them in a module
OWN = """
import torch
from torch import nn
from torch.utils.data import TensorDataset

class Net(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Linear(2, 5), nn.BatchNorm1d(5), nn.Tanh(), nn.Dropout(), nn.Linear(5, 2))
        self.register_buffer("scale", torch.tensor(2.0))

    def forward(self, x):
        return super().forward(self.scale * x)

def points(count):
    inputs = torch.randn(count, 2, generator=torch.Generator().manual_seed(count))
    return TensorDataset(inputs, (inputs[:, 0] * inputs[:, 1] > 0).long())
"""
CONFIG = """
objective:
  name: network
  model: own:Net
  data: {name: dataset, target: own:points, train_args: {count: 40}, test_args: {count: 10}}
  batch: 20
endpoints: {start: {train: {seed: 0, steps: 20}}, end: {train: {seed: 1, steps: 20}}}
method: METHOD
optimizer: {name: sgd, lr: 0.05}
steps: 20
measure: {points: 9, plane: 3, chunk: 16}
"""


def plain(folder):
    """What a user's own program makes: the module, and the training set."""
    space = {}
    exec((folder / "own.py").read_text(), space)
    return space["Net"](), space["points"](40).tensors


def loss(module, data):
    with torch.no_grad():
        return float(cross_entropy(module(data[0]), data[1]))
