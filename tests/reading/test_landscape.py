"""Reading landscapes from Python and from the command line: Müller–Brown's, and what is moved, damaged or missing."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from matplotlib import pyplot

import pathsearch
from pathsearch.errors import PathsearchError
from pathsearch.landscape import choice
from pathsearch.storage import landscape as file
from tests.commands import pathsearch as command
from tests.landscape.test_explore import LOWER, SADDLE, joined

VALUES = [-146.69951720995402, -108.16672411685236, -80.76781812965902]
FIGURES = {
    *("saddle", "barrier", "barrier_over_mean", "barrier_over_interpolation", "midpoint_over_mean"),
    *("length", "chord", "gradients", "minimax", "minimax_barrier"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """All pairs but A–B, whose lowest way is over C; not to be changed."""
    return joined(tmp_path_factory.mktemp("two"), how=choice.of_a_list([(0, 2), (1, 2)]))[0].file.parent


@pytest.fixture
def own(folder, tmp_path):
    """A copy, to be changed."""
    return Path(shutil.copytree(folder, tmp_path / "own"))


def test_minima_and_figures_of_all_pairs(folder):
    opened = pathsearch.open(folder)
    assert opened.minima.value.sel(minimum="B") == pytest.approx(VALUES[1], abs=1e-6)
    pairs = opened.pairs
    assert set(pairs) == FIGURES
    assert np.isnan(pairs.saddle.sel(one="A", other="B"))
    assert np.isnan(pairs.minimax.sel(one="A", other="A"))
    for one, other, saddle in (("A", "B", SADDLE), ("B", "A", SADDLE), ("A", "C", SADDLE), ("B", "C", LOWER)):
        at = pairs.sel(one=one, other=other)
        assert float(at.minimax) == pytest.approx(saddle, abs=1e-6)
        higher = max(VALUES["ABC".index(name)] for name in (one, other))
        assert float(at.minimax_barrier) == pytest.approx(saddle - higher, abs=1e-5)
    direct = pairs.sel(one="C", other="A")
    assert float(direct.barrier) == pytest.approx(SADDLE - VALUES[2], abs=1e-5)
    assert float(direct.barrier_over_mean) == pytest.approx(SADDLE - 0.5 * (VALUES[0] + VALUES[2]), abs=1e-5)
    assert len(pairs.to_dataframe()) == 9
    assert len(opened.minima.to_dataframe()) == 3


def test_the_tree_routes_and_runs(folder):
    opened = pathsearch.open(str(folder / "landscape.h5"))
    assert [edge[:2] for edge in opened.tree] == [("B", "C"), ("A", "C")]
    assert opened.tree[0].saddle == pytest.approx(LOWER, abs=1e-6)
    for ends in (("A", "B"), (0, 1), (np.int64(0), "B")):
        assert [edge[:2] for edge in opened.route(*ends)] == [("A", "C"), ("C", "B")]
    assert opened.route("B", "A")[0].folder == folder.resolve() / "paths" / "B-C"
    run = opened.run("C", "A")
    assert type(run) is type(pathsearch.open(folder / "paths" / "A-C"))
    assert float(run.profile.loss.max()) == pytest.approx(SADDLE, abs=1e-6)
    assert repr(opened) == (
        f"OpenedLandscape({folder.resolve() / 'landscape.h5'}: 3 minima, 2 paths of 3 pairs; loss: minima -111.9 ± 33, "
        "saddles over the tree -56.46 ± 22, the highest -40.6648)"
    )


def test_what_is_asked_is_answered_from_the_file_of_that_moment(tmp_path):
    joined(tmp_path / "a", how=choice.of_a_list([(1, 2)]))
    opened = pathsearch.open(tmp_path / "a")
    with pytest.raises(PathsearchError, match=r"^no paths join A and C in .*: explore further"):
        opened.route("A", "C")
    assert opened.summary["minima"]["A"] is None
    joined(tmp_path / "a")
    assert len(opened.route("A", "C")) > 0
    assert opened.summary["minima"]["A"] == pytest.approx(VALUES[0], abs=1e-6)


@pytest.mark.parametrize(
    ("ends", "says"),
    [
        (("A", "D"), r"has no minimum 'D': there are A, B, C"),
        (("A", 3), r"has no minimum 3: there are 0 to 2"),
        (("A", None), r"has no minimum None: there are A, B, C"),
        (("A", 0), r"name two minima, not A twice"),
    ],
)
def test_minima_that_are_not_there(folder, ends, says):
    opened = pathsearch.open(folder)
    for asked in (opened.route, opened.run):
        with pytest.raises(PathsearchError, match=says):
            asked(*ends)


def test_a_run_is_missing_in_one_line_and_all_else_is_there(own):
    opened = pathsearch.open(own)
    with pytest.raises(PathsearchError, match=r"^no run joins A and B in .*: the lowest way is A – C – B, see `route`"):
        opened.run("A", "B")
    shutil.rmtree(own / "paths" / "B-C")
    gone = r"the run .*/own/paths/B-C is gone: put it back .*, or run the same `pathsearch explore` again"
    with pytest.raises(PathsearchError, match=f"^{gone}"):
        opened.run("B", "C")
    with pytest.raises(PathsearchError, match=f"has no profiles to draw: {gone}"):
        opened.plot.profiles()
    assert "profiles" not in dir(opened.plot)
    assert [edge[:2] for edge in opened.tree] == [("B", "C"), ("A", "C")]
    figure = opened.plot()
    assert len([axes for axes in figure.axes if axes.get_label() != "<colorbar>"]) == 5
    assert "no profiles: the run" in "".join(text.get_text() for text in figure.texts).replace("\n", " ")
    assert float(opened.run("A", "C").profile.loss.max()) == pytest.approx(SADDLE, abs=1e-6)


def test_links_are_relative(own, tmp_path):
    moved = own.rename(tmp_path / "elsewhere")
    opened = pathsearch.open(moved)
    assert opened.run("A", "C").file == moved / "paths" / "A-C" / "path.h5"
    assert "profiles" in dir(opened.plot)


def test_profiles_of_other_runs_or_none_are_not_drawn(own):
    shutil.copytree(own / "paths" / "A-C", own / "paths" / "B-C", dirs_exist_ok=True)
    with pytest.raises(PathsearchError, match=r"B-C/path.h5 is another run than landscape.h5 has: run the same"):
        pathsearch.open(own).plot.profiles()
    (own / "paths" / "B-C" / "path.h5").write_bytes(b"no HDF5")
    with pytest.raises(PathsearchError, match=r"B-C/path.h5 cannot be read"):
        pathsearch.open(own).plot.profiles()


def test_panels_are_drawn_on_given_axes(folder):
    opened = pathsearch.open(folder)
    assert set(dir(opened.plot)) == {"disconnectivity", "connectivity", "tree", "profiles", *FIGURES}
    figure, axes = pyplot.subplots(1, 2)
    assert opened.plot.profiles(axes[0]) is axes[0]
    (first, second) = axes[0].get_lines()  # the highest first, each from its better minimum
    assert first.get_ydata()[0] == pytest.approx(VALUES[0], abs=1e-6)
    assert second.get_ydata()[[0, -1]] == pytest.approx(VALUES[1:], abs=1e-6)
    assert len(first.get_markevery()) == 9
    assert opened.plot.minimax_barrier(ax=axes[1]) is axes[1]
    assert opened.plot.tree().figure is not figure
    with pytest.raises(PathsearchError, match=r"has no panel 'matrix': there are disconnectivity, connectivity, tree"):
        opened.plot.matrix()
    pyplot.close("all")


@pytest.mark.parametrize("place", [8, 100, 520, 1500, -200, -1])
def test_any_changed_byte_is_told(own, place):
    whole = bytearray((own / "landscape.h5").read_bytes())
    whole[place] ^= 0x10
    (own / "landscape.h5").write_bytes(whole)
    with pytest.raises(PathsearchError, match=r"landscape.h5 (cannot be read \(it was damaged|is no landscape)"):
        pathsearch.open(own)
    (own / "landscape.h5").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(PathsearchError, match=r"landscape.h5 (cannot be read \(it was damaged|is no landscape)"):
        pathsearch.open(own)


def test_which_is_a_landscape(own, finished_run, tmp_path):
    assert file.is_landscape((own / "landscape.h5").rename(own / "other.h5"))
    assert not file.is_landscape(own)
    assert not file.is_landscape(finished_run.file)
    assert not file.is_landscape(tmp_path / "nothing")
    with pytest.raises(PathsearchError, match="no landscape in"):
        pathsearch.open(tmp_path / "landscape.h5")
    with pytest.raises(PathsearchError, match="is a landscape, no run: name one of the runs in paths beside it"):
        pathsearch.read(own / "other.h5")


def test_show_and_plot_take_landscapes(own, tmp_path):
    shown = command("show", "own", cwd=tmp_path).stdout
    assert shown.startswith("3 minima, 2 paths of 3 pairs; loss: minima -111.9 ± 33, saddles over the tree -56.46 ± 22")
    assert "B – C" in shown
    found = json.loads(command("show", "own/landscape.h5", "--json", cwd=tmp_path).stdout)
    assert set(found["pairs"]) == FIGURES
    assert found["pairs"]["saddle"][0][1] is None
    assert found["pairs"]["minimax"][0][1] == pytest.approx(SADDLE, abs=1e-6)
    assert found["minima_spread"]["mean"] == pytest.approx(np.mean(VALUES), abs=1e-6)
    assert found["saddles_spread"]["sd"] == pytest.approx(np.std([SADDLE, LOWER], ddof=1), abs=1e-6)
    assert [edge["folder"] for edge in found["tree"]] == ["paths/B-C", "paths/A-C"]
    assert command("plot", "own", "--panel", "tree", cwd=tmp_path).stdout == "own/landscape-tree.png\n"
    assert (own / "landscape-tree.png").read_bytes().startswith(b"\x89PNG")
    command("plot", "own", "-o", "a.pdf", cwd=tmp_path)
    assert (tmp_path / "a.pdf").read_bytes().startswith(b"%PDF")
    said = command("plot", "own", "--panel", "graph", cwd=tmp_path, status=1).stderr
    assert "has no panel 'graph': there are disconnectivity, connectivity, tree, profiles, saddle" in said
