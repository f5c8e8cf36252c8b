"""A tree of few paths beside that of all."""

import numpy as np
import pytest

from pathsearch.cost.landscapes import enough, highest
from tests.numerics.test_tree import matrix


def test_the_highest_saddle_falls_with_the_paths_that_may_be_tried():
    values = np.zeros(4)
    saddles = matrix(4, s0_1=5.0, s0_2=4.0, s0_3=3.0, s1_2=1.0, s1_3=9.0, s2_3=2.0)
    found = {budget: highest(values, saddles, 0.0, budget) for budget in range(3, 7)}
    assert found[3] == 5.0  # the star of the first
    assert found[6] == 3.0  # 1-2, 2-3, 3-0
    assert list(found.values()) == sorted(found.values(), reverse=True)


@pytest.mark.parametrize(("noise", "paths"), [(0.0, 9), (0.1, 7), (1.0, 5)])
def test_the_fewest_paths_within_noise(noise, paths):
    assert enough({5: 1.5, 7: 1.05, 9: 1.0, 10: 1.0}, noise) == paths
