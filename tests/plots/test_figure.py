"""Pictures: formats, panels, odd and unfinished runs. Warnings of matplotlib are errors here."""

import dataclasses
import re

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PathCollection

from pathsearch import plots, report
from pathsearch.cli import main
from pathsearch.errors import PathsearchError
from pathsearch.plots.figure import formats, picture


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


def drawn(run, *names):
    figure = picture(run, names)
    FigureCanvasAgg(figure).draw()
    return figure


def titles(figure):
    return [axes.get_title() for axes in figure.axes if axes.get_title()]


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
    assert titles(picture(finished_run, ["profile"])) == ["loss along the path"]
    assert titles(picture(finished_run, ["convergence", "profile"])) == ["convergence", "loss along the path"]
    assert len(titles(picture(finished_run))) == 3  # a surface has no error


@pytest.mark.parametrize(
    ("change", "name", "why"),
    [
        (lambda run: run, "convergense", "no panel 'convergense': there are profile, error, plane, convergence"),
        (lambda run: run, "error", "objective has no classes; it has profile, plane, convergence"),
        (lambda run: with_group(run, "profiles/plane"), "plane", "lie on one line"),
        (lambda run: without_plane(run), "plane", r"measure\.plane was 0"),
        (lambda run: unfinished(run, "plane", "shadow"), "plane", "not measured yet"),
        (lambda run: unfinished(run, "plane", "shadow", "path", "linear"), "error", "not measured yet"),
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
    assert titles(figure) == ["loss along the path, not measured yet", "convergence"]
    assert "interrupted" in figure.get_suptitle()
    (line,) = figure.axes[0].get_lines()
    np.testing.assert_array_equal(line.get_ydata(), finished_run.groups["history"]["loss"][-1])
    figure = picture(unfinished(finished_run, "plane", "shadow", "linear"))
    assert titles(figure) == ["loss along the path", "convergence"]
    assert len(figure.axes[0].get_lines()) == 1
    assert "interrupted" in picture(unfinished(finished_run), ["plane"]).get_suptitle()


def test_one_step_of_a_training_can_be_seen(finished_run):
    history = {name: values[:1] for name, values in finished_run.groups["history"].items()}
    history |= {"t": history["t"][:, :1], "loss": history["loss"][:, :1]}
    run = with_group(unfinished(finished_run, "plane", "shadow", "linear", "path"), "history", **history)
    figure = drawn(dataclasses.replace(run, shape=(1, 2)))
    assert titles(figure) == ["training"]
    assert figure.axes[0].get_lines()[0].get_marker() == "o"


def test_a_run_that_has_nothing_yet_is_a_line(finished_run):
    history = {name: values[:0] for name, values in finished_run.groups["history"].items()}
    run = with_group(unfinished(finished_run, "plane", "shadow", "linear", "path"), "history", **history)
    with pytest.raises(PathsearchError, match="nothing to draw yet: no step of the search is kept"):
        picture(run)


def test_pivots_have_the_colour_of_their_own_loss(finished_run):
    """Not of the loss that the plane has where they are projected to."""
    own = finished_run.groups["profiles/shadow"]["pivots_loss"]
    at_pivots = np.interp(np.linspace(0, 1, 9), *(finished_run.groups["profiles/path"][name] for name in ("t", "loss")))
    np.testing.assert_allclose(own, at_pivots)
    loss = finished_run.groups["profiles/plane"]["loss"]
    run = with_group(finished_run, "profiles/shadow", pivots_loss=np.linspace(loss.min(), loss.max(), len(own)))
    axes = drawn(run, "plane").axes[0]
    dots = [item for item in axes.collections if isinstance(item, PathCollection)][-1]
    shading = next(item for item in axes.collections if item.get_array() is not None and item is not dots)
    assert dots.norm is shading.norm
    assert dots.get_cmap().name == shading.get_cmap().name
    assert len(np.unique(dots.get_facecolors(), axis=0)) > 3
    np.testing.assert_array_equal(dots.get_facecolors()[0], shading.cmap(shading.norm(loss.min())))


def test_files_of_earlier_programs_have_white_pivots(finished_run):
    shadow = finished_run.groups["profiles/shadow"]
    older = {name: values for name, values in shadow.items() if not name.endswith(("off", "loss"))}
    run = dataclasses.replace(finished_run, groups={**finished_run.groups, "profiles/shadow": older})
    axes = drawn(run, "plane").axes[0]
    dots = [item for item in axes.collections if isinstance(item, PathCollection)][-1]
    np.testing.assert_array_equal(dots.get_facecolors(), [[1, 1, 1, 1]])
    assert axes.get_title().endswith("path: its projection")


def test_the_title_says_how_far_the_path_is_off(finished_run):
    chord = finished_run.summary["chord"]
    run = with_group(finished_run, "profiles/shadow", path_off=np.array([0.0, 0.25, 0.5, 0.25, 0.0]) * chord)
    assert report.figures(run)["off_plane"] == {"mean": pytest.approx(0.2), "max": pytest.approx(0.5)}
    assert "its projection, off by 0.20 chord, at most 0.50" in picture(run, ["plane"]).axes[0].get_title()
    assert "the path lies in it" in picture(finished_run, ["plane"]).axes[0].get_title()


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
def test_no_title_is_cut_off(names, finished_run):
    path, shadow = (finished_run.groups[f"profiles/{name}"] for name in ("path", "shadow"))
    run = with_group(finished_run, "profiles/path", loss=np.where(path["t"] == 0.5, np.nan, path["loss"] + 500.0))
    run = with_group(run, "profiles/shadow", path_off=shadow["path_off"] + 1.0)
    run = dataclasses.replace(run, state="running", summary={**run.summary, "disagreement": 0.5})
    figure = drawn(run, *names)
    texts = [figure._suptitle, *(axes.title for axes in figure.axes)]
    for text in texts:
        box = text.get_window_extent()
        assert not text.get_text() or (box.x0 >= 0 and box.x1 <= figure.bbox.x1 and box.y1 <= figure.bbox.y1)
    assert len(re.findall("\n", figure.get_suptitle())) >= 1


def test_suffixes_are_those_of_this_matplotlib():
    assert {"png", "pdf", "svg"} <= set(formats()) <= set(FigureCanvasAgg.get_supported_filetypes())
