"""Sweeps: which runs they are, and endpoints that are trained once."""

import pytest

from pathsearch.errors import PathsearchError
from pathsearch.jobs.sweeps import combinations, plan, refuse_equal
from pathsearch.run.config import load
from pathsearch.run.settings import FromRun, Trained


def test_combinations():
    found = combinations(["seed=0:3", "method.name=neb,bezier"])
    assert len(found) == 6
    assert found["seed=2,method.name=bezier"] == ["seed=2", "method.name=bezier"]
    assert list(combinations(["optimizer.lr=0.1"])) == ["optimizer.lr=0.1"]
    assert list(combinations(["endpoints.end=a/b.pt"])) == ["endpoints.end=a-b.pt"]


NONE = ["seed", "seed=", "=1", "seed=3:3", "seed=1,,2", "seed=1,1", "seed=0:99999999", "method={name: neb},linear"]


@pytest.mark.parametrize("sweep", NONE)
def test_what_is_no_sweep(sweep):
    with pytest.raises(PathsearchError, match="--sweep"):
        combinations([sweep])


def test_runs_that_are_the_same_under_two_names():
    with pytest.raises(PathsearchError, match="seed: it is swept twice"):
        combinations(["seed=0:2", "seed=3:5"])
    with pytest.raises(PathsearchError, match=r"optimizer.lr=0.1 and optimizer.lr=1e-1 are the same run"):
        refuse_equal(runs("optimizer.lr=0.1,0.2,1e-1"))


def runs(*sweeps):
    return {name: load("digits", more)[0] for name, more in combinations(list(sweeps)).items()}


def trained(settings):
    return [end.train.seed for end in (settings.endpoints.start, settings.endpoints.end) if isinstance(end, Trained)]


def test_runs_of_the_same_endpoints_share_one_training():
    found = plan(runs("seed=0:4", "method.name=neb,bezier"), "/out")
    assert list(found.trainings) == ["endpoints-0"]
    assert trained(found.trainings["endpoints-0"]) == [0, 1]
    assert found.trainings["endpoints-0"].method.name == "linear"
    assert len(found.paths) == 8
    for settings in found.paths.values():
        assert settings.endpoints.start == FromRun(run="/out/endpoints-0", pivot=0)
        assert settings.endpoints.end == FromRun(run="/out/endpoints-0", pivot=-1)


def test_every_endpoint_is_trained_once_whatever_the_pairs():
    found = plan(runs("endpoints.start.train.seed=0:2", "endpoints.end.train.seed=2:4"), "/out")
    seeds = [seed for settings in found.trainings.values() for seed in trained(settings)]
    assert sorted(seeds) == [0, 1, 2, 3]
    ends = {}
    for name, settings in found.paths.items():
        for side in ("start", "end"):
            end = getattr(settings.endpoints, side)
            seed = int(dict(part.split("=") for part in name.split(","))[f"endpoints.{side}.train.seed"])
            ends.setdefault(seed, set()).add((end.run, end.pivot))
    assert all(len(places) == 1 for places in ends.values())
    for seed, ((run, pivot),) in ((seed, tuple(places)) for seed, places in ends.items()):
        assert trained(found.trainings[run.removeprefix("/out/")])[pivot] == seed


def test_an_odd_endpoint_is_trained_beside_its_own_partner():
    found = plan(runs("endpoints.end.train.seed=1:3"), "/out")  # 0, 1, 2 in all
    assert sorted(map(trained, found.trainings.values())) == [[0, 1], [2, 0]]


def test_other_networks_have_other_endpoints():
    found = plan(runs("objective.weight_decay=0.0,0.001"), "/out")
    assert len(found.trainings) == 2
    assert len({settings.objective.weight_decay for settings in found.trainings.values()}) == 2


def test_nothing_to_train():
    some = {"a": load("muller-brown", [])[0]}
    found = plan(some, "/out")
    assert found.trainings == {}
    assert found.paths == some
