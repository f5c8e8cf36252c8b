"""Which failed runs share a job again, what each waits for, and what is left out."""

from dataclasses import replace
from pathlib import Path

import pytest

from pathsearch.errors import PathsearchError
from pathsearch.jobs.listing import wanted
from pathsearch.jobs.records import Record, prerequisites, sources, submitted
from pathsearch.jobs.resubmit import again, grouped
from pathsearch.jobs.states import Status
from pathsearch.jobs.submit import said


@pytest.fixture
def run(tmp_path):
    def one(name, *needs, state="FAILED", cluster="slurm", logs="../jobs-a", nodes=1):
        ends = [{"run": str(tmp_path / need), "pivot": 0} for need in needs]
        config = {"endpoints": {"start": ends[0], "through": ends[1:-1], "end": ends[-1]}} if ends else {}
        kept = Record(
            cluster,
            config,
            str(tmp_path),
            str(tmp_path),
            0.0,
            profile={"nodes": nodes} if nodes else {},
            job="1",
            logs=logs,
        )
        return Status(tmp_path / name, kept, state, "", None, 0.0, 1)

    return one


def planned(failed, others=()):
    needs = {one.run: prerequisites(one.record) for one in failed}
    groups, refused = grouped({one.run: one for one in failed}, needs, {one.run: one for one in others})
    found = [([one.run.name for one in group.runs], [source.name for source in group.after]) for group in groups]
    return found, refused


def test_a_sweep_is_one_job_after_its_endpoints(run):
    paths = [run(f"seed={k}", "ends") for k in range(3)]
    ends = run("ends", logs="../jobs-endpoints")
    assert planned([*paths, ends]) == ([(["ends"], []), (["seed=0", "seed=1", "seed=2"], ["ends"])], [])
    assert planned(paths, [run("ends", state="COMPLETED")]) == ([(["seed=0", "seed=1", "seed=2"], [])], [])
    assert planned(paths, [run("ends", state="RUNNING")]) == ([(["seed=0", "seed=1", "seed=2"], ["ends"])], [])


def test_minima_come_before_the_paths_between_them(run, tmp_path):
    def path(name, *minima):
        one = run(name, logs="../jobs-paths")
        return replace(one, record=replace(one.record, needs=[str(tmp_path / minimum) for minimum in minima]))

    minima = [run(name, logs="../jobs-minima") for name in ("a", "b")]
    paths = [path("ab", "a", "b"), path("bc", "b", "c")]
    found, refused = planned([*paths, *minima], [run("c", state="RUNNING")])
    assert (found, refused) == ([(["a", "b"], []), (["ab"], ["a", "b"]), (["bc"], ["b", "c"])], [])
    found, refused = planned(paths, [run("a", state="COMPLETED"), run("b", state="COMPLETED"), run("c")])
    assert found == [(["ab"], [])]
    assert f"needs {tmp_path}/c, which is FAILED and not submitted again" in refused[0]


def test_a_run_is_never_in_one_job_with_what_it_waits_for(run):
    chain = [run("c", "b"), run("b", "a"), run("a")]  # of the same logs and profile
    assert planned(chain) == ([(["a"], []), (["b"], ["a"]), (["c"], ["b"])], [])
    circle, refused = planned([run("a", "b"), run("b", "a")])
    assert (circle, len(refused)) == ([], 2)


def test_a_run_waits_for_its_own_endpoints_only(run):
    found, _ = planned([run("one", "x"), run("two", "y"), run("y")], [run("x", state="COMPLETED")])
    assert found == [(["one", "y"], []), (["two"], ["y"])]


def test_other_profiles_are_other_jobs(run):
    assert planned([run("a"), run("b", nodes=2)])[0] == [(["a"], []), (["b"], [])]


def test_what_is_left_out(run, tmp_path):
    found, refused = planned([run("a", "x"), run("b", "a"), run("c")], [run("x", state="CANCELLED")])
    assert found == [(["c"], [])]
    assert f"needs {tmp_path}/x, which is CANCELLED and not submitted again" in refused[0]
    assert f"needs {tmp_path}/a, which is FAILED" in refused[1]
    assert "run its own script again" in planned([run("a", nodes=None)])[1][0]
    with pytest.raises(PathsearchError, match="a: it was not submitted"):
        again([run("a", nodes=None)])


def test_runs_of_this_machine_go_in_order_in_one_process(run):
    local = {"cluster": "local"}
    ends = run("ends", **local)
    assert planned([run("a", "ends", **local), ends]) == ([(["ends", "a"], [])], [])
    for other in (run("a", "ends"), run("a", "ends", **local, logs="jobs")):
        found, refused = planned([other, ends])
        assert found == [(["ends"], [])]
        assert "submit it again when that has ended" in refused[0]


def test_endpoints_are_looked_for_where_the_run_looks(tmp_path):
    for name in ("here/x", "folder/y"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "folder" / "y" / "path.h5").touch()
    config = {"endpoints": {"start": {"run": "x", "pivot": 0}, "end": "y/path.h5"}}
    found = sources(config, tmp_path / "folder", tmp_path / "here")
    assert found == [tmp_path / "here" / "x", tmp_path / "folder" / "y"]
    assert sources({"endpoints": {"start": [0.0], "end": {"train": {"seed": 0}}}}, tmp_path, tmp_path) == []


def test_a_run_named_twice_is_one(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    submitted(tmp_path / "all" / "a", Record("slurm", {}, "", "", 1.0))
    submitted(tmp_path / "all" / "b", Record("slurm", {}, "", "", 1.0))
    assert len(wanted([Path("all/a"), tmp_path / "all" / "a", Path("all")])) == 2
    assert said("7", [Path("all/a"), tmp_path / "all" / "b"]) == "job 7: 2 runs in all"
    assert said("7", [Path("all/a")]) == "job 7: run in all/a"
