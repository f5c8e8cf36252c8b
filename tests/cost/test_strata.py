"""One t a mini-batch or several, with equal gradients."""

import pytest

from pathsearch.cost import strata
from pathsearch.cost.strata import GRADIENTS, SAMPLES, averages, enough, rows


def test_every_pair_is_joined_with_so_many_gradients(tmp_path, monkeypatch):
    folders = []

    def run(asked, folder, watcher, stop):
        folders.append(folder)
        return asked.settings

    def figures(settings):
        ends = settings.endpoints
        gradients = settings.method.samples * settings.steps
        return {"path": {strata.LEAST: {"mean": 1e4 * gradients + 10 * ends.start.train.seed + ends.end.train.seed}}}

    monkeypatch.setattr(strata.whole, "run", run)
    monkeypatch.setattr(strata, "figures", figures)
    found = dict(rows(tmp_path))
    assert list(found) == list(SAMPLES)
    assert found[8] == [[1e4 * gradients + pair for pair in (1, 23, 45)] for gradients in GRADIENTS]
    assert len(set(folders)) == len(SAMPLES) * len(GRADIENTS) * 3
    assert averages(tmp_path, 2, 480)[1] == 1e4 * 480 + 23


@pytest.mark.parametrize(("wanted", "reached"), [(0.31, 960), (1.0, 240), (0.01, None)])
def test_the_fewest_gradients_that_reach_an_average(wanted, reached):
    found = [[0.8, 1.0], [0.4, 0.6], [0.2, 0.4], [0.2, 0.2], [0.1, 0.1]]
    assert enough(found, wanted) == reached
