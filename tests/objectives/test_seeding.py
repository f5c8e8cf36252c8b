"""Generators that are seeded for a while, and put back."""

import random
from contextlib import suppress

import numpy as np
import pytest
import torch

from pathsearch.objectives.seeding import seeded

CPU = torch.device("cpu")
DRAWS = {
    "random": random.random,
    "numpy": np.random.randn,
    "numpy uniform": lambda: np.random.rand(),
    "torch": lambda: float(torch.randn(())),
}


@pytest.mark.parametrize("by", DRAWS)
def test_draws_follow_from_the_seed_and_leave_no_trace(by):
    draw = DRAWS[by]
    random.seed(1)
    np.random.seed(1)
    torch.manual_seed(1)
    undisturbed = [draw() for _ in range(5)]
    random.seed(1)
    np.random.seed(1)
    torch.manual_seed(1)
    drawn, between = [], []
    for seed in (7, 8, 7, 1 << 62, 1 << 62):
        between.append(draw())
        with seeded(seed, CPU):
            drawn.append([draw(), draw(), draw()])
    assert between == undisturbed
    assert drawn[0] == drawn[2]
    assert drawn[3] == drawn[4]
    assert len({row[0] for row in drawn}) == 3


@pytest.mark.parametrize("by", DRAWS)
def test_one_inside_another(by):
    draw = DRAWS[by]
    with seeded(7, CPU):
        wanted = [draw(), draw()]
    with seeded(7, CPU):
        found = [draw()]
        with suppress(ZeroDivisionError), seeded(8, CPU):
            draw()
            raise ZeroDivisionError
        found.append(draw())
    assert found == wanted


@pytest.mark.parametrize("by", DRAWS)
def test_whether_anything_was_drawn(by):
    with seeded(7, CPU) as drawn:
        assert not drawn()
        DRAWS[by]()
        assert drawn()
        assert not drawn()


def test_a_generator_of_another_kind_is_put_back():
    old, own = np.random.get_bit_generator(), np.random.PCG64(3)
    np.random.set_bit_generator(own)
    try:
        with seeded(7, CPU):
            np.random.rand()
        assert np.random.get_bit_generator() is own
        assert np.random.rand() == np.random.Generator(np.random.PCG64(3)).random()
    finally:
        np.random.set_bit_generator(old)
