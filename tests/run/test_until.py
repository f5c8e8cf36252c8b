"""A search that ends when its path is good enough."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from pathsearch import measure, report, storage
from pathsearch.errors import Interrupted, PathsearchError
from pathsearch.methods.stages import Stage
from pathsearch.numerics.profiles import barrier
from pathsearch.objectives import NetworkSettings
from pathsearch.run import minima, until
from pathsearch.run.config import load, validated
from pathsearch.run.extend import extended
from pathsearch.run.finish import say
from pathsearch.run.settings import RunSettings, Until
from pathsearch.search import State, Step
from tests.runs import Heard, assert_same, carried_out, extend

QUICK = ("two-modes", "tolerance=null", "optimizer={name: sgd, lr: 0.02}", "measure={points: 3, plane: 0}", "steps=30")
GOAL = "until={barrier: 0.3, every: 5, points: 5}"
METHODS = {
    "polygon": "method={name: polygon, bends: 2}",
    "bezier": "method={name: bezier, bends: 2}",
    "neb": "method={name: neb, images: 3, spring: 1.0}",
    "string": "method={name: string, images: 4}",
    "autoneb": "method={name: autoneb, cycles: [{insert: {rule: equal, count: 2}, steps: 8}, {steps: 9, repeat: 3}]}",
}


@pytest.fixture(autouse=True)
def _there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def looks(run):
    return run.groups["looks"]


def weights(run):
    return storage.read_vectors(run.file)[0]


@pytest.mark.parametrize("name", METHODS)
def test_it_ends_at_a_step_of_the_same_search(name):
    plain, heard = carried_out(*QUICK, METHODS[name], out="plain"), Heard()
    found = carried_out(*QUICK, METHODS[name], GOAL, out="goal", watcher=heard)
    at, reached = found.position["moves"], found.summary["reached"]
    assert 0 < at < plain.position["moves"]
    assert looks(found)["moves"].tolist() == list(range(0, at + 1, 5))
    barriers = looks(found)["loss"]
    assert (barriers[:-1] > 0.3).all()
    assert barriers[-1] == reached["barrier"] <= 0.3
    # the search's own bits are those of a search that nobody looks at
    steps = len(found.groups["history"]["step"])
    for column, values in found.groups["history"].items():
        kept = plain.groups["history"][column][:steps]
        np.testing.assert_array_equal(values, kept[:, : values.shape[1]] if kept.ndim == 2 else kept, err_msg=column)
    with pytest.raises(Interrupted):
        carried_out(*QUICK, METHODS[name], out="until-there", stop_at=at - 1)
    np.testing.assert_array_equal(weights(found), weights(storage.read("until-there")))
    # gradients of the search alone; points that the looks measured apart
    assert reached["evaluations"] == found.position["evaluations"] == plain.groups["history"]["evaluations"][steps - 1]
    shown = report.figures(found)["until"]
    assert (shown["reached"], shown["step"], shown["looks"]) == (True, at, len(barriers))
    assert shown["points"] == looks(found)["points"].sum() >= 5 * len(barriers)
    assert shown["stage"] == reached["stage"] == found.summary["stages"][found.last["stage"]]
    assert any(line.startswith(f"goal reached: at step {at}, after") for line in heard.lines)


def test_the_goal_ends_all_cycles_that_were_to_come():
    found = carried_out(*QUICK, METHODS["autoneb"], GOAL, out="x")
    assert found.last["stage"] < len(found.summary["stages"]) - 1
    assert (found.state, found.position["stage"]) == ("finished", len(found.summary["stages"]))


def test_a_look_is_where_one_cycle_follows_another_once():
    found = carried_out(*QUICK, METHODS["autoneb"], "until={barrier: 0, every: 1, points: 3}", out="x")
    assert looks(found)["moves"].tolist() == list(range(8 + 3 * 9 + 1))


@pytest.mark.parametrize(("name", "goal", "stops"), [("bezier", 0.3, (3, 4, 7)), ("autoneb", 0.01, (3, 8, 12))])
def test_stopped_and_continued_it_ends_at_the_same_step_with_the_same_bits(name, goal, stops):
    options = (*QUICK, METHODS[name], GOAL, f"until.barrier={goal}", "checkpoint.steps=4")
    wanted = carried_out(*options, out="at-once")
    for stop_at in stops:
        with pytest.raises(Interrupted):
            carried_out(*options, out="stopped", stop_at=stop_at)
        assert "reached" not in storage.read("stopped").summary
    assert_same(carried_out(*options, out="stopped"), wanted)


def test_stopped_within_a_look_it_takes_the_look_again(monkeypatch):
    options = (*QUICK, METHODS["neb"], GOAL)
    wanted, whole = carried_out(*options, out="at-once"), measure.measured_barriers

    def stopped(*arguments):
        *given, tick = arguments
        monkeypatch.setattr(measure, "measured_barriers", whole)
        watcher.at(10)  # the stop is noticed at the next point
        return whole(*given, tick)

    def step(moves):
        if moves == 4:
            monkeypatch.setattr(measure, "measured_barriers", stopped)

    watcher = Heard()
    monkeypatch.setattr("tests.runs.Heard.step", lambda self, each: step(each.state.moves))
    with pytest.raises(Interrupted, match="stopped by SIGTERM at the look at step 5: kept in"):
        carried_out(*options, out="stopped", stop_at=10, watcher=watcher)
    kept = storage.read("stopped")
    assert (kept.position["moves"], looks(kept)["moves"].tolist()) == (5, [0])
    assert_same(carried_out(*options, out="stopped"), wanted)


def test_a_goal_that_is_met_before_the_first_step_ends_it_at_once(capsys):
    heard = Heard()
    # the line's barrier on this surface is 1, at its middle
    line = ("objective=two-modes-1d", "method={name: neb, images: 1}", "until.barrier=1")
    found = carried_out(*QUICK, *line, out="x", watcher=heard)
    assert (found.state, found.position["moves"], found.summary["reached"]["barrier"]) == ("finished", 0, 1.0)
    assert (
        "goal reached: at step 0, after 1 gradients, the barrier of loss is 1, at most 1 was asked for" in heard.lines
    )
    say(found)
    printed = capsys.readouterr().out
    assert "neb: goal reached, 0 steps" in printed
    row = next(line.split() for line in printed.splitlines() if " yes " in line)
    assert row == ["loss", "1", "yes", "1", "0", "1", "1"]
    assert "the last look was at 13 points" in printed


def test_a_goal_that_is_not_reached_is_said_with_the_last_barrier(capsys):
    heard = Heard()
    found = carried_out(*QUICK, METHODS["neb"], "until={barrier: 0, every: 20}", out="x", watcher=heard)
    assert looks(found)["moves"].tolist() == [0, 20, 30]  # the last where the search ends
    assert found.position["moves"] == 30
    last = looks(found)["loss"][-1]
    assert (
        f"goal not reached: in the last look, at step 30, after 93 gradients, the barrier of loss is {last:.3g}"
        in (heard.lines[-1])
    )
    say(found)
    printed = capsys.readouterr().out
    assert "neb: step budget used, no convergence claimed, goal not reached" in printed
    shown = json.loads(json.dumps(report.figures(found)))["until"]
    assert (shown["goal"], shown["reached"], shown["barrier"], shown["step"]) == (0.0, False, last, 30)


def test_without_a_goal_nothing_is_looked_at():
    found = carried_out(*QUICK, METHODS["neb"], out="x")
    assert "looks" not in found.groups
    assert report.figures(found)["until"] is None
    assert report.goal_table(found) is None


NETWORK = """
objective:
  name: network
  model: {name: cnn, args: {width: 4, norm: true}}
  data: {name: random, shape: [3, 8, 8], examples: 60}
  batch: 10
  metrics: {right: accuracy}
endpoints: {start: start.npy, end: end.npy}
method: {name: neb, images: 3, spring: 1.0}
optimizer: {name: sgd, lr: 0.05}
steps: 6
device: cpu
measure: {points: 3, plane: 0}
until: {barrier: 0.0, metric: train_right, every: 2, points: 5, examples: 20}
"""


@pytest.fixture
def network():
    Path("network.yaml").write_text(NETWORK)
    objective = NetworkSettings.model_validate(yaml.safe_load(NETWORK)["objective"]).open(None, torch.device("cpu"))
    for seed, side in enumerate(("start", "end")):
        np.save(side, objective.initial(seed).numpy())
    return objective


def test_of_a_network_any_metric_on_a_part_of_the_data(network):
    found = carried_out("network.yaml", "until.metric=test_loss", out="x", watcher=(heard := Heard()))
    assert list(looks(found)) == ["stage", "step", "moves", "evaluations", "points", *network.metrics]
    # the last look is of the path that was found: its barriers are those of the objective on these examples
    few = NetworkSettings.model_validate(yaml.safe_load(NETWORK)["objective"])
    few = few.open(None, torch.device("cpu"), measured=until_measured(20))
    path = torch.from_numpy(weights(found))
    at = [path[0], *(each for pair in zip(path[:-1].lerp(path[1:], 0.5), path[1:]) for each in pair)]
    for name in network.metrics:
        values = np.array([few.measure(point)[name] for point in at[::2]])
        assert looks(found)[name][-1] == pytest.approx(barrier(values, name.endswith("right")), abs=1e-6), name
    assert found.summary["measured"]["train"] == 48  # at the end it is all
    assert (looks(found)["train_right"] >= 0).all()
    assert "the barrier of test_loss is" in heard.lines[-1]


def until_measured(examples):
    return validated({**yaml.safe_load(NETWORK), "measure": {"examples": examples}}, "test").measure


def test_fewer_examples_are_some_of_those_that_are_measured(network):
    point = network.initial(3)
    for examples in (20, 60):
        few = NetworkSettings.model_validate(yaml.safe_load(NETWORK)["objective"])
        few = few.open(None, torch.device("cpu"), measured=until_measured(examples))
        assert network.measure(point, examples) == few.measure(point)
    some = NetworkSettings.model_validate(yaml.safe_load(NETWORK)["objective"])
    some = some.open(None, torch.device("cpu"), measured=until_measured(20))
    assert some.measure(point, 50) == some.measure(point)
    assert network.measure(point, 20) != network.measure(point)


def test_looks_leave_a_networks_search_as_it_is(network, monkeypatch):
    monkeypatch.setattr(until, "reached", lambda *given: {})
    plain = carried_out("network.yaml", "until=null", out="plain")
    found = carried_out("network.yaml", "until.every=1", out="x")
    np.testing.assert_array_equal(weights(found), weights(plain))
    assert looks(found)["moves"].tolist() == list(range(7))


def test_a_run_that_reached_its_goal_goes_on_to_another_one():
    smaller = GOAL.replace("0.3", "0.01")
    wanted = carried_out(*QUICK, METHODS["autoneb"], smaller, out="at-once")
    first = carried_out(*QUICK, METHODS["autoneb"], GOAL, out="x")
    for changes in ([], ["steps=+10"], ["until.barrier=0.2"], [f"until.barrier={first.summary['reached']['barrier']}"]):
        with pytest.raises(PathsearchError, match=r"finished, it reached its goal at step \d+, a barrier of loss of 0"):
            extended(Path("x").resolve(), changes)
    assert_same(extend("x", "until.barrier=0.01"), wanted)
    assert wanted.position["moves"] > first.position["moves"]


def test_or_to_its_end_where_the_goal_is_dropped():
    plain = carried_out(*QUICK, METHODS["autoneb"], out="plain")
    carried_out(*QUICK, METHODS["autoneb"], GOAL, out="x")
    with pytest.raises(Interrupted):
        extend("x", "until=null", stop_at=20)
    found = extend("x")
    np.testing.assert_array_equal(weights(found), weights(plain))
    assert (found.position, found.summary) == (plain.position, plain.summary)
    assert report.figures(found)["until"] is None


def test_a_goal_can_be_given_later():
    carried_out(*QUICK, METHODS["neb"], "steps=3", out="x")
    with pytest.raises(PathsearchError, match=r"it had 3 steps: give more"):
        extended(Path("x").resolve(), ["until.barrier=0.5"])
    found = extend("x", "steps=30", "until.barrier=0.1", "until.every=5")
    assert looks(found)["moves"].tolist()[0] == 5
    assert found.summary["reached"]["step"] < 30


def test_a_plain_run_asks_for_extend_where_the_goal_is_another():
    carried_out(*QUICK, METHODS["neb"], GOAL, out="x")
    assert carried_out(*QUICK, METHODS["neb"], GOAL, out="x").state == "finished"
    for goal, says in (("until=null", "until=null` goes on"), ("until={barrier: 0.01}", "until=…` goes on")):
        with pytest.raises(PathsearchError, match=rf"another configuration: until.*`pathsearch extend x {says}"):
            carried_out(*QUICK, METHODS["neb"], goal, out="x")


REFUSED = {
    "no barrier": ("until={every: 5}", r"until\.barrier is needed"),
    "a negative one": ("until.barrier=-0.1", r"until\.barrier: give a number at least 0"),
    "never": ("until={barrier: 0.1, every: 0}", r"until\.every: give a whole number at least 1"),
    "two points": ("until={barrier: 0.1, points: 2}", r"until\.points: give a whole number at least 3"),
    "no examples": ("until={barrier: 0.1, examples: 0}", r"until\.examples: give a whole number at least 2 or null"),
    "a metric of a surface": ("until={barrier: 0.1, metric: error}", r"until\.metric: no 'error': there are loss"),
    "another option": ("until={barrier: 0.1, often: 3}", r"until\.often: no such option.*every"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_cannot_be_is_said(kind):
    goal, says = REFUSED[kind]
    with pytest.raises(PathsearchError, match=says):
        load("two-modes", [goal])


def test_a_metric_that_is_not_measured_is_named_with_those_that_are():
    asked = yaml.safe_load(NETWORK)
    asked["until"]["metric"] = "test_error"
    with pytest.raises(
        PathsearchError, match=r"no 'test_error' \(did you mean 'test_.*'\?\): .*train_loss, train_right,"
    ):
        validated(asked, "test")
    del asked["objective"]["metrics"]
    assert validated(asked, "test").until.metric == "test_error"
    # that the data have no classes is known once they are read
    with pytest.raises(PathsearchError, match=r"until\.metric: no 'test_error'.*there are train_loss, test_loss"):
        until.column(Until(barrier=0.1, metric="test_error"), ("train_loss", "test_loss"))


def test_a_line_and_a_training_have_nothing_to_stop():
    with pytest.raises(PathsearchError, match="until: method linear searches no path, leave it out"):
        load("two-modes", ["method=linear", "until.barrier=0.1"])
    asked = {name: value for name, value in yaml.safe_load(NETWORK).items() if name != "endpoints"}
    with pytest.raises(PathsearchError, match="until: method train searches no path"):
        validated({**asked, "method": "train"}, "test")


def test_it_decides_no_minimum():
    asked = yaml.safe_load(NETWORK)
    asked["endpoints"] = {side: {"train": {"seed": seed}} for seed, side in enumerate(("start", "end"))}
    one, other = validated(asked, "test"), validated({**asked, "until": None}, "test")
    assert minima.needed(one, Path(), Path()) == minima.needed(other, Path(), Path())


def test_a_barrier_that_is_no_number_reaches_nothing():
    step = Step(State(3), Stage("neb", None, None, 5), *[None] * 2, 0.0, 0.0, 0, False, None)
    assert until.reached(Until(barrier=1.0), "loss", step, {"loss": math.nan}) == {}
    assert until.reached(Until(barrier=1.0), "loss", step, {"loss": 1.0})["barrier"] == 1.0


def test_barriers_stand_above_the_larger_end():
    assert barrier(np.array([1.0, 4.0, 2.0])) == 2.0
    assert barrier(np.array([0.9, 0.5, 0.8]), higher=True) == pytest.approx(0.3)


def test_files_of_earlier_programs_have_no_goal():
    found = carried_out(*QUICK, METHODS["neb"], out="x")
    assert RunSettings.model_validate({k: v for k, v in found.config.items() if k != "until"}).until is None
