"""Profiles of several runs in one picture: what they are called, what is drawn once, what may not stand together."""

import dataclasses
import shutil

import numpy as np
import pytest
from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg

from pathsearch.cli import main
from pathsearch.errors import PathsearchError
from pathsearch.plots import several
from pathsearch.plots.several import FAINT
from pathsearch.plots.style import SERIES, STYLE, series
from tests.plots.test_figure import METRICS, with_group, with_metrics
from tests.runs import another


def together(runs, panels=(), names=()):
    return several.together(dict(zip(names or [run.file.parent.name for run in runs], runs)), panels)


def faint(axes):
    return [line for line in axes.get_lines() if line.get_color() == FAINT]


def said(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_paths_are_drawn_over_the_arc_length_and_a_line_that_two_share_once(finished_run, tmp_path):
    path = finished_run.groups["profiles/path"]
    other = another(finished_run, tmp_path / "other", method__name="string")
    figure = together([finished_run, with_group(other, "profiles/path", loss=path["loss"] + 1.0)], names=["neb", "$5"])
    (axes,) = figure.axes
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("arc length (fraction)", "loss")
    first, second = (line for line in axes.get_lines() if line.get_color() != FAINT)
    for line, shift in ((first, 0.0), (second, 1.0)):
        np.testing.assert_array_equal(line.get_xdata(), path["arc_length"] / path["arc_length"][-1])
        np.testing.assert_array_equal(line.get_ydata(), path["loss"] + shift)
        np.testing.assert_allclose(path["t"][line.get_markevery()], np.arange(9) / 8, atol=1e-12)
    assert said(figure) == ["neb", r"\$5"]  # no mathematics
    assert [line.get_marker() for line in figure.legends[0].get_lines()] == ["o", "s"]
    (line,) = faint(axes)
    np.testing.assert_array_equal(line.get_ydata(), finished_run.groups["profiles/linear"]["loss"])
    assert line.get_label() == "straight line, up to 12.7"


def test_each_pair_of_ends_has_its_line_and_the_axes_are_for_the_paths(finished_run, tmp_path):
    linear, path = (finished_run.groups[f"profiles/{name}"] for name in ("linear", "path"))
    farther = with_group(
        another(finished_run, tmp_path / "other"), "profiles/linear", arc_length=2.0 * linear["arc_length"]
    )
    farther = with_group(farther, "profiles/linear", loss=np.where(linear["t"] == 0.5, 900.0, linear["loss"]))
    (axes,) = together([finished_run, farther]).axes
    assert len(faint(axes)) == 2
    assert faint(axes)[-1].get_label() == "straight lines, up to 900"
    assert axes.get_ylim()[1] < path["loss"].max() + 0.1 * np.ptp(path["loss"])


def test_control_points_are_not_marked(finished_run, tmp_path):
    curve = dataclasses.replace(another(finished_run, tmp_path / "other", method__name="bezier"), curve="bezier")
    figure = together([finished_run, curve])
    assert figure.axes[0].get_lines()[1].get_markevery() == []
    assert [line.get_marker() for line in figure.legends[0].get_lines()] == ["o", ""]


def test_the_second_panel_is_the_test_error_or_the_first_metric_that_all_have(finished_run, tmp_path):
    both = [with_metrics(run, METRICS) for run in (finished_run, another(finished_run, tmp_path / "other", seed=3))]
    assert [axes.get_ylabel() for axes in together(both).axes] == ["loss", "test error, %"]
    assert together(both).axes[1].get_lines()[0].get_ydata()[0] == pytest.approx(25.0)  # per cent, of the test set
    some = [both[0], with_metrics(another(finished_run, tmp_path / "other"), ["perplexity"])]
    assert [axes.get_ylabel() for axes in together(some).axes] == ["loss", "test perplexity"]
    (alone,) = together(both, ["top5"]).axes
    assert alone.get_ylabel() == "test top5, %"
    assert together(both, ["top5"]).get_size_inches().tolist() == pytest.approx([3.3, 2.7 + 12.5 / 72])
    assert together(both).get_size_inches().tolist() == pytest.approx([6.6, 2.7 + 12.5 / 72])


def on_other_metrics(run):
    path = run.groups["profiles/path"]
    only = {"t": path["t"], "arc_length": path["arc_length"], "train_gap": path["loss"]}
    return dataclasses.replace(run, groups={**run.groups, "profiles/path": only})


@pytest.mark.parametrize(
    ("change", "panels", "why"),
    [
        (on_other_metrics, (), "no metric in common: .*run.* has loss; .*other/path.h5 has train_gap"),
        (lambda run: run, ("plane",), "no panel 'plane': there are profile"),
        (lambda run: run, ("profle",), "did you mean 'profile'"),
    ],
)
def test_runs_that_cannot_stand_together_are_a_line(change, panels, why, finished_run, tmp_path):
    with pytest.raises(PathsearchError, match=why) as error:
        together([finished_run, change(another(finished_run, tmp_path / "other"))], panels)
    assert "\n" not in str(error.value)


def test_what_is_wrong_with_a_run_stands_above(finished_run, tmp_path):
    path = finished_run.groups["profiles/path"]
    worse = with_group(another(finished_run, tmp_path / "other", seed=3), "profiles/path", loss=path["loss"] + 500.0)
    figure = together([finished_run, worse], names=["one", "seed=3"])
    assert " ".join(figure.get_suptitle().split()).startswith("seed=3: the path is worse than the straight line")
    assert figure.get_figheight() > 2.7 + 2 * 12.5 / 72


def test_lines_differ_in_dashes_and_marks_too_and_return_in_other_dashes():
    looks = [series(n) for n in range(4 * len(SERIES))]
    assert len({(look["color"], str(look["linestyle"])) for look in looks}) == len(looks)
    assert len({str(look["linestyle"]) for look in looks[: len(SERIES)]}) == len(SERIES)
    assert len({look["marker"] for look in looks[: len(SERIES)]}) == len(SERIES)


def test_many_long_names_fit(finished_run, tmp_path):
    runs = [another(finished_run, tmp_path / f"{n}-{'long' * 20}") for n in range(5)]
    with rc_context(STYLE):
        figure = together(runs)
        FigureCanvasAgg(figure).draw()
    box = figure.legends[0].get_window_extent()
    assert box.x0 >= 0
    assert box.x1 <= figure.bbox.x1
    assert box.y1 < figure.axes[0].get_tightbbox().y0


def test_runs_that_do_not_belong_together_are_refused(finished_run, tmp_path, monkeypatch, capsys):
    shutil.copytree(finished_run.file.parent, tmp_path / "a")
    monkeypatch.chdir(tmp_path)
    for runs, why in ((["a", "a"], "a is named twice"), (["a", "a/path.h5"], "a and a/path.h5 are the same run")):
        monkeypatch.setattr("sys.argv", ["pathsearch", "plot", *runs])
        with pytest.raises(SystemExit):
            main()
        assert why in capsys.readouterr().err


def test_the_command_draws_several_runs(blank, finished_run, tmp_path, monkeypatch, capsys):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        shutil.copy(finished_run.file, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["pathsearch", "plot", "a", "b"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code
    assert capsys.readouterr().out == "paths.png\n"
    assert (tmp_path / "paths.png").read_bytes().startswith(b"\x89PNG")
