"""Data sets that come with a library."""

import pytest

from pathsearch.objectives.data import Digits, Moons


@pytest.mark.parametrize("kind", [Digits(), Moons(points=50)])
def test_embedded_data(kind):
    data = kind.load()
    assert len(data.test.inputs) == len(data.train.inputs) // 4
    assert set(data.test.targets.tolist()) == set(range(data.outputs))
