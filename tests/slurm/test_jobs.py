"""The table of jobs where Slurm keeps accounts."""

import json
import subprocess

from pathsearch.jobs import states
from pathsearch.jobs.states import statuses
from tests.commands import pathsearch
from tests.slurm.host import until
from tests.slurm.runs import finished, job, stepped


def test_accounts_tell_of_jobs_that_the_queue_forgot(slurm_with_accounting, tmp_path, monkeypatch):
    own = slurm_with_accounting
    pathsearch("submit", "slow.yaml", "--out", "done", cwd=tmp_path, **own)
    pathsearch("submit", "slow.yaml", "seed=1", "--out", "ended", cwd=tmp_path, NAP="0.3", **own)
    done, ended = tmp_path / "done", tmp_path / "ended"
    stepped(ended)
    # killed with all its tasks: nobody could write down why
    subprocess.run(["scancel", "--signal=KILL", "--full", job(ended)], check=True)
    finished(done)
    until(lambda: statuses([ended])[0].state not in ("RUNNING", "COMPLETING"))
    known = {}
    until(lambda: known.update(states._accounting([job(done), job(ended)])) or len(known) == 2)
    monkeypatch.setattr(states, "_queue", dict)  # Slurm forgets jobs after some minutes
    assert {one.run.name: one.state for one in statuses([done, ended])} == {"done": "COMPLETED", "ended": "CANCELLED"}
    listed = json.loads(pathsearch("jobs", "--json", cwd=tmp_path, **own).stdout)
    assert [one["state"] for one in listed] == ["COMPLETED", "CANCELLED"]
    assert listed[0]["step"] == listed[0]["steps"] == 60
    assert listed[0]["barrier"] > 0
