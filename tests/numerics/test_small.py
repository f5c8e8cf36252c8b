"""Spacing, curves, insertion, schedules, seeds, profiles: small functions against what they are defined to be."""

import numpy as np
import pytest

from pathsearch.numerics import basis, curves, insertion, profiles, schedules, spacing
from pathsearch.numerics.seeds import derive


def lengths_of(points):
    return np.linalg.norm(np.diff(points, axis=0), axis=1)


def test_respacing_a_straight_chain_makes_its_segments_equal(rng):
    points = np.sort(rng.random(8))[:, None] * rng.normal(size=(1, 5))
    moved = spacing.respaced(lengths_of(points)) @ points
    np.testing.assert_allclose(lengths_of(moved), lengths_of(moved).mean(), rtol=1e-12)
    np.testing.assert_array_equal(moved[[0, -1]], points[[0, -1]])


def test_respaced_pivots_lie_on_the_old_chain_and_equal_segments_do_not_move(rng):
    points = rng.normal(size=(6, 3))
    mixture = spacing.respaced(lengths_of(points))
    assert (mixture >= 0).all()
    assert (np.count_nonzero(mixture, axis=1) <= 2).all()
    np.testing.assert_allclose(mixture.sum(axis=1), 1.0, rtol=1e-14)
    np.testing.assert_array_equal(spacing.respaced(np.full(5, 0.1)), np.eye(6))


def test_respacing_keeps_wanted_shares(rng):
    points, shares = np.cumsum(rng.random(5))[:, None], [0.1, 0.4, 0.2, 0.3]
    moved = lengths_of(spacing.respaced(lengths_of(points), shares) @ points)
    np.testing.assert_allclose(moved / moved.sum(), shares, rtol=1e-12)
    moved = spacing.respaced(lengths_of(points), shares, anchor=2) @ points
    np.testing.assert_allclose(moved[2], points[2], rtol=1e-13)
    np.testing.assert_allclose(lengths_of(moved)[1] / lengths_of(moved)[0], 4.0, rtol=1e-12)


def test_an_anchor_stays_with_equal_segments_on_either_side(rng):
    points = np.cumsum(rng.random(9))[:, None]
    moved = spacing.respaced(lengths_of(points), anchor=3) @ points
    np.testing.assert_allclose(moved[3], points[3], rtol=1e-13)
    parts = lengths_of(moved)
    np.testing.assert_allclose(parts[:3], parts[0], rtol=1e-12)
    np.testing.assert_allclose(parts[3:], parts[-1], rtol=1e-12)


def test_polygon_passes_its_pivots_and_runs_straight_between_them(rng):
    pivots = rng.normal(size=(4, 3))
    found = curves.polygon(np.array([0.0, 1 / 3, 0.5, 1.0]), 4) @ pivots
    np.testing.assert_allclose(found, [pivots[0], pivots[1], (pivots[1] + pivots[2]) / 2, pivots[3]], atol=1e-12)


def test_bezier_is_de_casteljau(rng):
    pivots, t = rng.normal(size=(5, 3)), 0.37
    points = pivots
    while len(points) > 1:
        points = (1 - t) * points[:-1] + t * points[1:]
    np.testing.assert_allclose(curves.bezier(np.array([t]), 5) @ pivots, points, rtol=1e-12)


def test_one_bend_is_the_quadratic_of_the_paper():
    t = np.array([0.0, 0.25, 1.0])
    np.testing.assert_allclose(curves.bezier(t, 3), np.stack([(1 - t) ** 2, 2 * t * (1 - t), t**2], axis=1))


def test_highest_inserts_where_the_loss_stands_out_over_its_chord():
    losses = np.array([0.0, 1.0, 0.0])
    inside = np.arange(1, 10) / 10
    first = inside + np.where(inside == 0.7, 0.5, 0.0)  # a bump of 0.5 over a rising chord
    second = (1 - inside) + 0.05  # below the threshold
    found = insertion.highest(losses, np.concatenate([first, second]), count=2, threshold=0.1)
    np.testing.assert_allclose(found, [0, 0.7, 1, 2])
    both = insertion.highest(losses, np.concatenate([first, second]), count=2, threshold=0.01)
    assert len(both) == 5
    one = insertion.highest(losses, np.concatenate([first, second]), count=1, threshold=0.01)
    np.testing.assert_allclose(one, [0, 0.7, 1, 2])


def test_equal_insertion_goes_by_length():
    np.testing.assert_allclose(insertion.equal(np.array([1.0, 3.0]), 5), [0, 1, 4 / 3, 5 / 3, 2])


def test_rules_ask_a_chain_for_what_they_need():
    asked = []

    def losses(positions):
        asked.append(positions)
        return np.where(np.isclose(positions, 1.3), 5.0, 1.0)

    chain = insertion.Chain(3, lambda: np.array([1.0, 3.0]), losses)
    np.testing.assert_allclose(insertion.RULES["equal"].positions(chain, 2, 0.1), [0, 1, 4 / 3, 5 / 3, 2])
    assert not asked
    np.testing.assert_allclose(insertion.RULES["highest"].positions(chain, 2, 0.1), [0, 1, 1.3, 2])
    np.testing.assert_allclose(asked, [[0, 1, 2, *(k + n / 10 for k in (0, 1) for n in range(1, 10))]])
    assert [rule.stays for rule in insertion.RULES.values()] == [False, True]


@pytest.mark.parametrize("name", schedules.SCHEDULES)
def test_schedules_start_or_peak_at_the_full_rate_and_never_leave_it(name):
    values = np.array([schedules.SCHEDULES[name](done) for done in np.linspace(0, 1, 1001)])
    assert values.max() == pytest.approx(1.0, abs=1e-6)
    assert values.min() >= 0.0


def test_schedules_at_the_papers_marks():
    marks = [schedules.garipov(done) for done in (0.49, 0.7, 0.95)]
    np.testing.assert_allclose(marks, [1.0, 0.505, 0.01])
    assert [schedules.step(done) for done in (0.49, 0.5, 0.75)] == [1.0, 0.1, 0.01]


def test_seeds_are_fixed_numbers_and_differ_by_every_part():
    assert derive(1, 2, 3) == derive(1, 2, 3)
    assert len({derive(a, b, c) for a in range(4) for b in range(4) for c in range(4)}) == 64
    assert derive(1, 0, 0) == 3717377837946358015  # the same on every machine, for ever


def test_refinement_closes_in_on_a_maximum_between_points():
    t, top = np.linspace(0, 1, 11), 0.6180339
    values = -((t - top) ** 2)
    for _ in range(60):
        if profiles.saddle_uncertainty(values) <= 1e-12:
            break
        t = np.sort(np.concatenate([t, np.setdiff1d(profiles.bracket_midpoints(t, values), t)]))
        values = -((t - top) ** 2)
    assert values.max() == pytest.approx(0.0, abs=1e-12)
    assert len(t) < 80


def test_summary_names_barriers_apart():
    values, t = np.array([1.0, 5.0, 3.0]), np.array([0.0, 0.5, 1.0])
    found = profiles.summary(values, t, np.array([0.0, 3.0, 4.0]))
    assert found["barrier"] == 2.0
    assert found["barrier_over_mean"] == 3.0
    assert found["mean"] == 3.5
    assert found["mean_arc"] == pytest.approx((3 * 3 + 1 * 4) / 4)
    assert (found["t_max"], found["t_min"]) == (0.5, 0.0)


def test_where_higher_is_better_the_lowest_value_is_the_barrier():
    values, t = np.array([7.0, 2.0, 9.0, 4.0]), np.linspace(0.0, 1.0, 4)
    found = profiles.summary(values, t, t, higher=True)
    assert (found["barrier"], found["barrier_over_mean"]) == (2.0, 3.5)
    assert (found["max"], found["min"], found["t_min"]) == (9.0, 2.0, t[1])


def test_barriers_over_the_interpolation_and_at_the_midpoint():
    """By hand: the ends are joined by 1, 2.5, 4, 7, so that 5 at t = 1/4 stands out by 2.5, and 6 at 1/2 by 2."""
    values, t = np.array([1.0, 5.0, 6.0, 7.0]), np.array([0.0, 0.25, 0.5, 1.0])
    found = profiles.summary(values, t, t)
    assert (found["barrier"], found["barrier_over_mean"]) == (0.0, 3.0)
    assert (found["barrier_over_interpolation"], found["midpoint_over_mean"]) == (2.5, 2.0)
    fallen = profiles.summary(-values, t, t, higher=True)
    for name in ("barrier", "barrier_over_mean", "barrier_over_interpolation", "midpoint_over_mean"):
        assert fallen[name] == found[name]
    # nothing is measured at t = 1/2: half way between 2 and 4, above the mean 0.5 of the ends
    assert profiles.midpoint_over_mean(np.array([0.0, 2.0, 4.0, 1.0]), np.array([0.0, 0.4, 0.6, 1.0])) == 2.5
    # a path that only sags is at its highest, relative to the interpolation, at its ends
    assert profiles.over_interpolation(np.array([1.0, 0.0, 3.0]), np.array([0.0, 0.5, 1.0])) == 0.0


def test_capping_shortens_only_what_is_too_long(rng):
    vectors = rng.normal(size=(3, 2, 4)) * np.array([0.1, 1.0, 10.0])[:, None, None]
    gram = np.einsum("njm,nkm->njk", vectors, vectors)
    move = np.ones((3, 2))
    before, after = basis.norms(move, gram), basis.norms(basis.capped(move, gram, 1.0), gram)
    np.testing.assert_allclose(after, np.minimum(before, 1.0), rtol=1e-12)
    assert (before > 1).any()
    assert (before < 1).any()
