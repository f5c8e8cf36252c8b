"""The papers' configurations from their beginning to a table, two steps each, on a few random pictures."""

import math

import pytest

from pathsearch import report
from tests.runs import carried_out

SMALL = [
    "objective.data={name: random, examples: 5}",
    "objective.batch=2",
    *(f"endpoints.{side}.train.{key}=2" for side in ("start", "end") for key in ("steps", "batch")),
    "steps=2",
    "measure={points: 3, plane: 0, tolerance: 100, chunk: 8}",
    "device=cpu",
]
CYCLES = "method.cycles=[{steps: 1, insert: {rule: equal, count: 1}}, {insert: {rule: highest, count: 1}}]"
LITTLE = "objective.data.shape=[3,4,4]"  # pictures: the networks are what they are
RUNS = {
    "cifar100-preresnet164-bezier": ["objective.data.classes=100", LITTLE],
    "cifar10-densenet40-12": [CYCLES, LITTLE],
    "cifar10-vgg16-polygon-short": [],
    "cifar10-wrn28-10-polygon": [LITTLE],
}
PARAMETERS = (1_726_388, 1_059_298, 15_245_130, 36_489_290)


@pytest.mark.parametrize(("name", "parameters"), list(zip(RUNS, PARAMETERS)))
def test_a_row_runs_to_its_table(name, parameters, tmp_path):
    found = carried_out(name, *SMALL, *RUNS[name], out=tmp_path / "run")
    said = report.figures(found)
    assert said["parameters"] == parameters
    assert said["step"] == 2
    for where in ("path", "linear"):
        for metric in ("train_loss", "train_loss_l2", "test_error"):
            assert all(math.isfinite(said[where][metric][key]) for key in ("start", "end", "max"))
