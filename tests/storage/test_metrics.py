"""Metrics of any name on a part of the data: from a run through its file to what is read, shown and drawn."""

import numpy as np
import pytest
import xarray

from pathsearch import plots, report, storage
from pathsearch.cli import main
from pathsearch.storage.metrics import beside_the_loss, metric
from tests.runs import carried_out

CONFIG = """
objective:
  name: network
  model: {name: mlp, args: {width: 4}}
  data: {name: moons, points: 100}
  metrics: {hits: accuracy, miss: error, margin: "its:margin"}
  batch: 20
endpoints:
  start: {train: {seed: 0, steps: 5}}
  end: {train: {seed: 1, steps: 5}}
optimizer: {name: sgd, lr: 0.1}
steps: 5
device: cpu
measure: {points: 5, plane: 2, examples: 30}
"""
MODULE = """
def margin(model, batch):
    outputs = model(batch[0])
    return (outputs.max(dim=1).values - outputs.min(dim=1).values).sum(), len(outputs)
margin.higher_is_better = True
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    (folder / "config.yaml").write_text(CONFIG)
    (folder / "its.py").write_text(MODULE)
    carried_out(folder / "config.yaml", out=folder / "path")
    return storage.read(folder / "path")


def test_the_file_says_what_its_metrics_are(run):
    names = ("hits", "miss", "margin")
    columns = [f"{split}_{name}" for split in ("train", "test") for name in ("loss", *names)] + ["train_loss_l2"]
    for group in ("path", "linear"):
        assert list(run.groups[f"profiles/{group}"]) == ["t", "arc_length", *columns]
    assert list(run.groups["profiles/plane"]) == ["x", "y", *columns]
    assert beside_the_loss(run) == list(names)
    kinds = {name: metric(run, f"test_{name}") for name in ("loss", *names)}
    assert {name: (kind.higher, kind.share) for name, kind in kinds.items()} == {
        "loss": (False, False),
        "hits": (True, True),
        "miss": (False, True),
        "margin": (True, False),
    }
    with xarray.open_dataset(run.file, group="profiles/path", engine="h5netcdf") as found:
        assert found.test_margin.dims == ("t",)
        np.testing.assert_allclose(found.test_hits, 1 - found.test_miss)


def test_all_that_it_measured_is_shown_and_drawn(run, tmp_path, monkeypatch, capsys):
    shown = report.figures(run)
    assert shown["path"]["test_hits"]["barrier"] == pytest.approx(shown["path"]["test_miss"]["barrier"])
    assert shown["path"]["test_margin"]["higher_is_better"] is True
    assert list(plots.available(run)) == ["profile", "hits", "miss", "margin", "plane", "convergence"]
    arguments = ["plot", str(run.file), "-o", str(tmp_path / "a.png"), "--panel", "margin"]
    monkeypatch.setattr("sys.argv", ["pathsearch", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code, capsys.readouterr().err
    assert (tmp_path / "a.png").exists()


def test_the_part_that_was_measured_is_in_the_file(run):
    assert run.summary["measured"] == {"train": 30, "train_of": 80, "test": 20, "test_of": 20}
    assert report.table(run).caption == "measured on 30 of 80 training and all 20 test examples"
