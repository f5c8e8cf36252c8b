"""`--cluster local`: the same jobs as processes of this machine, and commands where there is no SLURM."""

import json
import os
import signal
import sys
from pathlib import Path

import numpy as np
import pytest

from pathsearch import storage
from pathsearch.jobs.records import log, record
from pathsearch.jobs.states import statuses
from pathsearch.storage.glance import glance
from tests.commands import SMALL, pathsearch
from tests.slurm.conftest import LOSS, SLOW
from tests.slurm.host import until


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder to work in, and the environment of commands, in which there is no SLURM."""
    only = tmp_path / "bin"
    only.mkdir()
    (only / "python3").symlink_to(sys.executable)
    own = {"XDG_STATE_HOME": str(tmp_path / "state"), "PATH": f"{only}:/bin"}
    if (Path("/bin") / "sbatch").exists():
        own["PATH"] = str(only)
    monkeypatch.setenv("XDG_STATE_HOME", own["XDG_STATE_HOME"])
    for name, text in {"small.yaml": SMALL, "slow.yaml": SLOW, "slow.py": LOSS}.items():
        (tmp_path / name).write_text(text)
    return tmp_path, own


def state(run):
    return statuses([run])[0].state


def test_a_sweep_is_run_one_after_another(here):
    folder, own = here
    arguments = ("submit", "small.yaml", "--sweep", "seed=0:2", "--cluster", "local", "--out", "all")
    done = pathsearch(*arguments, cwd=folder, **own)
    assert "4 runs in ." in done.stdout
    assert done.stderr == ""
    minima = sorted(run.parent for run in (folder / "minima").glob("*/job.json"))
    assert [run.name.rpartition("-")[0] for run in minima] == ["mlp-digits-seed0", "mlp-digits-seed1"]
    runs = [folder / "all" / name for name in ("seed=0", "seed=1")]
    (waiting,) = statuses(runs[1:])
    assert waiting.state != "PENDING" or {*waiting.waits_for} <= {*minima}
    until(lambda: {state(run) for run in [*minima, *runs]} == {"COMPLETED"}, lambda: str(statuses(minima + runs)))
    ends = [storage.read_vectors(run)[0][0] for run in minima]
    for run in runs:
        np.testing.assert_array_equal(storage.read_vectors(run)[0][[0, -1]], ends)
    listed = json.loads(pathsearch("jobs", "--json", cwd=folder, **own).stdout)
    assert [(one["state"], one["step"], one["barrier"] is None) for one in listed] == [
        *[("COMPLETED", 150, False)] * 2,
        *[("COMPLETED", 150, True)] * 2,  # a minimum stands out from nothing
    ]
    assert {Path(one["folder"]) for one in listed if one["barrier"] is None and one["loss"] > 0} == {*minima}
    rows = [line.split() for line in pathsearch("jobs", cwd=folder, **own).stdout.splitlines() if "minima/" in line]
    assert [row[6] for row in rows] == ["–"] * 2
    until(lambda: "kept in" in own_log(runs[1]))  # it draws its picture
    for name in ("seed=0", "seed=1"):
        said = pathsearch("logs", f"all/{name}", cwd=folder, **own).stdout
        assert [line for line in said.splitlines() if line.startswith("kept in")] == [
            f"kept in {folder}/all/{name}/path.h5, drawn in {folder}/all/{name}/path.png"
        ]


def test_one_run_of_a_sweep_is_cancelled_and_the_others_go_on(here):
    folder, own = here
    sweep = ("--sweep", "seed=0:4", "--cluster", "local", "--out", "all")
    pathsearch("submit", "slow.yaml", *sweep, cwd=folder, NAP="0.05", **own)
    runs = [folder / "all" / f"seed={seed}" for seed in range(4)]
    stepped(runs[0])
    assert [state(run) for run in runs] == ["RUNNING", "PENDING", "PENDING", "PENDING"]
    waits = pathsearch("logs", runs[1], cwd=folder, status=1, **own)
    assert (waits.stdout, "seed=1: nothing is printed yet, it waits (PENDING)" in waits.stderr) == ("", True)
    assert "will not begin" in pathsearch("cancel", runs[2], cwd=folder, **own).stdout
    assert [state(run) for run in runs] == ["RUNNING", "PENDING", "CANCELLED", "PENDING"]
    assert "is asked to end" in pathsearch("cancel", runs[0], cwd=folder, **own).stdout
    stepped(runs[1])
    assert [state(run) for run in runs] == ["CANCELLED", "RUNNING", "CANCELLED", "PENDING"]
    assert "stopped by `pathsearch cancel` at step" in own_log(runs[0])
    assert not runs[2].joinpath("path.h5").exists()
    (folder / "hurry").touch()
    until(lambda: [state(run) for run in runs[1:]] == ["COMPLETED", "CANCELLED", "COMPLETED"], lambda: str(runs))
    assert "cancelled before it began" in next((folder / "all").glob("jobs-slow/*_0_log.out")).read_text()
    said = pathsearch("resubmit", "--failed", cwd=folder, status=1, **own).stderr
    assert "all/seed=0 and 1 more, CANCELLED: name what is to go again" in said


def own_log(run):
    try:
        return log(run, record(run)).read_text()
    except OSError:
        return ""


def stepped(run, moves=2):
    until(lambda: state(run) == "RUNNING" and (seen := glance(run)) is not None and seen.moves >= moves)


def test_cancel_and_again(here):
    folder, own = here
    pathsearch("submit", "slow.yaml", "--cluster", "local", "--out", "run", cwd=folder, NAP="0.05", **own)
    run = folder / "run"
    stepped(run)
    # its supervisor gone, the run goes on, and can be ended
    os.kill(int(statuses([run])[0].record.job), signal.SIGKILL)
    assert state(run) == "RUNNING"
    assert "is asked to end" in pathsearch("cancel", "run", cwd=folder, **own).stdout
    until(lambda: state(run) == "CANCELLED", lambda: str(statuses([run])))
    pathsearch("resubmit", "run", cwd=folder, **own)
    until(lambda: state(run) == "COMPLETED", lambda: str(statuses([run])))
    assert statuses([run])[0].attempts == 2


def test_where_there_is_no_slurm(here):
    folder, own = here

    def said(*arguments, status=1):
        (line,) = pathsearch(*arguments, cwd=folder, status=status, **own).stderr.splitlines()
        return line

    line = said("submit", "slow.yaml", "--out", "run")
    assert "no SLURM here (looked for sbatch, srun, squeue, scontrol in $PATH)" in line
    assert "--cluster local" in line
    assert not (folder / "run").exists()
    for name in ("sbatch", "srun", "squeue", "scontrol"):
        (folder / "bin" / name).touch(0o700)
    own["SLURM_CONF"] = "/no/slurm.conf"
    assert "$SLURM_CONF names /no/slurm.conf, which is no file" in said("submit", "slow.yaml", "--out", "run")
    assert "local has one node" in said("submit", "slow.yaml", "--cluster", "local", "--nodes", 2, "--out", "run")
    assert "no cluster profile 'nowhere'" in said("submit", "slow.yaml", "--cluster", "nowhere")
    assert "was not submitted" in said("logs", "slow.yaml")
    assert "was not submitted" in said("cancel", ".")
    assert "stepz: no such option" in said("submit", "slow.yaml", "stepz=3")
    assert "cannot use" in said("submit", "slow.yaml", "--cluster", "local", "--out", "slow.yaml")
    assert "no runs were submitted yet" in pathsearch("jobs", cwd=folder, **own).stdout


def test_a_dry_run_submits_nothing(here):
    folder, own = here
    arguments = ("submit", "small.yaml", "--gpus-per-node", 2, "--nodes", 2, "--time", 90, "--sweep", "seed=0:2")
    done = pathsearch(*arguments, "--out", "all", "--dry-run", cwd=folder, **own)
    assert done.stdout.count("#!/bin/bash") == 2
    assert "--array=0-1%2" in done.stdout
    assert "# run in all/seed=1" in done.stdout
    # one GPU for each of the two minima, two nodes of two for each path, an hour and a half each
    assert f"asked for: at most {1.5 * (2 + 2 * 4):g} GPU-hours an attempt" in done.stdout
    assert "floating-point operations" in done.stdout
    assert not (folder / "all").exists()
