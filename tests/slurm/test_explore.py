"""An exploration whose rounds are arrays of jobs, and whose waiting process dies meanwhile."""

import numpy as np

from pathsearch.jobs.states import statuses
from pathsearch.storage import landscape
from tests.commands import ENVIRONMENT, SMALL, pathsearch, started
from tests.slurm.host import until
from tests.slurm.runs import stepped

FEW = (
    "steps=600",
    "measure.points=3",
    "measure.plane=0",
    "endpoints.start.train.steps=40",
    "--minima",
    3,
    "--pairs",
    "star",
)
PROFILE = "{partition: debug, gpus_per_node: 0, cpus_per_node: 1, time: 10}"


def written(folder):
    """A configuration and a profile; the command that explores by jobs."""
    (folder / "small.yaml").write_text(SMALL)
    (folder / "profile.yaml").write_text(PROFILE)
    return ("explore", "small.yaml", *FEW, "--out", "jobs", "--store", "minima", "--cluster", "profile.yaml")


def test_rounds_of_jobs_go_on_without_the_process_that_waits(slurm, tmp_path):
    here = written(tmp_path)
    said = tmp_path / "said"
    said.touch()
    process = started(*here, cwd=tmp_path, environment={**ENVIRONMENT, **slurm}, err=said)
    paths = tmp_path / "jobs" / "paths"
    until(lambda: not process.is_alive() or len(list(paths.glob("*/job.json"))) == 2, said.read_text)
    run = next(paths.glob("seed*"))
    stepped(run)
    process.kill()
    process.join()
    again = started(*here, cwd=tmp_path, environment={**ENVIRONMENT, **slurm}, err=said)
    until(lambda: not again.is_alive() or "waits for jobs of before" in said.read_text(), said.read_text)
    again.join(300)
    assert again.exitcode == 0, said.read_text()
    minima = sorted((tmp_path / "minima").glob("mlp-*"))
    runs = sorted(paths.glob("seed*"))
    assert (len(minima), len(runs)) == (3, 2)
    for one in statuses([*minima, *runs]):
        assert (one.state, one.attempts) == ("COMPLETED", 1)
    pathsearch("explore", "small.yaml", *FEW, "--out", "alone", "--store", "own", cwd=tmp_path)
    ours, wanted = (landscape.read(tmp_path / name) for name in ("jobs", "alone"))
    np.testing.assert_array_equal(ours.saddles, wanted.saddles)
    assert (ours.names, ours.paths) == (wanted.names, wanted.paths)


def test_a_stop_leaves_the_jobs_and_what_fails_is_said(slurm, tmp_path):
    here = written(tmp_path)
    said = tmp_path / "said"
    said.touch()
    process = started(*here, cwd=tmp_path, environment={**ENVIRONMENT, **slurm}, err=said)
    until(lambda: not process.is_alive() or "job " in said.read_text(), said.read_text)
    process.terminate()
    process.join(300)
    assert process.exitcode == 130, said.read_text()
    assert "the jobs go on: run the same command again" in said.read_text().splitlines()[-1]
    assert statuses(sorted((tmp_path / "minima").glob("mlp-*")))
    line = pathsearch(*here[:-1], "local", cwd=tmp_path, status=1).stderr.splitlines()[-1]
    assert "--cluster local: this machine explores without it" in line
