"""Minima: what decides one, and where it is kept."""

from pathlib import Path

import pytest

from pathsearch.errors import PathsearchError
from pathsearch.objectives import NetworkSettings
from pathsearch.run.config import load, validated
from pathsearch.run.minima import beside, needed

STORE = Path("store")


def start(*overrides, folder=Path(), config="digits"):
    return needed(load(config, list(overrides))[0], folder, STORE)["start"]


def test_a_folder_says_what_it_is_and_its_digest_stays():
    # stores outlive versions of this program: a change here trains everything anew
    assert start().folder == STORE / "mlp-digits-seed0-692f87a94b"
    assert start("objective.model=cnn", "endpoints.start.train.seed=12").name.startswith("cnn-digits-seed12-")
    assert start("objective.model=my.nets:Net", "objective.data=cifar10").name.startswith("Net-cifar10-seed0-")
    assert beside(Path("runs/digits")) == Path("runs/minima")


SAME = [
    "method=neb",
    "optimizer.lr=0.5",
    "steps=7",
    "seed=9",
    "measure.points=5",
    "checkpoint.steps=3",
    "holder={name: ray, actors: 4}",
    "endpoints.end.train.seed=8",
    "endpoints.start.train.batch=128",  # as the objective's
    "endpoints.start.train.optimizer.momentum=0.9",  # its default
]
OTHER = [
    "endpoints.start.train.seed=3",
    "endpoints.start.train.steps=1501",
    "endpoints.start.train.batch=64",
    "endpoints.start.train.optimizer.lr=0.2",
    "endpoints.start.train.optimizer={name: adam, lr: 0.1, schedule: cosine}",
    "objective.batch=32",
    "objective.weight_decay=0.0",
    "objective.dtype=float64",
    "objective.model.args.norm=true",
    "objective.data=moons",
    "device=cpu",
]


@pytest.mark.parametrize("override", SAME)
def test_what_does_not_decide_a_minimum(override):
    assert start(override).folder == start().folder


def test_what_decides_one():
    folders = [start(override).folder for override in OTHER]
    assert len({*folders, start().folder}) == len(OTHER) + 1


def test_the_batch_of_the_training_stands_over_the_objectives():
    names = {start("endpoints.start.train.batch=64", f"objective.batch={batch}").name for batch in (128, 32, "null")}
    assert len(names) == 1


def test_a_users_modules_and_data_decide(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    own = ["objective.model=net:Net", "objective.data={name: dataset, target: 'net:Set', train_args: {file: a.npy}}"]
    names = []

    def named(folder=tmp_path):
        return start(*own, folder=folder).name

    Path("net.py").write_text("class Net: pass\n")
    names.append(named())
    assert named() == names[0]
    Path("net.py").write_text("class Net: ...\n")
    names.append(named())
    Path("a.npy").touch()  # a file of that name in another folder may hold other data
    names.append(named())
    Path("elsewhere").mkdir()
    names.append(named(tmp_path / "elsewhere"))
    assert len(set(names)) == 4


def test_a_folder_of_pictures_is_known_by_where_it_is(tmp_path, monkeypatch):
    names = []
    for place in ("one", "other"):
        (tmp_path / place / "pictures").mkdir(parents=True)
        monkeypatch.chdir(tmp_path / place)
        names.append(start("objective.data={name: folder, root: pictures}").name)
    assert names[0] != names[1]


def test_what_is_refused():
    with pytest.raises(PathsearchError, match=r"both endpoints are trained from the same seed: set endpoints\.end"):
        start("endpoints.end.train.seed=0")
    network = load("digits", [])[0].objective.model_dump()
    cases = {
        "only a network can be trained from a seed": {"objective": "muller-brown"},
        "it has no endpoints; `pathsearch train`": {"endpoints": {"start": [0.0], "end": [1.0]}},
        "sgd or adam, not lbfgs": {"optimizer": "lbfgs"},
    }
    for said, changes in cases.items():
        with pytest.raises(PathsearchError, match=f"method train: .*{said}"):
            validated({"objective": network, "method": "train", **changes}, "test")
    validated({"objective": network, "method": "train"}, "test")


def test_runs_without_trained_endpoints_need_none():
    assert needed(load("muller-brown", [])[0], Path(), STORE) == {}
    assert isinstance(start().settings.objective, NetworkSettings)
