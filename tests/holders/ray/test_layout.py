"""Who gets which pivots, and what travels."""

from functools import partial

import numpy as np
import pytest
import torch

from pathsearch.holders.protocol import pivots
from pathsearch.holders.ray import RayHolder
from pathsearch.holders.settings import HolderSettings
from pathsearch.methods import Curve, Neb
from pathsearch.objectives.sleep import SleepObjective
from pathsearch.optimizers import Sgd
from pathsearch.search import State, search

M = 50_000
SLOW = 8  # times the others


def sleeper(slow_pid):
    """An objective that takes its time in the process of that number."""
    import os

    seconds = 0.004 * (SLOW if os.getpid() == slow_pid else 1)
    return SleepObjective(M, seconds, torch.float32, torch.device("cpu"))


@pytest.fixture(scope="module")
def holder(ray_cluster):
    holder = RayHolder(partial(sleeper, 0), HolderSettings(name="ray", actors=3))
    yield holder
    holder.close()


def searched(holder, method, steps):
    holder.load(np.random.default_rng(0).normal(size=(2, M)).astype(np.float32), [], {})
    return list(search(holder, method.stages(Sgd(lr=1e-3), steps, None), State(2), 0, False))


def test_a_step_with_springs_moves_two_images_into_an_actor(holder):
    traffic = [step.traffic for step in searched(holder, Neb(images=12, spring=1.0), 8)][2:]
    assert {sent.actor for sent in traffic} == {2 * 4 * M}  # float32
    assert max(sent.coordinator for sent in traffic) < 1000 * 12


def test_a_curve_moves_bend_points_and_never_samples(holder):
    traffic = [step.traffic for step in searched(holder, Curve(name="bezier", bends=1, samples=9), 8)][2:]
    # the owner of the bend gets two parts of its gradient, the others the bend
    assert {sent.actor for sent in traffic} == {2 * 4 * M}
    assert max(sent.coordinator for sent in traffic) < 1000 * 9


def test_a_slow_actor_is_left_with_fewer_images(holder):
    searched(holder, Neb(images=12, spring=1.0), 1)
    slow = holder._pool._facts[1].pid
    before = [len(rows) for rows in holder._layout]
    holder._pool._all("open", partial(sleeper, slow))
    steps = searched(holder, Neb(images=12, spring=1.0), 40)
    after = [len(rows) for rows in holder._layout]
    assert after[1] <= 3 < before[1], (before, after)
    assert len(pivots(holder, steps[-1].state.pivots)) == 14
