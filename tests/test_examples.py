"""The examples in analysis/: each from its configuration to its profile, shortened to a few steps."""

import math
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from pathsearch import report, storage
from pathsearch.objectives.imports import importable
from tests.runs import carried_out

EXAMPLES = Path(__file__).parent.parent / "analysis" / "examples"
FEW = [f"endpoints.{side}.train.steps=3" for side in ("start", "end")]
SHORT = [*FEW, "steps=3", "measure.points=3", "measure.plane=0", "device=cpu"]

pytestmark = pytest.mark.usefixtures("blank")


@pytest.fixture
def example(tmp_path, monkeypatch):
    """An example's module, by name; files that it makes come to lie in the test's own working folder."""
    monkeypatch.chdir(tmp_path)

    def module(name):
        with importable(EXAMPLES):
            found = __import__(name)
        assert Path(found.__file__).parent == EXAMPLES
        return found

    yield module
    for name in {file.stem for file in EXAMPLES.glob("*.py")}:
        sys.modules.pop(name, None)


def short(name, *overrides, out="run"):
    return carried_out(EXAMPLES / f"{name}.yaml", *SHORT, *overrides, out=out)


def assert_measured(run, *metrics):
    """The ends' losses are finite, and `show` has every metric of path and line."""
    said = report.figures(run)
    for where in ("path", "linear"):
        for name in (f"{split}_{metric}" for split in ("train", "test") for metric in ("loss", *metrics)):
            assert all(np.isfinite(said[where][name][end]) for end in ("start", "end", "max")), f"{where}: {name}"
    assert run.state == "finished"


CYCLES = "method.cycles=[{insert: {rule: equal, count: 1}, steps: 2}, {insert: {rule: highest, count: 1}, steps: 2}]"


@pytest.mark.parametrize(("name", "changes"), [("gpt-bezier", []), ("gpt-autoneb", [CYCLES])])
def test_gpt(example, monkeypatch, tmp_path, name, changes):
    gpt = example("gpt")
    monkeypatch.setattr(gpt, "DATA", tmp_path / "data")
    gpt.prepare(files=3)
    run = short(name, "measure.examples=8", "objective.batch=4", "objective.model.args={width: 8, depth: 1}", *changes)
    assert_measured(run, "perplexity")
    for profile in run.under("profiles").values():
        for split in ("train", "test"):
            loss = profile[f"{split}_loss"]
            assert loss == pytest.approx(math.log(256), abs=0.5)
            np.testing.assert_allclose(profile[f"{split}_perplexity"], np.exp(loss), rtol=1e-6)
    names = run.groups["parameters"]["name"].tolist()
    assert "tokens.weight" in names
    assert "head.weight" not in names  # it is the same tensor


def test_vit(example):
    example("vit")
    run = short("vit")
    assert_measured(run, "error", "accuracy")
    for profile in run.under("profiles").values():
        np.testing.assert_allclose(profile["test_error"] + profile["test_accuracy"], 1, atol=1e-12)


def test_two_tower(example):
    example("two_tower")
    chance = {}
    for chunk in (128, 32):
        run = short("two_tower", f"measure.chunk={chunk}", "steps=0", out=f"run-{chunk}")
        assert_measured(run, "found")
        chance[chunk] = run.groups["profiles/path"]["train_loss"][0]
    # a pair among fewer is told apart more easily: what lies together in a chunk is part of this loss
    assert chance[32] < chance[128] - 0.5


def test_graph(example):
    graph = example("graph")
    found = []
    for chunk in (40, 7):
        counts = ["objective.data.train_args.count=40", "objective.data.test_args.count=20"]
        run = short("graph", *counts, "objective.batch=8", f"measure.chunk={chunk}", out=f"run-{chunk}")
        assert_measured(run, "error")
        found.append(run.groups["profiles/path"])
    # chunks of 7 graphs, and a last one of 5, have other numbers of nodes, and count by their graphs
    for name, values in found[0].items():
        np.testing.assert_allclose(found[1][name], values, rtol=1e-5, atol=1e-6, err_msg=name)
    model, weights = graph.Gnn(), torch.from_numpy(storage.read_vectors("run-7")[0][0])
    torch.nn.utils.vector_to_parameters(weights.float(), model.parameters())
    *whole, labels = graph.collate(graph.graphs(40, 0))
    loss = F.cross_entropy(model(*whole, 40), labels)
    assert found[0]["train_loss"][0] == pytest.approx(float(loss.detach()), rel=1e-5)


def test_lora(example, monkeypatch, tmp_path):
    lora = example("lora")
    monkeypatch.setattr(lora, "BASE", tmp_path / "data" / "base.pt")
    lora.prepare(steps=3)
    run = short("lora")
    assert_measured(run, "error")
    names = run.groups["parameters"]["name"].tolist()
    assert names == [f"{layer}.lora_{which}" for layer in (1, 3, 5) for which in "ab"]
    assert run.shape == (3, 4 * (64 + 256 + 256 + 256 + 256 + 10))
    # the file has the three points, the momentum of one and what describes the run, less than the base takes
    assert run.file.stat().st_size < lora.BASE.stat().st_size


def test_each_example_is_short_and_in_the_table():
    table = (EXAMPLES / "README.md").read_text("utf-8")
    files = sorted(EXAMPLES.glob("*.py"))
    assert len(files) == 5
    for file in files:
        lines = file.read_text("utf-8").splitlines()
        assert 30 <= len(lines) <= 60, f"{file.name}: {len(lines)} lines"
    assert set(re.findall(r"pathsearch run ([\w.-]+)", table)) == {file.name for file in EXAMPLES.glob("*.yaml")}
