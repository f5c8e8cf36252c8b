"""How a run on the tests' Slurm stands."""

import numpy as np

from pathsearch import storage
from pathsearch.jobs.states import ALIVE, statuses
from pathsearch.storage.glance import glance
from tests.slurm.host import until

TWO = ("--nodes", 2, "--gpus-per-node", 1, "--time", 30)


def same(run, wanted):
    one, other = (storage.read_vectors(folder)[0] for folder in (run, wanted))
    np.testing.assert_array_equal(one, other)
    for name in ("path", "linear"):
        profiles = (storage.read(folder).groups[f"profiles/{name}"] for folder in (run, wanted))
        for values, expected in zip(*(profile.values() for profile in profiles)):
            np.testing.assert_array_equal(values, expected)


def state(run):
    return statuses([run])[0].state


def finished(run):
    def what():
        return f"{statuses([run])}\n{log(run)}"

    # between two attempts, or where SLURM is too busy to answer
    passing = ALIVE | {"UNKNOWN", "PREEMPTED", "NODE_FAIL"}
    until(lambda: state(run) not in passing, what)
    assert state(run) == "COMPLETED", what()


def log(run):
    return "".join(file.read_text() for file in sorted(run.glob("jobs/*_log.out")))


def stepped(run, moves=5):
    """Wait until a run is in the middle of its steps."""
    until(lambda: (seen := glance(run)) is not None and seen.moves >= moves, lambda: log(run))


def job(run):
    return statuses([run])[0].record.job


def hurry(folder):
    """No more naps of the loss in this folder: the test has seen what it waited for."""
    (folder / "hurry").touch()
