"""Pictures: formats, panels, odd and unfinished runs. Warnings of matplotlib are errors here."""

import dataclasses
import io
import re

import numpy as np
import pytest
from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.image import imread
from matplotlib.legend import Legend
from matplotlib.text import Text

from pathsearch import plots
from pathsearch.cli import main
from pathsearch.errors import PathsearchError
from pathsearch.plots.figure import formats, picture
from pathsearch.plots.style import STYLE


def with_group(run, name, **arrays):
    """A run with some arrays of a group replaced; a group without arrays is gone."""
    groups = dict(run.groups)
    groups[name] = {**groups.get(name, {}), **arrays}
    if not arrays:
        del groups[name]
    return dataclasses.replace(run, groups=groups)


def unfinished(run, *gone):
    for name in gone:
        run = with_group(run, f"profiles/{name}")
    return dataclasses.replace(run, state="running")


METRICS = {
    "top5": {"share": True, "higher": True},
    "perplexity": {},
    "error": {"share": True},
    "much_too_long_" * 4: {},
    "plane": {},
}


def with_metrics(run, names=("top5", "perplexity"), scale=1.0, splits=("train", "test")):
    """A run that measured more than the loss, by train, 0.5 to 0 along the path, and by test, the half of it."""
    run = dataclasses.replace(run, summary={**run.summary, "described": {name: METRICS[name] for name in names}})
    for group in ("profiles/path", "profiles/linear"):
        values = 0.5 - 0.5 * run.groups[group]["t"]
        halves = {"train": scale * values, "test": scale * values / 2}
        run = with_group(run, group, **{f"{split}_{name}": halves[split] for name in names for split in splits})
    return run


def drawn(run, *names):
    with rc_context(STYLE):
        figure = picture(run, names)
        FigureCanvasAgg(figure).draw()
    return figure


def panels(figure):
    """What the panels show, as their axes say; that of a plane its colour bar's."""
    bars = [axes for axes in figure.axes if axes.get_label() == "<colorbar>"]
    names = [("plane of " if axes in bars else "") + axes.get_ylabel() for axes in figure.axes]
    return [name for name in names if name and "force" not in name]


def texts(figure):
    return [text for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip()]


def entries(axes):
    return zip(axes.get_legend().get_texts(), axes.get_legend().get_lines())


def note(axes):
    return axes.get_legend().get_title().get_text()


STARTS = {
    "png": b"\x89PNG",
    "pdf": b"%PDF",
    "svg": b"<?xml",
    "eps": b"%!PS-Adobe-3.0 EPSF",
    "jpg": b"\xff\xd8",
    "tif": b"II*\0",
}


@pytest.mark.parametrize("suffix", STARTS)
def test_the_suffix_is_the_format(suffix, blank, finished_run, tmp_path):
    file = tmp_path / f"picture.{suffix.upper() if suffix == 'pdf' else suffix}"
    plots.save(finished_run, file)
    assert file.read_bytes().startswith(STARTS[suffix])


@pytest.mark.parametrize("name", ["picture.xyz", "picture", ".png", "fig.v2", "picture.pgf"])
def test_other_suffixes_are_refused_with_the_list(name, finished_run, tmp_path):
    with pytest.raises(PathsearchError) as error:
        plots.save(finished_run, tmp_path / name)
    assert all(f".{known}" in str(error.value) for known in ("png", "pdf", "svg"))
    assert not list(tmp_path.iterdir())


def test_fonts_are_embedded_as_journals_want_them_and_shading_is_one_image(finished_run, tmp_path):
    plots.save(finished_run, tmp_path / "a.pdf", ["plane", "profile"])
    content = (tmp_path / "a.pdf").read_bytes()
    assert b"/Subtype /Type3" not in content
    assert b"/FontFile2" in content
    assert content.count(b"/Subtype /Image") >= 1
    assert len(content) < 200_000


def test_a_notebook_shows_a_picture_without_pyplot(finished_run):
    shown = picture(finished_run, ["profile"])._repr_png_()
    assert imread(io.BytesIO(shown)).shape[:2] == (270, 330)


def test_a_link_is_written_through_and_a_home_folder_found(blank, finished_run, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "link.png").symlink_to(tmp_path / "target.png")
    plots.save(finished_run, "~/link.png")
    assert (tmp_path / "link.png").is_symlink()
    assert (tmp_path / "target.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("name", "said"), [("x" * 300 + ".png", "shorter name"), ("gone/a.png", "its folder is there")]
)
def test_a_file_that_cannot_be_is_a_line(name, said, blank, finished_run, tmp_path):
    with pytest.raises(PathsearchError, match=said) as error:
        plots.save(finished_run, tmp_path / name)
    assert "\n" not in str(error.value)


def test_a_long_name_that_fits_is_taken(blank, finished_run, tmp_path):
    plots.save(finished_run, tmp_path / ("x" * 250 + ".png"))


def test_panels_can_be_chosen(finished_run):
    assert panels(picture(finished_run, ["profile"])) == ["loss"]
    assert panels(picture(finished_run, ["convergence", "profile"])) == ["highest loss", "loss"]
    assert panels(picture(finished_run)) == ["loss", "plane of loss", "highest loss"]  # a surface has no error


@pytest.mark.parametrize(
    ("change", "name", "why"),
    [
        (lambda run: run, "convergense", "no panel 'convergense': there are profile, plane, convergence"),
        (lambda run: run, "error", "no panel 'error': there are profile, plane, convergence"),
        (lambda run: with_metrics(run), "error", "no panel 'error': there are profile, top5, perplexity, plane"),
        (lambda run: with_metrics(run, ["error"], np.nan), "error", "no classes; it has profile, plane, convergence"),
        (lambda run: with_group(run, "profiles/plane"), "plane", "lie on one line"),
        (lambda run: without_plane(run), "plane", r"measure\.plane was 0"),
        (lambda run: unfinished(run, "plane", "shadow"), "plane", "not measured yet"),
        (lambda run: unfinished(with_metrics(run), "plane", "shadow", "path", "linear"), "top5", "not measured yet"),
        (lambda run: one_point(run), "plane", "a single point"),
        (lambda run: with_group(run, "history", step=np.zeros(0)), "convergence", "nothing was searched"),
    ],
)
def test_a_panel_that_is_not_there_says_why(change, name, why, finished_run):
    with pytest.raises(PathsearchError, match=why):
        picture(change(finished_run), [name])


def without_plane(run):
    run = with_group(run, "profiles/plane")
    return dataclasses.replace(run, config={**run.config, "measure": {**run.config["measure"], "plane": 0}})


def one_point(run):
    return with_group(run, "profiles/plane", x=np.zeros(1), y=np.zeros(1), loss=np.zeros((1, 1)))


def test_the_commands_options(finished_run, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(
        "sys.argv",
        ["pathsearch", "plot", str(finished_run.file), "-o", str(tmp_path / "a.svg"), "--panel", "plane"],
    )
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code
    assert (tmp_path / "a.svg").read_bytes().startswith(b"<?xml")
    assert capsys.readouterr().out == f"{tmp_path / 'a.svg'}\n"


def test_an_unfinished_run_is_drawn_as_far_as_it_is(finished_run):
    figure = picture(unfinished(finished_run, "plane", "shadow", "linear", "path"))
    assert panels(figure) == ["loss", "highest loss"]
    assert figure.axes[0].get_legend().get_texts()[0].get_text() == "as the last step kept saw it, not measured yet"
    assert "interrupted" in figure.get_suptitle()
    (line,) = figure.axes[0].get_lines()
    np.testing.assert_array_equal(line.get_ydata(), finished_run.groups["history"]["loss"][-1])
    figure = picture(unfinished(finished_run, "plane", "shadow", "linear"))
    assert panels(figure) == ["loss", "highest loss"]
    assert len(figure.axes[0].get_lines()) == 1
    assert "interrupted" in picture(unfinished(finished_run), ["plane"]).get_suptitle()


def test_one_step_of_a_training_can_be_seen(finished_run):
    history = {name: values[:1] for name, values in finished_run.groups["history"].items()}
    history |= {"t": history["t"][:, :1], "loss": history["loss"][:, :1]}
    run = with_group(unfinished(finished_run, "plane", "shadow", "linear", "path"), "history", **history)
    figure = drawn(dataclasses.replace(run, shape=(1, 2)))
    assert [axes.get_ylabel() for axes in figure.axes] == ["loss", "force"]
    assert figure.axes[0].get_lines()[0].get_marker() == "o"


def test_a_run_that_has_nothing_yet_is_a_line(finished_run):
    history = {name: values[:0] for name, values in finished_run.groups["history"].items()}
    run = with_group(unfinished(finished_run, "plane", "shadow", "linear", "path"), "history", **history)
    with pytest.raises(PathsearchError, match="nothing to draw yet: no step of the search is kept"):
        picture(run)


def test_pivots_are_marked_where_they_lie_on_the_path(finished_run):
    """In the middle of the line where t is, over the arc length; not the control points of a Bézier curve."""
    path = finished_run.groups["profiles/path"]
    line = picture(finished_run, ["profile"]).axes[0].get_lines()[1]
    marked = line.get_markevery()
    assert line.get_marker() == "o"
    np.testing.assert_allclose(path["t"][marked], np.arange(9) / 8, atol=1e-12)
    own = finished_run.groups["profiles/shadow"]["pivots_loss"]
    np.testing.assert_allclose(line.get_ydata()[marked], own)
    np.testing.assert_array_equal(line.get_xdata(), path["arc_length"] / path["arc_length"][-1])
    curve = dataclasses.replace(finished_run, curve="bezier")
    assert {each.get_marker() for each in picture(curve, ["profile"]).axes[0].get_lines()} == {"None"}


@pytest.mark.parametrize("name", ["profile", "plane", "convergence"])
def test_a_single_panel_fits_a_column_and_is_written_in_8_points(name, finished_run):
    figure = drawn(finished_run, name)
    assert figure.get_size_inches().tolist() == pytest.approx([3.3, 2.7])
    assert {text.get_fontsize() for text in texts(figure)} == {8.0}
    assert not figure.get_suptitle()
    assert not any(axes.get_title().strip() for axes in figure.axes)


def test_text_in_svg_is_text_and_a_png_has_300_dots_an_inch(finished_run, tmp_path):
    plots.save(finished_run, tmp_path / "a.svg", ["profile"])
    written = (tmp_path / "a.svg").read_text()
    assert re.search(r"<text[^>]*>arc length \(fraction\)</text>", written)
    assert re.search(r"<text[^>]*>path and its pivots</text>", written)
    plots.save(finished_run, tmp_path / "a.png", ["profile"])
    assert imread(tmp_path / "a.png").shape[:2] == (810, 990)


ODD = {
    "constant": np.full((7, 7), 3.0),
    "zero": np.zeros((7, 7)),
    "nothing finite": np.full((7, 7), np.nan),
    "infinite walls": np.where(np.eye(7) > 0, np.inf, 1.0),
    "one finite point": np.where(np.arange(49).reshape(7, 7) == 24, 1.0, np.nan),
    "huge": np.linspace(0, 1e300, 49).reshape(7, 7),
    "tiny": np.linspace(1e-300, 2e-300, 49).reshape(7, 7),
    "all but constant": 1e9 + np.linspace(0, 1e-6, 49).reshape(7, 7),
}


@pytest.mark.parametrize("case", ODD)
def test_any_losses_can_be_drawn(case, finished_run):
    """Constant ones have no contours, NaN no colour; none is a warning."""
    loss = ODD[case]
    row = np.resize(loss[3], finished_run.groups["profiles/linear"]["t"].shape)
    run = with_group(finished_run, "profiles/plane", loss=loss)
    run = with_group(run, "profiles/linear", loss=row)
    run = with_group(run, "profiles/path", loss=np.resize(row, run.groups["profiles/path"]["t"].shape))
    drawn(with_group(run, "profiles/shadow", pivots_loss=np.resize(loss[3], 9)), "plane", "profile")


def test_what_is_wrong_is_in_the_title(finished_run):
    path = finished_run.groups["profiles/path"]
    run = with_group(finished_run, "profiles/path", loss=path["loss"] + 500.0)
    for names in ((), ("profile",)):
        assert "worse than the straight line" in " ".join(picture(run, names).get_suptitle().split())
    assert picture(finished_run, ["profile"]).get_suptitle() == ""  # a caption says how it was found


@pytest.mark.parametrize("names", [(), ("plane",), ("profile",), ("convergence",)])
def test_no_text_is_cut_off(names, finished_run):
    path, shadow = (finished_run.groups[f"profiles/{name}"] for name in ("path", "shadow"))
    run = with_group(finished_run, "profiles/path", loss=np.where(path["t"] == 0.5, np.nan, path["loss"] + 500.0))
    run = with_group(run, "profiles/shadow", path_off=shadow["path_off"] + 1.0)
    run = dataclasses.replace(run, state="running", summary={**run.summary, "disagreement": 0.5})
    figure = drawn(run, *names)
    labels = [label for axes in figure.axes for label in (axes.xaxis.label, axes.yaxis.label)]
    legends = [text for legend in figure.findobj(Legend) for text in [legend.get_title(), *legend.get_texts()]]
    for text in [figure._suptitle, *labels, *legends]:
        box = text.get_window_extent()
        if not text.get_text():
            continue
        assert box.x0 >= 0
        assert box.x1 <= figure.bbox.x1
        assert box.y0 >= 0
        assert box.y1 <= figure.bbox.y1
    assert len(re.findall("\n", figure.get_suptitle())) >= 1


def test_suffixes_are_those_of_this_matplotlib():
    assert {"png", "pdf", "svg"} <= set(formats()) <= set(FigureCanvasAgg.get_supported_filetypes())


def test_a_metric_has_a_panel_of_its_own(finished_run):
    """Shares in per cent, all else as numbers; both splits, the test's dashed, which the legend says."""
    top5, perplexity = drawn(with_metrics(finished_run), "top5", "perplexity").axes
    assert top5.get_ylabel() == "top5, %"
    assert perplexity.get_ylabel() == "perplexity"
    for axes, start in ((top5, 50.0), (perplexity, 0.5)):
        lines = [(line.get_linestyle(), line.get_ydata()[0]) for line in axes.get_lines()]
        assert lines == [("-", start), ("-", start), ("--", start / 2), ("--", start / 2)]
        said = [(text.get_text(), line.get_linestyle()) for text, line in entries(axes)]
        assert said[2:] == [("training set", "-"), ("test set", "--")]
    (alone,) = drawn(with_metrics(finished_run, splits=["test"]), "top5").axes
    assert alone.get_ylabel() == "test top5, %"
    assert [text.get_text() for text, _ in entries(alone)] == ["straight line", "path and its pivots"]
    assert [line.get_linestyle() for line in alone.get_lines()] == ["-", "-"]


def test_many_panels_stand_in_rows_in_which_nothing_overlaps(finished_run):
    """Each metric's panel comes before the plane's, also of a metric that is called as a panel is."""
    figure = drawn(with_metrics(finished_run, METRICS))
    long = "much too long much too long\nmuch too long much too long"
    shown = ["loss", "top5, %", "perplexity", "error, %", long, "plane", "plane of loss", "highest loss"]
    assert panels(figure) == shown
    assert figure.get_size_inches().tolist() == pytest.approx([2 * 3.3, 4 * 2.7 + 12.5 / 72])
    boxes = [axes.get_tightbbox() for axes in figure.axes]
    there = [(box.x0, box.x1, box.y0, box.y1) for box in boxes]
    assert all(x0 >= 0 and x1 <= figure.bbox.x1 and y0 >= 0 for x0, x1, y0, _ in there)
    heads = [axes for axes in figure.axes if axes.get_xlabel()]  # others are scales beside these
    assert len(heads) == 8
    apart = [axes.get_tightbbox() for axes in heads]
    assert not any(a.overlaps(b) for n, a in enumerate(apart) for b in apart[:n])
    assert panels(picture(with_metrics(finished_run, METRICS), ["metric_plane"])) == ["plane"]


def test_a_picture_says_that_a_part_of_the_data_was_measured(finished_run):
    measured = {"train": 10, "train_of": 2000, "test": 5, "test_of": 5}
    run = with_metrics(finished_run)
    run = dataclasses.replace(run, summary={**run.summary, "measured": measured})
    said = "measured on 10 of 2,000 training and all 5 test examples"
    assert picture(run, ["top5"]).get_suptitle() == said
    assert picture(run).get_suptitle().endswith(f"\n{said}")
    assert picture(run, ["convergence"]).get_suptitle() == ""


@pytest.mark.parametrize("identity", [False, True])
def test_the_line_as_it_came_is_drawn_faintly_where_the_end_was_permuted(identity, finished_run):
    """It may be higher than all else by far: the axes are for the others."""
    t, losses = np.linspace(0.0, 1.0, 5), np.array([-100.0, 400.0, 900.0, 400.0, -100.0])
    run = with_group(finished_run, "alignment/line", t=t, arc_length=2 * t, loss=losses)
    run = dataclasses.replace(run, alignment={"sides": [{"side": "end", "identity": identity}]})
    axes, plain = (picture(each, ["profile"]).axes[0] for each in (run, finished_run))
    assert axes.get_ylim() == plain.get_ylim()
    assert note(axes) == ("" if identity else "faint: straight line not aligned, up to 900")
    assert len(axes.lines) == (2 if identity else 3)
    if not identity:
        np.testing.assert_array_equal(axes.lines[-1].get_xydata(), np.stack([t, losses], 1))
        assert axes.lines[-1].get_alpha() < 0.5


def test_a_long_search_is_drawn_by_medians_over_its_faint_steps(finished_run):
    steps = 1000
    rng = np.random.default_rng(0)
    trend = np.linspace(1.0, 0.1, steps)
    force = trend * rng.lognormal(size=steps)
    force[700] = 1e-9
    history = {"stage": np.zeros(steps, int), "step": np.arange(steps), "force": force}
    run = with_group(finished_run, "history", **history, loss=np.stack([trend, trend + 1.0], axis=1))
    axes, right = picture(run, ["convergence"]).axes
    (steps_drawn, middle), (forces, medians) = axes.get_lines(), right.get_lines()
    assert (len(steps_drawn.get_xdata()), len(middle.get_xdata())) == (steps, 100)
    np.testing.assert_allclose(middle.get_ydata(), np.median((trend + 1.0).reshape(100, 10), axis=1))
    np.testing.assert_allclose(medians.get_ydata(), np.median(force.reshape(100, 10), axis=1))
    assert steps_drawn.get_alpha() == forces.get_alpha() == 0.2
    assert right.get_ylim()[0] > 1e-3
