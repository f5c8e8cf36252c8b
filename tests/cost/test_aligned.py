"""What alignment saves a search."""

from pathsearch.cost import aligned
from pathsearch.cost.aligned import Joined, needed, row


def test_every_way_joins_the_same_minima(tmp_path, monkeypatch):
    def figures(settings):
        ends = settings.endpoints
        trained = [(end.train.seed, end.train.steps) for end in (ends.start, ends.end)]
        assert trained == [(0, 600), (1, 600)]
        found = (ends.align.name, settings.steps, settings.method.name)
        return {where: {name: {"barrier": (where, *found)} for name in aligned.METRICS} for where in ("linear", "path")}

    monkeypatch.setattr(aligned.whole, "run", lambda asked, *rest: asked.settings)
    monkeypatch.setattr(aligned, "figures", figures)
    found = list(aligned.joined(tmp_path, tmp_path))
    assert [(each.way, each.gradients) for each in found] == [
        (way, gradients) for way in aligned.WAYS for gradients in aligned.GRADIENTS
    ]
    assert found[3].path["test_error"] == ("path", "weights", 25, "polygon")
    assert found[3].line["test_error"] == ("linear", "weights", 25, "polygon")


def test_the_fewest_gradients_to_a_path_as_low_as_without_alignment():
    barriers = {"none": (0.5, 0.3), "weights": (0.3, 0.1), "activations": (0.6, 0.4)}
    every = [
        Joined(way, gradients, dict.fromkeys(aligned.METRICS, 2.0), dict.fromkeys(aligned.METRICS, barrier))
        for way, each in barriers.items()
        for gradients, barrier in zip((25, 75), each)
    ]
    assert needed(every) == {"none": 75, "weights": 25, "activations": None}
    assert row(every[2]).split() == ["weights", "25", *["2", "0.3"] * 3]
