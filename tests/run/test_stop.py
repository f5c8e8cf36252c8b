"""Stopping before the end: signals, the end of the time; a measurement that is taken up again."""

import os
import signal
import time

import numpy as np
import pytest

from pathsearch import storage
from pathsearch.errors import Interrupted
from pathsearch.objectives.function import FunctionObjective
from pathsearch.report import device_hours
from pathsearch.run import config, whole
from pathsearch.run.settings import Asked
from pathsearch.run.stop import SLACK, Stop, signals
from pathsearch.storage.glance import glance


class Watcher:
    """Acts when so many points are measured, counts steps."""

    def __init__(self, point=None, act=None):
        self.steps = self.points = 0
        self.point, self.act = point, act

    def log(self, line):
        pass

    def step(self, step):
        self.steps += 1

    def phase(self, name, total):
        pass

    def tick(self, count):
        self.points += count
        if self.point is not None and self.points >= self.point:
            self.point = None
            self.act()


def test_the_end_is_near_where_the_next_step_would_pass_it():
    stop = Stop(until=time.time() + SLACK + 5)
    assert not stop.due(1.0)
    assert stop.due(6.0)
    assert stop.number == signal.SIGALRM
    assert stop.reason == "the end of its time"
    assert not Stop().due(1e9)


@pytest.mark.parametrize("number", [signal.SIGUSR2, signal.SIGTERM])
def test_a_signal_is_noted(number):
    before = signal.getsignal(number)
    with signals() as stop:
        os.kill(os.getpid(), number)
        os.kill(os.getpid(), signal.SIGUSR2)  # a warning may come twice
        assert stop.number == number
        assert stop.due(0.0)
    assert signal.getsignal(number) == before


def carried_out(folder, watcher, stop, *overrides):
    settings, where = config.load("muller-brown", ["measure.plane=7", "checkpoint.minutes=1000", *overrides])
    return whole.run(Asked(settings, where), folder, watcher, stop)


def test_a_run_stops_by_itself_before_its_time_is_over(tmp_path):
    with pytest.raises(Interrupted, match="stopped by the end of its time at step 0") as raised:
        carried_out(tmp_path, Watcher(), Stop(until=time.time() + 1.0))
    assert raised.value.number == signal.SIGALRM
    assert storage.read(tmp_path).position["moves"] == 0
    assert carried_out(tmp_path, Watcher(), Stop()).state == "finished"


def test_a_measurement_goes_on_where_it_was_stopped(tmp_path, monkeypatch):
    wanted = carried_out(tmp_path / "wanted", Watcher(), Stop())
    assert "measured" not in wanted.groups
    asked = []
    measure = FunctionObjective.measure

    def counted(self, weights):
        asked.append(tuple(weights.tolist()))
        return measure(self, weights)

    monkeypatch.setattr(FunctionObjective, "measure", counted)
    for point in (5, 40, 30, 25):
        stop = Stop()
        watcher = Watcher(point, lambda stop=stop: setattr(stop, "number", signal.SIGUSR2))
        with pytest.raises(Interrupted, match="measuring"):
            carried_out(tmp_path / "stopped", watcher, stop)
        groups = storage.read(tmp_path / "stopped").groups
        profiles = sum(name.startswith("profiles/") for name in groups)
        assert len(groups["measured"]["mixture"]) + profiles == glance(tmp_path / "stopped").measured
    found = carried_out(tmp_path / "stopped", Watcher(), Stop())
    assert len(asked) == len(set(asked))  # nothing was measured twice
    assert found.state == "finished"
    assert "measured" not in found.groups
    for group in ("profiles/path", "profiles/linear", "profiles/plane"):
        for name, values in wanted.groups[group].items():
            np.testing.assert_array_equal(found.groups[group][name], values)


def test_device_hours_are_of_all_attempts(tmp_path, monkeypatch):
    clock = iter(range(10**6))  # a second passes whenever it is asked
    monkeypatch.setattr("pathsearch.run.session.time.monotonic", lambda: float(next(clock)))
    stop = Stop()
    watcher = Watcher(5, lambda: setattr(stop, "number", signal.SIGUSR2))
    with pytest.raises(Interrupted, match="measuring"):
        carried_out(tmp_path, watcher, stop)
    (first,) = storage.read(tmp_path).writers
    begun = first["device_seconds"]
    assert begun["search"] >= watcher.steps
    assert begun["measure"] > 0
    found = carried_out(tmp_path, Watcher(), Stop())
    before, after = (writer["device_seconds"] for writer in found.writers)
    assert before == begun
    assert after["measure"] > 0
    assert device_hours(found) == pytest.approx((sum(begun.values()) + sum(after.values())) / 3600)
    assert device_hours(found, "search") < device_hours(found)
    found.writers[0].pop("device_seconds")  # by an earlier program
    assert device_hours(found) is None
