"""Sweeps: which runs they are."""

import pytest

from pathsearch.errors import PathsearchError
from pathsearch.jobs.sweeps import combinations, refuse_equal
from pathsearch.run.config import load


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
