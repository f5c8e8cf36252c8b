"""A real Slurm for the tests of this folder, and a look after each of them for what it left behind."""

import os
import time
from pathlib import Path

import psutil
import pytest

from tests.slurm import host

SLOW = """
objective: {name: callable, target: "slow:loss", dtype: float64}
endpoints: {start: [-1.0, 0.0], end: [1.0, 0.0]}
method: {name: neb, images: 3, spring: 5}
optimizer: {name: sgd, lr: 0.01}
tolerance: null
steps: 60
measure: {points: 9, plane: 0}
checkpoint: {steps: 1}
"""
LOSS = """
import os, time

HURRY = os.path.join(os.path.dirname(__file__), "hurry")  # a test makes this file when it has seen enough of naps

def loss(w):
    if not os.path.exists(HURRY):
        time.sleep(float(os.environ.get("NAP", "0")))
    return (w @ w - 1) ** 2 + 0.1 * w[1] + 0.3 * w[1] ** 2
"""


@pytest.fixture(scope="session")
def slurm_host(tmp_path_factory):
    if lacking := host.missing():
        pytest.skip(f"no Slurm of our own can be started: there is no {', '.join(lacking)}")
    with host.slurm(tmp_path_factory.mktemp("slurm")) as environment:
        yield environment


@pytest.fixture
def slurm(slurm_host, tmp_path, monkeypatch):
    """The environment of commands; this process's own has it too."""
    yield from _tidy(slurm_host, tmp_path, monkeypatch)


@pytest.fixture
def slurm_with_accounting(tmp_path_factory, tmp_path, monkeypatch):
    if lacking := host.missing(accounting=True):
        pytest.skip(f"no Slurm with accounting can be started: there is no {', '.join(lacking)}")
    with host.slurm(tmp_path_factory.mktemp("accounting"), accounting=True) as environment:
        yield from _tidy(environment, tmp_path, monkeypatch)


def _tidy(environment, tmp_path, monkeypatch):
    own = {"XDG_STATE_HOME": str(tmp_path / "state")}
    own |= {name: environment[name] for name in ("SLURM_CONF", "PATH")}
    for name, value in own.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "slow.py").write_text(LOSS)
    (tmp_path / "slow.yaml").write_text(SLOW)
    yield own
    host.said(["scancel", "-u", "root"], environment)
    deadline = time.monotonic() + 20
    while (left := _left(environment)) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not left, "left behind: " + "; ".join(left)


def _left(environment):
    """Processes of jobs of this Slurm, and folders of theirs."""
    conf, first = environment["SLURM_CONF"], host.first_job(environment)
    found = [str(folder) for job in range(first, first + 1000) for folder in Path("/tmp").glob(f"ps{job}[-_]*")]
    for process in psutil.process_iter(["environ", "cmdline"]):  # what may not be read is None
        variables = process.info["environ"] or {}
        if variables.get("SLURM_CONF") == conf and "SLURM_JOB_ID" in variables:
            found.append(" ".join(process.info["cmdline"] or [])[:150])
    return [one for one in found if one and str(os.getpid()) not in one]
