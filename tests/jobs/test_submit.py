"""From a sweep to jobs: minima first, each once, then the paths that wait for them."""

import pytest

from pathsearch.jobs import submit
from pathsearch.jobs.profiles import load as profile
from pathsearch.jobs.records import prerequisites, record
from pathsearch.jobs.submission import prepare
from pathsearch.jobs.sweeps import combinations
from pathsearch.run import config, minima, whole
from pathsearch.run.settings import Asked
from pathsearch.run.stop import Stop
from tests.commands import SMALL
from tests.conftest import Silent

QUICK = ["endpoints.start.train.steps=2", "endpoints.end.train.steps=2", "steps=1", "measure={points: 3, plane: 0}"]


@pytest.fixture
def swept(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.yaml").write_text(SMALL)

    def swept(*sweeps, store=None):
        runs = {name: config.load("small.yaml", QUICK + more)[0] for name, more in combinations(list(sweeps)).items()}
        settings, folder = config.load("small.yaml", QUICK)
        asked = profile("local", {"gpus_per_node": 4})
        return submit.swept(submit.Submission("small", settings, folder, tmp_path / "all", "local", asked, store), runs)

    return swept


def seeds(batch):
    return sorted(settings.method.seed for settings in batch.runs.values())


def test_runs_of_the_same_endpoints_share_their_minima(swept, tmp_path):
    first, then = swept("seed=0:4", "method.name=neb,bezier")
    assert (first.name, seeds(first), first.profile.nodes, first.profile.gpus_per_node) == ("minima", [0, 1], 1, 1)
    assert {folder.parent for folder in first.runs} == {tmp_path / "minima"}
    assert len(then.runs) == 8
    assert all(set(then.needs[run]) == set(first.runs) for run in then.runs)
    assert then.profile.gpus_per_node == 4


def test_every_minimum_is_trained_once_whatever_the_pairs(swept):
    first, then = swept("endpoints.start.train.seed=0:2", "endpoints.end.train.seed=2:4")
    assert seeds(first) == [0, 1, 2, 3]
    for run, settings in then.runs.items():
        ends = {settings.endpoints.start.train.seed, settings.endpoints.end.train.seed}
        assert {first.runs[need].method.seed for need in then.needs[run]} == ends


def test_other_networks_have_other_minima(swept):
    first, _ = swept("objective.weight_decay=0.0,0.001")
    assert len(first.runs) == 4
    assert {settings.objective.weight_decay for settings in first.runs.values()} == {0.0, 0.001}


def test_what_is_there_is_not_trained_again(swept, tmp_path):
    store = tmp_path / "shared"
    first, _ = swept("seed=0:2", store=store)
    for folder, settings in list(first.runs.items())[:1]:
        whole.run(Asked(settings, tmp_path), folder, Silent(), Stop())
    second, then = swept("seed=0:2", store=store)
    assert seeds(second) == [1]
    assert all(list(needs) == list(second.runs) for needs in then.needs.values())


def test_a_run_that_has_begun_needs_none(swept, tmp_path):
    _, then = swept("seed=0:2")
    run, settings = next(iter(then.runs.items()))
    whole.run(Asked(settings, tmp_path, store=tmp_path / "minima"), run, Silent(), Stop())
    (again,) = swept("seed=0:2")
    assert run not in again.needs
    assert [len(needs) for needs in again.needs.values()] == [0]  # the minima are there now


def test_records_say_where_minima_are_and_what_a_run_waits_for(swept, tmp_path):
    first, then = swept("seed=0:1", store=tmp_path / "shared")
    prepare(then, "local", tmp_path, tmp_path)
    (run,) = then.runs
    kept = record(run)
    assert kept.minima == str(tmp_path / "shared")
    assert set(prerequisites(kept)) == set(first.runs)
    prepare(first, "local", tmp_path, tmp_path)
    assert {record(folder).config["method"]["name"] for folder in first.runs} == {"train"}


def test_the_store_lies_beside_the_sweep(swept, tmp_path):
    _, then = swept("seed=0:1")
    assert minima.beside(tmp_path / "all") == tmp_path / "minima"
    prepare(then, "local", tmp_path, tmp_path)
    (run,) = then.runs
    assert record(run).minima == str(tmp_path / "minima")  # not below the sweep, where the run lies
