"""What a refused submission leaves behind: nothing; and what is not submitted since it is finished."""

import json
import os
from pathlib import Path

import pytest

from pathsearch.errors import PathsearchError
from pathsearch.jobs import submission, submit
from pathsearch.jobs.profiles import load as profile
from pathsearch.jobs.records import record
from pathsearch.jobs.undone import as_now
from pathsearch.run import config
from tests.commands import SMALL, fake_slurm, pathsearch
from tests.runs import carried_out

REFUSES = "echo sbatch: error: no such partition >&2; exit 1"
# minima are taken, what waits for them is not
REFUSES_ARRAY = """grep -q dependency "${@: -1}" && { echo sbatch: error: no such partition >&2; exit 1; }
echo Submitted batch job 4711"""
QUICK = ["steps=1", "measure={points: 3, plane: 0}"]
SURFACE = ("two-modes", "measure.points=5", "measure.plane=0")


def held(folder):
    """Everything in a folder, with the text of its files."""
    return {str(file.relative_to(folder)): file.read_bytes() if file.is_file() else None for file in folder.rglob("*")}


def jobs(folder, own):
    return json.loads(pathsearch("jobs", "--json", cwd=folder, **own).stdout)


@pytest.mark.parametrize("sweep", [(), ("--sweep", "seed=0:2"), ("--sweep", "seed=0:1")])
def test_nothing_is_left_where_nothing_was(tmp_path, sweep):
    (tmp_path / "small.yaml").write_text(SMALL)
    own = fake_slurm(tmp_path, REFUSES)
    (tmp_path / "state").mkdir()
    before = held(tmp_path)
    done = pathsearch("submit", "small.yaml", *sweep, "--out", "runs/a", cwd=tmp_path, status=1, **own)
    assert done.stderr == "pathsearch: sbatch: no such partition\n"
    after = held(tmp_path)
    assert {name for name in after.keys() - before.keys() if not name.startswith("state")} == set()
    assert [name for name, text in after.items() if name.startswith("state/") and text is not None] == []
    assert pathsearch("jobs", cwd=tmp_path, **own).stdout.startswith("no runs were submitted yet")


def test_what_was_there_stays(tmp_path):
    """An earlier job's record, script and output, and a stranger's task that waits in the same folder."""
    own = fake_slurm(tmp_path, "echo Submitted batch job 4711")
    pathsearch("submit", "two-modes", "--out", "run", cwd=tmp_path, **own)
    stranger = tmp_path / "run" / "jobs" / f"{'0' * 32}.pkl"
    stranger.write_bytes(b"a task")
    (tmp_path / "bin" / "sbatch").write_text(f"#!/bin/bash\n{REFUSES}\n")
    before = held(tmp_path)
    pathsearch("submit", "two-modes", "--out", "run", "--partition", "no", cwd=tmp_path, status=1, **own)
    pathsearch("resubmit", "run", cwd=tmp_path, status=1, **own)
    after = held(tmp_path)
    # whose script the last one is cannot be told while the stranger waits
    assert {name for name in after.keys() - before.keys() if ".submission_file" not in name} == set()
    assert all(after[name] == text for name, text in before.items())
    stranger.unlink()
    pathsearch("resubmit", "run", cwd=tmp_path, status=1, **own)
    assert held(tmp_path).keys() == before.keys() - {str(stranger.relative_to(tmp_path))}
    assert [one["state"] for one in jobs(tmp_path, own)] == ["LOST"]  # as before


def test_minima_that_were_taken_stay_where_the_paths_are_refused(tmp_path):
    (tmp_path / "small.yaml").write_text(SMALL)
    own = fake_slurm(tmp_path, REFUSES_ARRAY)
    done = pathsearch("submit", "small.yaml", "--sweep", "seed=0:2", "--out", "all", cwd=tmp_path, status=1, **own)
    assert (done.stdout, done.stderr) == ("job 4711: 2 runs in minima\n", "pathsearch: sbatch: no such partition\n")
    assert {Path(one["folder"]).parent.name for one in jobs(tmp_path, own)} == {"minima"}
    assert not (tmp_path / "all").exists()


def test_a_folder_that_cannot_be_used_costs_the_others_nothing(tmp_path, monkeypatch):
    """The second run's record cannot be written: the first one's is taken back."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "all").mkdir()
    (tmp_path / "all" / "seed=1").touch()
    settings, folder = config.load(SURFACE[0], list(SURFACE[1:]))
    asked = submit.Submission("two", settings, folder, tmp_path / "all", "local", profile("local", {}))
    runs = {f"seed={seed}": config.load(SURFACE[0], [*SURFACE[1:], f"seed={seed}"])[0] for seed in (0, 1)}
    with pytest.raises(PathsearchError, match="cannot use"):
        submit.carry_out(asked, submit.swept(asked, runs))
    assert os.listdir(tmp_path / "all") == ["seed=1"]


def test_a_process_that_does_not_start_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    settings, folder = config.load(SURFACE[0], list(SURFACE[1:]))
    asked = submit.Submission("two", settings, folder, tmp_path / "run", "local", profile("local", {}))

    def refuses(*given, **more):
        raise OSError("no more processes")

    monkeypatch.setattr("submitit.local.local.subprocess.Popen", refuses)
    with pytest.raises(PathsearchError, match="could not be started: no more processes"):
        submit.carry_out(asked, submit.single(asked))
    assert not (tmp_path / "run").exists()


def test_a_folder_that_others_use_by_now_stays(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    settings, folder = config.load(SURFACE[0], list(SURFACE[1:]))
    (batch,) = submit.single(
        submit.Submission("two", settings, folder, tmp_path / "all" / "run", "local", profile("local", {}))
    )
    undo = as_now(batch.runs, batch.logs)
    submission.prepare(batch, "local", folder, tmp_path)
    assert record(tmp_path / "all" / "run") is not None
    (tmp_path / "all" / "other").mkdir()
    undo()
    assert os.listdir(tmp_path / "all") == ["other"]


def test_a_finished_run_is_not_submitted_again(tmp_path):
    own = fake_slurm(tmp_path, "echo Submitted batch job 4711")
    carried_out(SURFACE[0], *SURFACE[1:], out=tmp_path / "run")
    before = held(tmp_path)

    def submitted(*more, status=0):
        return pathsearch("submit", *SURFACE, *more, "--out", "run", cwd=tmp_path, status=status, **own)

    assert submitted().stdout == "run is finished: nothing to submit\n"
    assert submitted("--dry-run").stdout == "# run is finished: nothing to submit\n"
    assert submitted("--cluster", "local").stdout == "run is finished: nothing to submit\n"
    assert {**held(tmp_path)} == before
    assert "holds a run with another configuration: seed" in submitted("seed=1", status=1).stderr
    assert submitted("steps=3000").stdout.startswith("run is finished")  # it converged before
    assert "job 4711: run in run\n" in submitted("tolerance=1e-9").stdout


def test_only_the_unfinished_ones_of_a_sweep_are_submitted(tmp_path):
    own = fake_slurm(tmp_path, "echo Submitted batch job 4711")
    carried_out(SURFACE[0], *SURFACE[1:], "seed=0", out=tmp_path / "all" / "seed=0")
    sweep = ("submit", *SURFACE, "--out", "all", "--sweep")
    done = pathsearch(*sweep, "seed=0:3", "--dry-run", cwd=tmp_path, **own)
    assert done.stdout.startswith("# 1 of 3 runs in all are finished: only the others are submitted\n")
    assert [line for line in done.stdout.splitlines() if "run in" in line] == [
        "# run in all/seed=1",
        "# run in all/seed=2",
    ]
    done = pathsearch(*sweep, "seed=0:3", cwd=tmp_path, **own)
    assert done.stdout.splitlines()[:2] == [
        "1 of 3 runs in all are finished: only the others are submitted",
        "job 4711: 2 runs in all",
    ]
    assert {Path(one["folder"]).name for one in jobs(tmp_path, own)} == {"seed=1", "seed=2"}
    done = pathsearch(*sweep, "seed=0:1", cwd=tmp_path, **own)
    assert done.stdout == "1 of 1 runs in all are finished: nothing to submit\n"
