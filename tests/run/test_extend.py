"""`pathsearch extend`: a run goes on from what it keeps of itself."""

import os
from pathlib import Path

import pytest

from pathsearch import storage
from pathsearch.errors import Interrupted, PathsearchError
from pathsearch.run.extend import extended
from tests.runs import Heard, assert_same, carried_out, extend

SGD = ("two-modes", "optimizer={name: sgd, lr: 0.05}", "tolerance=null", "measure={points: 3, plane: 0}")


@pytest.fixture(autouse=True)
def _there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("changes", [["steps=7"], ["steps= +4", "checkpoint.steps=2"]])
def test_more_steps(changes):
    wanted = carried_out(*SGD, "steps=7", out="at-once")
    carried_out(*SGD, "steps=3", out="grown")
    assert_same(extend("grown", *changes), wanted)


def test_a_smaller_tolerance():
    options = ("two-modes", "measure={points: 3, plane: 0}", "steps=500")
    wanted = carried_out(*options, "tolerance=1e-4", out="at-once")
    carried_out(*options, "tolerance=1e-2", out="grown")
    with pytest.raises(PathsearchError, match=r"finished, it converged at step \d+: give a smaller tolerance"):
        extend("grown", "steps=+1000")
    assert_same(extend("grown", "tolerance=1e-4"), wanted)


def test_so_many_more_asked_twice_are_the_same():
    wanted = carried_out(*SGD, "steps=8", out="at-once")
    carried_out(*SGD, "steps=3", out="grown")
    with pytest.raises(Interrupted):
        extend("grown", "steps=+5", stop_at=4)
    with pytest.raises(Interrupted):
        extend("grown", "steps=+5", stop_at=6)
    assert storage.read("grown").summary["extended"] == 3
    assert_same(extend("grown"), wanted)  # nothing more is asked of a stopped run
    assert extended(Path("grown").resolve(), ["steps=+1"]).settings.steps == 9


def test_rates_of_so_many_steps_are_said_to_change():
    heard = Heard()
    cosine = (*SGD, "optimizer.schedule=cosine")
    carried_out(*cosine, "steps=4", out="x")
    with pytest.raises(Interrupted):
        extend("x", "steps=+4", watcher=heard, stop_at=6)
    assert "optimizer.schedule=cosine was for 4 steps: from here on its rates are those of 8" in heard.lines
    found = extend("x")
    assert (found.state, found.position["moves"], found.config["steps"]) == ("finished", 8, 8)
    # the rate at step 4 of 4 is nothing, of 8 it is half
    moved = found.groups["history"]["length"]
    assert moved[5] != moved[4]


def test_the_last_cycle_of_autoneb():
    options = (*SGD, "method={name: autoneb, cycles: [{insert: {rule: equal, count: 2}}, {repeat: 2}]}")
    wanted = carried_out(
        *(option for option in SGD),
        "method={name: autoneb, cycles: [{insert: {rule: equal, count: 2}}, {repeat: 1}, {steps: 5}]}",
        "steps=3",
        out="at-once",
    )
    carried_out(*options, "steps=3", out="grown")
    found = extend("grown", "steps=+2")
    assert_same(found, wanted)
    assert found.summary["steps"] == [3, 3, 5]
    assert [cycle["repeat"] for cycle in found.config["method"]["cycles"]] == [1, 1, 1]


REFUSED = {
    "another option": (
        ["optimizer.lr=1"],
        r"extend changes steps, tolerance, until, checkpoint and holder, not optimizer\.lr",
    ),
    "fewer": (["steps=2"], r"finished, it had 3 steps: give more, as steps=\+1000"),
    "nothing": ([], r"finished, it had 3 steps: give more"),
    "no number": (["steps=many"], r"steps=many: write the number of steps, or \+N"),
    "no override": (["more"], "no override"),
}


@pytest.fixture(scope="module")
def ended(tmp_path_factory):
    return carried_out(*SGD, "steps=3", out=tmp_path_factory.mktemp("extend") / "x")


@pytest.mark.parametrize("kind", REFUSED)
def test_what_cannot_be_is_said(kind, ended):
    changes, says = REFUSED[kind]
    with pytest.raises(PathsearchError, match=says):
        extended(ended.file.parent, changes)


def test_a_line_is_not_searched():
    carried_out("two-modes", "method=linear", "measure={points: 3, plane: 0}", out="x")
    with pytest.raises(PathsearchError, match="method linear searches nothing"):
        extend("x", "steps=+5")


def test_it_works_from_anywhere(tmp_path, monkeypatch):
    (tmp_path / "here" / "configs").mkdir(parents=True)
    (tmp_path / "here" / "configs" / "run.yaml").write_text(
        "objective: {name: callable, target: 'extended:loss'}\nendpoints: {start: [-1, 0], end: [1, 0]}\n"
        "method: {name: neb, images: 3}\nsteps: 2\ntolerance: 1.0e-12\nmeasure: {points: 3, plane: 0}\n"
    )
    (tmp_path / "here" / "configs" / "extended.py").write_text("def loss(w):\n    return (w @ w + w[1] - 1) ** 2\n")
    monkeypatch.chdir(tmp_path / "here")
    carried_out("configs/run.yaml", out=tmp_path / "x")
    monkeypatch.chdir("/")
    assert extend(tmp_path / "x", "steps=+2").config["steps"] == 4
    assert os.getcwd() == str(tmp_path / "here")
    monkeypatch.chdir("/")
    (tmp_path / "here").rename(tmp_path / "gone")
    with pytest.raises(PathsearchError, match=r"here, where .*path\.h5 was begun, cannot be used: No such file"):
        extend(tmp_path / "x", "steps=+2")
