"""The panel of the plane: its levels, the colours of pivots, how far the path lies beside it."""

import dataclasses

import numpy as np
import pytest
from matplotlib.collections import PathCollection

from pathsearch import report
from pathsearch.plots.around import log_levels, told_apart
from pathsearch.plots.figure import picture
from tests.plots.test_figure import drawn, note, with_group


def dots(axes):
    """The ends of the path and what lies between, without the black below them."""
    return [item for item in axes.collections if isinstance(item, PathCollection)][1::2]


def test_pivots_have_the_colour_of_their_own_loss(finished_run):
    """Not of the loss that the plane has where they are projected to."""
    own = finished_run.groups["profiles/shadow"]["pivots_loss"]
    at_pivots = np.interp(np.linspace(0, 1, 9), *(finished_run.groups["profiles/path"][name] for name in ("t", "loss")))
    np.testing.assert_allclose(own, at_pivots)
    loss = finished_run.groups["profiles/plane"]["loss"]
    run = with_group(finished_run, "profiles/shadow", pivots_loss=np.linspace(loss.min(), loss.max(), len(own)))
    axes = drawn(run, "plane").axes[0]
    ends, inner = dots(axes)
    shading = next(item for item in axes.collections if item.get_array() is not None and item is not ends)
    assert ends.norm is inner.norm is shading.norm
    assert inner.get_cmap().name == shading.get_cmap().name
    assert len(np.unique(inner.get_facecolors(), axis=0)) > 3
    np.testing.assert_array_equal(ends.get_facecolors()[0], shading.cmap(shading.norm(loss.min())))


def test_files_of_earlier_programs_have_white_pivots(finished_run):
    shadow = finished_run.groups["profiles/shadow"]
    older = {name: values for name, values in shadow.items() if not name.endswith(("off", "loss"))}
    run = dataclasses.replace(finished_run, groups={**finished_run.groups, "profiles/shadow": older})
    axes = drawn(run, "plane").axes[0]
    for part in dots(axes):
        np.testing.assert_array_equal(part.get_facecolors(), [[1, 1, 1, 1]])
    assert note(axes) == "path: its projection"


def test_the_plane_says_how_far_the_path_is_off(finished_run):
    chord = finished_run.summary["chord"]
    run = with_group(finished_run, "profiles/shadow", path_off=np.array([0.0, 0.25, 0.5, 0.25, 0.0]) * chord)
    assert report.figures(run)["off_plane"] == {"mean": pytest.approx(0.2), "max": pytest.approx(0.5)}
    assert note(picture(run, ["plane"]).axes[0]) == "path 0.20 chord off the plane, at most 0.50"
    assert note(picture(finished_run, ["plane"]).axes[0]) == ""


def test_a_flat_plane_is_drawn_enlarged_and_says_so(finished_run):
    axes = drawn(finished_run, "plane").axes[0]
    assert (axes.get_aspect(), axes.get_ylabel()) == (1.0, "")
    run = with_group(finished_run, "profiles/plane", y=finished_run.groups["profiles/plane"]["y"] / 4.0)
    axes = drawn(run, "plane").axes[0]
    assert (axes.get_aspect(), axes.get_box_aspect()) == ("auto", 1.0)
    assert axes.get_ylabel() == "distance, 4 × enlarged"


@pytest.mark.parametrize(("low", "step", "high"), [(0.0, 0.001, 0.5), (-146.7, 38.5, 92.0), (1e9, 2.0, 1e9 + 1e3)])
def test_levels_rise_evenly_in_the_logarithm_of_the_height_above_the_lowest(low, step, high):
    levels = log_levels(low, step, high)
    assert (levels[0], levels[-1]) == (low, high)
    assert levels[1] == pytest.approx(low + step)
    assert (np.diff(levels) > 0).all()
    ratios = (levels[2:] - low) / (levels[1:-1] - low)
    np.testing.assert_allclose(ratios, ratios[0], rtol=1e-6)
    assert ratios[0] > 1.1


def test_the_planes_colours_change_where_its_levels_are(finished_run):
    """From the lowest loss drawn, over that of the higher end, to half a barrier above the straight line."""
    figure = drawn(finished_run, "plane")
    bar = next(axes for axes in figure.axes if axes.get_label() == "<colorbar>")
    shading = next(item for item in figure.axes[0].collections if item.get_array() is not None)
    levels, line = shading.levels, finished_run.groups["profiles/linear"]["loss"]
    plane, shadow = finished_run.groups["profiles/plane"]["loss"], finished_run.groups["profiles/shadow"]
    assert levels[0] == min(plane.min(), shadow["pivots_loss"].min(), line.min())
    assert levels[1] == pytest.approx(line[-1])  # the higher end
    assert levels[-1] == pytest.approx(line.max() + 0.5 * np.ptp(line))
    np.testing.assert_array_equal(shading.norm.boundaries, levels)
    said = [float(tick.get_text().replace("−", "-")) for tick in bar.get_yticklabels()]
    np.testing.assert_allclose(said, levels, rtol=0.05)
    assert len(set(said)) == len(levels)


@pytest.mark.parametrize(
    ("levels", "said"),
    [
        ([0.00015, 0.00113, 0.0021, 0.503], ["0.00015", "0.0011", "0.0021", "0.5"]),
        ([-146.7, -108.2, -99.5, 48.3], ["−147", "−108", "−99.5", "48"]),
        ([1.001, 1.002, 1.004], ["1.001", "1.002", "1.004"]),
    ],
)
def test_levels_are_written_in_as_few_digits_as_tell_them_apart(levels, said):
    assert told_apart(np.array(levels)) == said
