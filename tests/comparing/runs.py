"""Runs as `pathsearch compare` reads them, made of one that is kept."""

import dataclasses
from pathlib import Path

import numpy as np

from tests.runs import another

OLD = Path(__file__).parent.parent / "data" / "version-1"
T = np.array([0.0, 0.5, 1.0])
BEZIER = {"name": "bezier", "bends": 1, "samples": None}


def having(run, name="a", path=(1.0, 5.0, 3.0), error=(0.1, 0.3, 0.2), arc=(0.0, 3.0, 4.0), **options):
    """A run with another file's name, another profile, and other options, see `another`."""
    along = {"t": T, "arc_length": np.array(arc), "train_loss": np.array(path), "test_error": np.array(error)}
    groups, summary = {**run.groups, "profiles/path": along}, {**run.summary, "chord": 2.0}
    return dataclasses.replace(another(run, f"/runs/{name}", **options), groups=groups, summary=summary)


def named(*runs):
    return {run.file.parent.name: run for run in runs}
