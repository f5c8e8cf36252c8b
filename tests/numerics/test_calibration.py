import numpy as np
import pytest

from pathsearch.numerics.calibration import disagreements, figures, log_probabilities, tally


def found(probabilities, classes):
    return figures(tally(np.log(np.array(probabilities)), np.array(classes)))


def test_figures_of_four_examples_by_hand():
    """Two bins: confidence 0.9 with half of them right, 0.6 with all right: each is 0.4 off."""
    error, nll, ece = found([[0.9, 0.1], [0.9, 0.1], [0.6, 0.4], [0.4, 0.6]], [0, 1, 0, 1])
    assert error == 0.25
    assert nll == pytest.approx(-np.log([0.9, 0.1, 0.6, 0.6]).mean(), rel=1e-14)
    assert ece == pytest.approx(0.4, rel=1e-14)


@pytest.mark.parametrize(("other", "ece"), [(0.61, (0.4 + 0.61) / 2), (0.59, abs(0.5 - 0.595))])
def test_a_bin_ends_with_the_confidence_at_its_upper_edge(other, ece):
    """0.6 is 9/15: right with 0.6, wrong with the other."""
    assert found([[0.6, 0.4], [other, 1 - other]], [0, 1]).ece == pytest.approx(ece, rel=1e-12)


def test_certain_and_right_is_without_fault():
    outputs = np.array([[1000.0, 0.0, 0.0], [0.0, 0.0, 2000.0]], dtype=np.float32)
    assert figures(tally(log_probabilities(outputs), np.array([0, 2]))) == (0.0, 0.0, 0.0)


def test_certain_and_wrong_costs_what_the_outputs_say():
    """The softmax in float32 is one-hot, its logarithm minus infinity."""
    log_p = log_probabilities(np.array([[1000.0, 0.0]], dtype=np.float32))
    assert figures(tally(log_p, np.array([1]))) == (1.0, 1000.0, 1.0)


def test_the_softmax_is_taken_in_float64(rng):
    outputs = rng.normal(size=(9, 4)).astype(np.float32)
    wide = np.exp(outputs.astype(np.float64))
    np.testing.assert_allclose(np.exp(log_probabilities(outputs)), wide / wide.sum(axis=1, keepdims=True), rtol=1e-14)


@pytest.mark.parametrize(
    ("outputs", "nll", "ece"),
    [([0.0, -np.inf], np.inf, 1.0), ([np.nan, 0.0], np.nan, np.nan), ([np.inf, 0.0], np.nan, np.nan)],
)
def test_what_is_not_finite_is_neither_right_nor_left_out(outputs, nll, ece):
    log_p = log_probabilities(np.array([outputs]))
    np.testing.assert_array_equal(figures(tally(log_p, np.array([1]))), (1.0, nll, ece))
    if np.isnan(nll):
        assert figures(tally(log_p, np.array([0]))).error == 1.0


def test_parts_add_up_to_the_whole(rng):
    log_p, classes = log_probabilities(rng.normal(size=(40, 5)) * 3), rng.integers(5, size=40)
    parts = sum(tally(log_p[part], classes[part]) for part in (slice(0, 7), slice(7, 30), slice(30, None)))
    np.testing.assert_allclose(parts, tally(log_p, classes), rtol=1e-14, atol=1e-14)


def test_disagreements_are_counted():
    np.testing.assert_array_equal(
        disagreements(np.array([[0, 1, 2, 3], [0, 1, 2, 0], [1, 1, 0, 3]])), [[0, 1, 2], [1, 0, 3], [2, 3, 0]]
    )
