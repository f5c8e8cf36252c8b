"""Running the program as a user does: a process of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

ENVIRONMENT = {
    **os.environ,
    "PYTHONWARNINGS": "error::DeprecationWarning:pathsearch",
    "COLUMNS": "100",
    "OMP_NUM_THREADS": "1",  # the workers of pytest-xdist share the cores
}


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "pathsearch", *map(str, arguments)]


def pathsearch(*arguments: object, cwd: Path, status: int = 0, **more: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end and expect its exit status; no traceback ever. more: environment variables."""
    environment = {**ENVIRONMENT, **more}
    done = subprocess.run(command(*arguments), cwd=cwd, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == status, done.stderr + done.stdout
    assert "Traceback" not in done.stderr
    return done


def shown(folder: Path) -> dict:
    return json.loads(pathsearch("show", folder, "--json", cwd=folder).stdout)


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
