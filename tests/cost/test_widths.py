"""The table of barriers by width."""

import numpy as np

from pathsearch.cost import widths
from pathsearch.cost.widths import Barriers, Row


def test_every_pair_is_joined_in_every_way(tmp_path, monkeypatch):
    def figures(settings):
        ends, way = settings.endpoints, settings.endpoints.align.name
        barrier = 10.0 * ends.start.train.seed + ends.end.train.seed + settings.objective.model.args["width"]
        return {"linear": {metric: {"barrier": (metric, way, barrier)} for metric in widths.METRICS}}

    monkeypatch.setattr(widths.whole, "run", lambda asked, *rest: asked.settings)
    monkeypatch.setattr(widths, "figures", figures)
    found = list(widths.barriers(tmp_path))
    assert [(each.width, each.way) for each in found] == [
        (width, way) for width in widths.WIDTHS for way in widths.WAYS
    ]
    expected = [("train_loss", "weights", 10.0 * a + b + 8) for a, b in widths.PAIRS]
    assert found[1].found["train_loss"] == expected


def test_a_row_has_mean_and_deviation_over_pairs():
    every = [Barriers(8, way, {"test_loss": [number, number + 2.0]}) for number, way in enumerate(widths.WAYS)]
    found = widths.rows(every, "test_loss")
    assert found["aligned by weights"] == Row([2.0], [np.sqrt(2.0)])
    assert "test loss, aligned by activations           3 ± 1" in widths.table({"test_loss": found})
