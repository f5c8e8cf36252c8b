"""The table of barriers by precision and by micro-batches."""

import pytest

from pathsearch.cost import precisions
from pathsearch.cost.precisions import Barriers, barriers, cifar, digits, row

WAYS = {"float32": ("float32", None), "bfloat16": ("bfloat16", None), "micro-batches": ("float32", 32)}


def test_every_way_runs_every_pair_from_its_own_minima(tmp_path, monkeypatch):
    folders = []

    def run(asked, folder, watcher, stop):
        folders.append(folder)
        return asked.settings

    def figures(settings):
        ends = settings.endpoints
        asked = (
            settings.objective.precision,
            settings.objective.micro_batch,
            ends.start.train.seed,
            ends.end.train.seed,
        )
        return {"linear": {"train_loss": {"barrier": ("line", *asked)}}, "path": {"train_loss": {"barrier": asked}}}

    monkeypatch.setattr(precisions.whole, "run", run)
    monkeypatch.setattr(precisions, "figures", figures)
    found = dict(barriers(digits(), tmp_path))
    asked = {name: [(*way, *seeds) for seeds in ((0, 1), (2, 3), (4, 5))] for name, way in WAYS.items()}
    assert {name: each.path for name, each in found.items()} == asked
    assert {name: each.line for name, each in found.items()} == {
        name: [("line", *each) for each in several] for name, several in asked.items()
    }
    assert len(set(folders)) == 9


@pytest.mark.parametrize(("path", "within"), [([2.0, 3.4], "yes"), ([2.0, 4.9], "no")])
def test_a_path_is_within_the_spread_of_float32s(path, within):
    said = row("bfloat16", Barriers([1.0, 3.0], path), Barriers([1.0, 1.0], [1.0, 3.0])).split()
    assert said[1:4] == ["2", "±", "1.4"]
    assert said[7] == within


def test_pictures_are_read_from_the_folder_that_is_named(tmp_path):
    asked = precisions._asked(cifar(tmp_path), precisions.WAYS["micro-batches"], (2, 3)).settings
    assert asked.objective.data.root == str(tmp_path)
    assert (asked.objective.micro_batch, asked.measure.examples) == (16, 500)
