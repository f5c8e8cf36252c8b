"""Whether what a folder holds is the run that is asked for, and may go on."""

import json
import re
import sys
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from pathsearch import storage
from pathsearch.errors import Interrupted, PathsearchError
from pathsearch.run import config, past
from pathsearch.run.outside import outside
from pathsearch.storage.layout import Attributes
from tests import runs
from tests.runs import Heard, assert_same, carried_out

QUICK = ("measure={points: 3, plane: 0}",)
SGD = ("two-modes", "method={name: neb, images: 3}", "optimizer={name: sgd, lr: 0.05}", "tolerance=null", *QUICK)
NETWORK = """
objective: {name: network, model: {name: mlp, args: {width: 8, depth: 1}}, data: digits, batch: 50}
endpoints: {start: {train: {seed: 0, steps: 5}}, end: {train: {seed: 1, steps: 5}}}
method: {name: neb, images: 2}
optimizer: {name: sgd, lr: 0.05}
measure: {points: 3, plane: 3}
device: cpu
"""


@pytest.fixture(autouse=True)
def _there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "network.yaml").write_text(NETWORK)


@pytest.fixture(scope="module")
def network_run(tmp_path_factory):
    """A finished run of the network, that no test goes on with."""
    folder = tmp_path_factory.mktemp("network")
    (folder / "network.yaml").write_text(NETWORK)
    carried_out(folder / "network.yaml", "steps=3", out=folder / "run")
    return folder / "run"


CONSTANT = {
    "momentum": SGD,
    "pairs of steps": ("two-modes", "optimizer=lbfgs", "tolerance=null", *QUICK),
    "a network": ("network.yaml",),
    "a curve with random points": (*SGD, "method={name: bezier, bends: 2}"),
    "points that are moved along": (*SGD, "method={name: neb, images: 5, spring: inf}", "optimizer={name: adam}"),
}


@pytest.mark.parametrize("kind", CONSTANT)
def test_more_steps_are_those_of_one_run(kind):
    wanted = carried_out(*CONSTANT[kind], "steps=7", out="at-once")
    for steps in (3, 7):
        found = carried_out(*CONSTANT[kind], f"steps={steps}", out="grown")
        assert (found.state, found.config["steps"]) == ("finished", steps)
    assert_same(found, wanted)


def test_more_steps_of_a_stopped_run():
    wanted = carried_out(*SGD, "steps=7", out="at-once")
    with pytest.raises(Interrupted):
        carried_out(*SGD, "steps=5", out="grown", stop_at=3)
    assert_same(carried_out(*SGD, "steps=7", out="grown"), wanted)


def test_an_extension_that_is_killed_goes_on():
    wanted = carried_out(*SGD, "steps=9", out="at-once")
    carried_out(*SGD, "steps=4", out="grown")
    for stop_at in (4, 6):
        with pytest.raises(Interrupted):
            carried_out(*SGD, "steps=9", out="grown", stop_at=stop_at)
        kept = storage.read("grown")
        assert (kept.state, "profiles/path" in kept.groups) == ("running", False)
    assert_same(carried_out(*SGD, "steps=9", out="grown"), wanted)


def test_a_smaller_tolerance_goes_on_where_the_larger_one_ended():
    options = ("two-modes", *QUICK, "steps=500")
    wanted = carried_out(*options, "tolerance=1e-4", out="at-once")
    first = carried_out(*options, "tolerance=1e-2", out="grown")
    assert first.position["converged"]
    assert first.position["moves"] < wanted.position["moves"]
    assert_same(carried_out(*options, "tolerance=1e-4", out="grown"), wanted)


def test_more_steps_change_nothing_where_the_search_converged():
    heard = Heard()
    first = carried_out("two-modes", *QUICK, "steps=500", out="x")
    before = first.file.read_bytes()
    again = carried_out("two-modes", *QUICK, "steps=900", out="x", watcher=heard)
    assert heard.lines == []
    assert again.file.read_bytes() == before


REFUSED = {
    "fewer steps": ([], ["steps=3"], r"another configuration: steps \(5 there, 3 here\); name another"),
    "a larger tolerance": (["tolerance=1e-9"], ["tolerance=1e-3"], r"tolerance \(1e-09 there, 0\.001 here\)"),
    "another option too": ([], ["steps=9", "optimizer.lr=0.1"], r"optimizer\.lr \(0\.05 there, 0\.1 here\), steps \("),
    "rates of so many steps": (
        ["optimizer.schedule=cosine"],
        ["steps=9"],
        r"learning rates of optimizer\.schedule=cosine depend; `pathsearch extend .*x steps=9` goes on",
    ),
    "cycles": (
        ["method=autoneb"],
        ["steps=9"],
        r"steps are those of every cycle; `pathsearch extend x steps=\+4` makes the last one longer",
    ),
    "a line": (["method=linear"], ["steps=9"], r"steps \(5 there, 9 here\); name another"),
}


@pytest.fixture(scope="module")
def ended(tmp_path_factory):
    return carried_out(*SGD, "steps=5", out=tmp_path_factory.mktemp("past") / "x")


@pytest.mark.parametrize("kind", REFUSED)
def test_what_makes_another_path_is_refused(kind, ended, monkeypatch):
    own, other, says = REFUSED[kind]
    old, _ = config.load(SGD[0], [*SGD[1:], "steps=5", *own])
    new, folder = config.load(SGD[0], [*SGD[1:], "steps=5", *own, *other])
    stages = [stage.name for stage in old.method.stages(old.optimizer, old.steps, old.tolerance)]
    kept = replace(
        ended,
        file=Path("x/path.h5"),
        config=old.model_dump(mode="json"),
        position={**ended.position, "stage": len(stages)},
        summary={**ended.summary, "stages": stages},
    )
    monkeypatch.setattr(storage, "read", lambda file: kept)
    with pytest.raises(PathsearchError, match=says) as caught:
        past.past(ended.file, new, folder)
    assert "\n" not in str(caught.value)
    past.past(ended.file, old, folder)


def changed(run, **attributes):
    """The same run with other root attributes."""
    with storage.stored(run.file) as kept:
        weights, states, buffers = (
            kept.weights[()],
            {name: kept.states[name][()] for name in kept.states},
            kept.buffers(),
        )
    names = [each.name for each in fields(Attributes)]
    parameters = run.groups["parameters"]
    shapes = [tuple(int(size) for size in shape.split("x")) for shape in parameters["shape"]]
    whole = storage.Kept(
        **{name: getattr(run, name) for name in names} | attributes,
        weights=weights,
        moving=range(1, len(weights) - 1),
        optimizer=states,
        tensors=list(zip(parameters["name"].tolist(), shapes)),
        buffers=buffers,
        history=run.groups["history"],
        measured=run.groups.get("measured", {}),
        endpoints=run.under("endpoints"),
        profiles=run.under("profiles"),
    )
    storage.write(run.file, whole)


INVALID = {
    "objective.model.args.widht=3": "no argument 'widht' (did you mean 'width'?): there are norm, width, depth",
    "objective.model={name: 'own:Net', args: {widht: 3}}": "objective.model.args of own:Net: no argument 'widht'",
    "objective.model=own:Nett": "did you mean 'Net'?",
    "objective.data={name: dataset, target: 'own:points', train_args: {size: 9}}": "no argument 'size'",
    "objective.parameters=['nope*']": "objective.parameters: 'nope*' fits no parameter",
    "endpoints.start=gone.npy": "endpoints: no file gone.npy",
    "endpoints.align={name: weights, pin: [nope]}": "endpoints.align: pin: no parameter",
    "optimizer=lbfgs": "optimizer lbfgs needs the same loss every step",
    "objective.loss=own:no": "objective.loss own:no",
}


@pytest.mark.parametrize("option", INVALID)
def test_what_is_wrong_with_an_option_is_said_whatever_the_folder_holds(option, tmp_path, network_run):
    """A misspelt option is no other configuration: what a new run says is said of one that exists, too."""
    (tmp_path / "own.py").write_text(runs.OWN)
    for out in (tmp_path / "new", network_run):
        with pytest.raises(PathsearchError) as error:
            carried_out("network.yaml", option, out=out)
        assert INVALID[option] in str(error.value)
    settings, folder = config.load("network.yaml", [option])
    with pytest.raises(PathsearchError, match=re.escape(INVALID[option])):
        past.finished(network_run, settings, folder)


def test_options_an_old_run_did_not_know_have_their_defaults():
    run = carried_out(*SGD, "steps=3", out="x")
    old = json.loads(json.dumps(run.config))
    del old["seed"], old["measure"]["tolerance"], old["optimizer"]["nesterov"], old["holder"], old["method"]["climb"]
    changed(run, config=old)
    assert carried_out(*SGD, "steps=3", out="x").state == "finished"
    with pytest.raises(PathsearchError, match=r"seed \(0 there, 4 here\)"):
        carried_out(*SGD, "steps=3", "seed=4", out="x")
    carried_out(*SGD, "steps=5", out="x")


def test_options_that_are_gone_are_named():
    run = carried_out(*SGD, "steps=3", out="x")
    changed(run, config={**run.config, "stepz": 3})
    with pytest.raises(
        PathsearchError, match=r"x/path\.h5 is of another version of pathsearch: .*stepz: no such option"
    ):
        carried_out(*SGD, "steps=3", out="x")
    changed(run, config={**run.config, "holder": {"name": "serial", "gone": 1}})
    assert carried_out(*SGD, "steps=3", out="x").state == "finished"  # it has no part in the result


def test_files_of_old_still_open_and_continue():
    run = carried_out(*SGD, "steps=3", out="x")
    changed(run, last={}, outside={}, place={})
    assert carried_out(*SGD, "steps=3", out="x").last == {}
    with pytest.raises(PathsearchError, match="finished by an earlier pathsearch"):
        carried_out(*SGD, "steps=5", out="x")
    changed(run, state="running", last={}, outside={}, place={})
    assert carried_out(*SGD, "steps=3", out="x").state == "finished"


OWN = """
objective: {name: callable, target: "place.own:loss"}
endpoints: {start: [-1, 0], end: end.npy}
method: {name: neb, images: 3}
steps: 2
measure: {points: 3, plane: 0}
"""


def test_files_a_run_came_from(tmp_path):
    (tmp_path / "own.yaml").write_text(OWN)
    np.save("end.npy", [1.0, 0.0])
    (tmp_path / "place").mkdir()
    source = tmp_path / "place" / "own.py"
    source.write_text("def loss(w):\n    return (w @ w + w[1] - 1) ** 2\n")
    first = carried_out("own.yaml", out="x")
    assert set(first.outside) == {"endpoints.end", "objective.target"}
    assert first.place == {"here": str(tmp_path), "folder": str(tmp_path)}
    kept = source.read_text()
    source.write_text(kept + "# other\n")
    with pytest.raises(PathsearchError, match=r"other files: objective\.target \(place\.own:loss in own\.py\) changed"):
        carried_out("own.yaml", out="x")
    source.write_text(kept)
    np.save("end.npy", [1.0, 0.5])
    with pytest.raises(PathsearchError, match=r"other files: endpoints\.end \(end\.npy\) changed"):
        carried_out("own.yaml", out="x")
    (tmp_path / "end.npy").unlink()
    source.unlink()
    assert carried_out("own.yaml", out="x").state == "finished"
    sys.modules.pop("place.own", None)
    sys.modules.pop("place", None)


def test_an_endpoint_of_a_run_is_known_by_its_weights(tmp_path):
    run = carried_out("two-modes", *QUICK, "steps=3", out="source")
    options = ("two-modes", *QUICK, "steps=2", "endpoints={start: {run: source, pivot: 1}, end: source/path.h5}")
    found = carried_out(*options, out="x")
    assert set(found.outside) == {"endpoints.start", "endpoints.end"}
    changed(run, writers=[*run.writers, {"origin": "another host", "versions": {}}])  # the same path
    assert carried_out(*options, out="x").state == "finished"
    run.file.unlink()
    carried_out("two-modes", *QUICK, "steps=4", out="source")
    with pytest.raises(PathsearchError, match=r"other files: endpoints\.start \(source\) changed since"):
        carried_out(*options, out="x")
    run.file.write_bytes(b"no run")
    with pytest.raises(PathsearchError, match=r"other files: endpoints\.start \(source\), endpoints\.end \(source/"):
        carried_out(*options, out="x")
    run.file.unlink()
    assert carried_out(*options, out="x").state == "finished"


def test_modules_are_found_and_not_run(tmp_path):
    beside = tmp_path / "configs"
    for file in ("one.py", "pack/__init__.py", "pack/deep/__init__.py", "pack/deep/two.py", "bare/three.py"):
        (beside / file).parent.mkdir(parents=True, exist_ok=True)
        (beside / file).write_text("raise SystemExit('it was run')\n")

    def source(module, place=beside):
        found = outside({"objective": {"name": "network", "model": {"name": f"{module}:Net"}, "data": {}}}, place)
        return found.get("objective.model", ["", ""])[0].rpartition(" in ")[2]

    names = ("one", "pack", "pack.deep", "pack.deep.two", "bare.three", "nowhere", "pack.nowhere", "sys", "one.two")
    assert [source(name) for name in names] == [
        "one.py",
        "__init__.py",
        "__init__.py",
        "two.py",
        "three.py",
        "",
        "",
        "",
        "",
    ]
    (tmp_path / "one.py").write_text("here")  # the working folder comes first
    both = [outside({"objective": {"target": "one:f"}}, place)["objective.target"][1] for place in (beside, tmp_path)]
    assert both[0] == both[1]
    assert source("torch", tmp_path) == "__init__.py"
