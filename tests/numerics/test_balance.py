import itertools

import numpy as np
import pytest

from pathsearch.numerics.balance import Balance, blocks, longest_time, moved, worked


@pytest.mark.parametrize("seed", range(20))
def test_no_cut_is_faster(seed):
    draw = np.random.default_rng(seed)
    pivots, actors = int(draw.integers(1, 8)), int(draw.integers(1, 5))
    costs, rates = draw.choice([1 / 3, 1.0], pivots), draw.uniform(0.5, 3.0, actors)
    layout = blocks(costs, rates)
    assert [row for block in layout for row in block] == list(range(pivots))
    every = (
        longest_time([range(a, b) for a, b in zip((0, *cuts), (*cuts, pivots))], costs, rates)
        for cuts in itertools.combinations_with_replacement(range(pivots + 1), actors - 1)
    )
    assert longest_time(layout, costs, rates) == pytest.approx(min(every), rel=1e-12)


def test_equal_actors_get_equal_blocks():
    assert [len(block) for block in blocks(np.ones(8), np.ones(4))] == [2, 2, 2, 2]
    assert [len(block) for block in blocks(np.ones(2), np.ones(4))].count(1) == 2


def test_a_slow_actor_gets_less():
    assert [len(block) for block in blocks(np.ones(9), np.array([1.0, 2.0, 1.0]))] == [4, 1, 4]


def simulated(rates, costs, steps, noise=0.0, layout=None):
    """Steps of a band on actors of these rates(step) [A]; the time over that of the best layouts, and the cuts made.

    Moving pivots takes a gradient's time each. `noise` is a deviation of the logarithm of every evaluation's time.
    """
    draw = np.random.default_rng(0)
    actors = len(rates(0))
    balance, layout = Balance(actors), layout or blocks(costs, np.ones(actors))
    total = ideal = 0.0
    cuts, best = [], {}
    for step in range(steps):
        now = rates(step)
        new = balance.cut(layout, costs)
        if new is not layout:
            total += moved(layout, new) * np.median(now)
            cuts.append((step, [len(block) for block in new]))
            layout = new
        if tuple(now) not in best:
            best[tuple(now)] = worked(blocks(costs, now), costs)
        now = now * np.exp(noise * draw.standard_normal(actors))
        balance.learn(now * worked(layout, costs), worked(layout, costs))
        total, ideal = total + longest_time(layout, costs, now), ideal + (now * best[tuple(rates(step))]).max()
    return total / ideal, cuts, [len(block) for block in layout]


def steady(*rates):
    return lambda step: np.array(rates, dtype=float)


def one_is(slow, from_step, to_step):
    return lambda step: np.array([1.0, slow if from_step <= step < to_step else 1.0, 1.0, 1.0])


BAND = np.array([1 / 3, *np.ones(8), 1 / 3])


@pytest.mark.parametrize("late", [1, 2, 3])
def test_an_actor_that_is_late_at_first_keeps_its_images(late):
    _, cuts, _ = simulated(one_is(1000.0, 0, late), np.ones(8), 500)
    assert cuts == []


def test_an_actor_that_was_slow_for_long_at_first_has_its_images_back():
    _, cuts, layout = simulated(one_is(30.0, 0, 10), np.ones(8), 1000)
    assert (len(cuts), layout) == (2, [2, 2, 2, 2])


@pytest.mark.parametrize("noise", [0.0, 0.1, 0.2])
@pytest.mark.parametrize("slow", [2.0, 3.0])
def test_a_slow_actor_has_less_and_keeps_it(slow, noise):
    ratio, cuts, layout = simulated(steady(1, slow, 1, 1), BAND, 1000, noise)
    assert layout[1] == 1
    assert len(cuts) == 1
    assert ratio < 1.02


@pytest.mark.parametrize("noise", [0.0, 0.2])
def test_a_very_slow_actor_is_idle_and_tries_of_it_cost_little(noise):
    ratio, cuts, layout = simulated(steady(1, 10, 1, 1), BAND, 3000, noise)
    assert layout[1] == 0
    assert ratio < 1.08
    tries = [step for step, sizes in cuts if sizes[1]]
    assert tries
    assert all(later - step > 1.5 * (step - earlier) for earlier, step, later in zip(tries, tries[1:], tries[2:]))


@pytest.mark.parametrize(("slow", "to_step", "worth"), [(2.0, 600, 1.03), (6.0, 450, 1.15)])
def test_an_actor_that_is_slow_for_a_while_has_its_images_back(slow, to_step, worth):
    ratio, cuts, layout = simulated(one_is(slow, 300, to_step), BAND, 1000, noise=0.1)
    assert layout[1] >= 2
    assert cuts
    assert ratio < worth


@pytest.mark.parametrize(("costs", "actors"), [(np.ones(8), 4), (np.ones(60), 4), (BAND, 3)])
def test_noise_moves_next_to_nothing(costs, actors):
    ratio, cuts, _ = simulated(steady(*np.ones(actors)), costs, 1000, noise=0.2)
    assert len(cuts) <= 1
    assert ratio < 1.02


def test_single_late_evaluations_move_nothing():
    assert simulated(lambda step: one_is(50.0, 0, 1)(step % 17), np.ones(8), 500)[1] == []


def test_a_slow_actor_s_images_go_to_an_idle_one():
    rates = steady(1, 1, 3, *np.ones(9))
    _, cuts, layout = simulated(rates, BAND[1:-1], 300, layout=[range(i, min(i + 1, 8)) for i in [*range(8), *[8] * 4]])
    assert layout[2] == 0
    assert sum(layout) == 8
    assert max(layout) == 1
    assert len(cuts) == 1


def test_a_gain_that_moving_eats_up_is_left(monkeypatch):
    rates, costs = steady(1, 2, 1, 1), np.ones(8)
    assert simulated(rates, costs, 100)[1]
    monkeypatch.setattr("pathsearch.numerics.balance.MOVE", 100.0)
    assert simulated(rates, costs, 100)[1] == []


def test_a_layout_that_was_not_evaluated_yet_is_not_judged():
    balance, costs = Balance(2), np.ones(4)
    for _ in range(20):
        balance.learn(np.array([4.0, 0.0]), np.array([4.0, 0.0]))
    layout = [range(2), range(2, 4)]
    assert balance.cut(layout, costs) is layout
