"""Carrying out a run in this process."""

from pathlib import Path

import numpy as np

from pathsearch import storage
from pathsearch.run import config, whole
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


def assert_same(one: storage.Run, other: storage.Run):
    """The same bits in everything that two runs found."""
    np.testing.assert_array_equal(*(storage.read_vectors(run.file)[0] for run in (one, other)))
    assert one.groups.keys() == other.groups.keys()
    for group, arrays in one.groups.items():
        for name, values in arrays.items():
            np.testing.assert_array_equal(values, other.groups[group][name], err_msg=f"{group}/{name}")
    assert (one.position, one.last, one.summary) == (other.position, other.last, other.summary)
