"""Running the program as a user does: a process of its own.

`pathsearch` and `started` fork it from a server that has imported torch: what that takes, two seconds a time on each of
hundreds of processes, is the same in every test. So is what a picture takes, which is left empty unless `drawn` is
asked for. `command` is for tests that want all of it, start-up included.
"""

import atexit
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import nullcontext
from multiprocessing.forkserver import ensure_running
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from matplotlib.figure import Figure

STATE = tempfile.TemporaryDirectory()  # what a test submits is not to be listed among the user's own runs
os.environ["XDG_STATE_HOME"] = STATE.name
ENVIRONMENT = {
    **os.environ,
    "PYTHONWARNINGS": "error::DeprecationWarning:pathsearch",
    "COLUMNS": "100",
    "OMP_NUM_THREADS": "1",  # the workers of pytest-xdist share the cores
}
SERVER = multiprocessing.get_context("forkserver")
COMMANDS = [
    "pathsearch.cli",
    "pathsearch.run.whole",
    "pathsearch.run.finish",
    "pathsearch.plots",
    "pathsearch.jobs.resubmit",
    "pathsearch.cost.estimate",
    "pathsearch.holders.serial",
    "pathsearch.report_landscape",
]
SERVER.set_forkserver_preload([*COMMANDS, "sklearn.datasets"])
STARTED: list[Any] = []  # by the test that is under way


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "pathsearch", *map(str, arguments)]


def pathsearch(
    *arguments: object, cwd: Path, status: int = 0, drawn: bool = False, **more: str
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end and expect its exit status; no traceback ever. more: environment variables."""
    with tempfile.TemporaryDirectory() as folder:
        out, err = Path(folder, "out"), Path(folder, "err")
        process = started(*arguments, cwd=cwd, environment={**ENVIRONMENT, **more}, out=out, err=err, drawn=drawn)
        process.join(300)
        if process.is_alive():
            process.kill()
        said = out.read_text(), err.read_text()
    assert process.exitcode == status, said[1] + said[0]
    assert "Traceback" not in said[1]
    return subprocess.CompletedProcess(list(arguments), process.exitcode, *said)


def started(
    *arguments: object,
    cwd: Path,
    environment: Mapping[str, str] = ENVIRONMENT,
    out: Path = Path(os.devnull),
    err: Path = Path(os.devnull),
    drawn: bool = False,
) -> Any:
    """A process of the program, under way."""
    with patch.dict(os.environ, ENVIRONMENT):
        ensure_running()
    process = SERVER.Process(target=_run, args=([*map(str, arguments)], cwd, dict(environment), out, err, drawn))
    process.start()
    STARTED.append(process)
    return process


def _run(arguments: list[str], cwd: Path, environment: dict[str, str], out: Path, err: Path, drawn: bool) -> None:
    from pathsearch.cli import main

    for number, file in ((1, out), (2, err)):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["pathsearch", *arguments]
    try:
        with nullcontext() if drawn else patch("pathsearch.plots.figure.picture", blank):
            main()
    finally:
        atexit._run_exitfuncs()  # a forked process leaves without


def blank(run: object, names: object) -> Figure:
    """An empty picture, for tests of what becomes of one."""
    return Figure(figsize=(1, 1))


def refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """What a command says in its one line when it refuses, carried out in this process."""
    from pathsearch.cli import main

    monkeypatch.setattr("sys.argv", ["pathsearch", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr().err
    assert ended.value.code
    assert said.count("\n") == 1
    return said


def shown(folder: Path) -> dict:
    return json.loads(pathsearch("show", folder, "--json", cwd=folder).stdout)


def fake_slurm(folder: Path, sbatch: str) -> dict[str, str]:
    """Commands of a SLURM that knows of no job, made below `folder`; sbatch: what that one does, in Bash.

    Returns the environment in which they are found.
    """
    (folder / "bin").mkdir()
    for name in ("sbatch", "srun", "squeue", "scontrol", "sacct", "scancel"):
        file = folder / "bin" / name
        file.write_text(f"#!/bin/bash\n{sbatch if name == 'sbatch' else 'exit 0'}\n")
        file.chmod(0o755)
    path = f"{folder / 'bin'}:{os.environ['PATH']}"
    return {"PATH": path, "XDG_STATE_HOME": str(folder / "state"), "SLURM_CONF": "/etc/hosts"}


# a network run of seconds: both endpoints trained, a curve, measured
SMALL = """
objective:
  name: network
  model: {name: mlp, args: {width: 16, depth: 1}}
  data: digits
  batch: 50
  weight_decay: 1.0e-4
endpoints:
  start: {train: {seed: 0, steps: 150}}
  end: {train: {seed: 1, steps: 150}}
method: {name: neb, images: 3}
optimizer: {name: sgd, lr: 0.05}
steps: 150
measure: {points: 9, plane: 5}
checkpoint: {steps: 20}
"""
