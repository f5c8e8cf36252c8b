"""A worker by itself: a vector that is being sent is not written to."""

import time
from types import SimpleNamespace

import numpy as np
import torch

from pathsearch.holders.ray.worker import Worker
from pathsearch.objectives.function import FunctionObjective


def test_pivots_on_their_way_to_another_actor_are_mixed_when_they_have_left(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")  # which a worker sets; put back afterwards
    received = []

    def receive(label, vector):
        time.sleep(0.2)  # a large vector takes that long
        received.append(vector.copy())

    worker = Worker(0, torch.get_num_threads(), False, 1.0)
    worker.open(lambda: FunctionObjective(lambda w: w @ w, 3, torch.float64, torch.device("cpu")))
    worker.meet([None, SimpleNamespace(receive=SimpleNamespace(remote=receive))])
    for row in range(3):
        worker.take(row, np.full(3, float(row)))
    worker.begin(3, [1], ())
    worker.send(0, [("pivot", 1, [1])])
    worker.mix(dict(enumerate(np.diag([1.0, 0.5, 1.0]))), 3, {0, 2}, 1, {}, {})
    np.testing.assert_array_equal(received, [[1.0, 1.0, 1.0]])
    np.testing.assert_array_equal(worker.pivot(1), [0.5, 0.5, 0.5])
