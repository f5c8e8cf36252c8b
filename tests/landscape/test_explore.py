"""Landscapes: Müller–Brown's three minima, what is done once, what fails, files and messages."""

import shutil
import signal
from pathlib import Path

import numpy as np
import pytest

from pathsearch import report_landscape, storage
from pathsearch.errors import Interrupted, PathsearchError
from pathsearch.landscape import choice, explore
from pathsearch.landscape.joins import Joins, Point, trained
from pathsearch.numerics import tree
from pathsearch.plots import landscape as pictures
from pathsearch.run import config
from pathsearch.run.stop import Stop
from pathsearch.storage import landscape as file
from tests.commands import SMALL
from tests.commands import pathsearch as command
from tests.runs import Heard

MINIMA = [
    [-0.558223634633024, 1.441725841804669],
    [0.623499404930877, 0.028037758528718],
    [-0.050010822998206, 0.466694104871972],
]
POINTS = [Point("ABC"[n], end) for n, end in enumerate(MINIMA)]
SADDLE, LOWER = -40.664843508657, -72.24894012


def settings(*changes):
    return config.load("muller-brown", ["measure.plane=0", *changes])[0]


def joined(folder, heard=None, how=choice.tree, points=POINTS, stop=None, **more):
    joins = Joins(settings(), Path(), points, folder)
    return explore.explore(joins, how, heard or Heard(), stop or Stop(), **more)


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    return joined(tmp_path_factory.mktemp("landscape"))[0]


def test_muller_browns_landscape(found):
    ways = tree.minimax(found.saddles)
    assert ways[0, 1] == pytest.approx(SADDLE, abs=1e-6)
    assert ways[1, 2] == pytest.approx(LOWER, abs=1e-6)
    first, second = tree.merges(found.values, found.saddles)
    assert (first.first, first.second) == ((1,), (2,))
    assert second.height == pytest.approx(SADDLE, abs=1e-6)
    np.testing.assert_allclose(found.values, [-146.69951720995402, -108.16672411685236, -80.76781812965902], atol=1e-6)
    (way,) = (way for way in found.paths if (way.one, way.other) == (1, 2))
    assert way.figures["barrier"] == pytest.approx(LOWER - found.values[2], abs=1e-5)
    assert (found.file.parent / way.folder / "path.h5").is_file()
    assert report_landscape.headline(found).endswith("the highest -40.6648")
    again = file.read(found.file.parent)
    np.testing.assert_array_equal(again.saddles, found.saddles)
    assert again.paths == found.paths


def test_what_is_finished_is_not_searched_for_again(found, tmp_path, monkeypatch):
    shutil.copytree(found.file.parent, tmp_path / "a")
    heard = Heard()
    monkeypatch.setattr(explore.whole, "run", None)
    again, failed = joined(tmp_path / "a", heard)
    assert not failed
    np.testing.assert_array_equal(again.saddles, found.saddles)
    assert not any(line.startswith(("path ", "joins ")) for line in heard.lines)


def test_an_interrupted_one_goes_on_where_it_was(found, tmp_path, monkeypatch):
    stop = Stop()
    begun = []
    real = explore.whole.run

    def run(asked, place, watcher, stop):
        begun.append(place.name)
        if len(begun) == 2:
            stop.number = signal.SIGTERM
        return real(asked, place, watcher, stop)

    monkeypatch.setattr(explore.whole, "run", run)
    with pytest.raises(Interrupted):
        joined(tmp_path / "a", stop=stop)
    assert len(file.read(tmp_path / "a").paths) == 1
    again, _ = joined(tmp_path / "a")
    assert begun == ["A-B", "A-C", "A-C", "B-C"]
    np.testing.assert_array_equal(again.saddles, found.saddles)


def test_a_budget_a_star_and_a_list(tmp_path):
    assert len(joined(tmp_path / "a", budget=1)[0].paths) == 1
    assert len(joined(tmp_path / "a", hours=0.0)[0].paths) == 1
    assert len(joined(tmp_path / "hours", hours=1e-9)[0].paths) == 2  # the round that had begun
    assert len(joined(tmp_path / "a", how=choice.star)[0].paths) == 2
    only = joined(tmp_path / "b", how=choice.of_a_list([(1, 2)]))[0]
    assert [(way.one, way.other) for way in only.paths] == [(1, 2)]
    assert "in 2 parts that no path joins" in report_landscape.headline(only)


def test_a_path_that_is_not_found_holds_up_none(tmp_path):
    heard = Heard()
    points = [*POINTS[:2], Point("off", [float("nan"), 0.0])]
    landscape, failed = joined(tmp_path / "a", heard, points=points)
    assert [(way.one, way.other) for way in landscape.paths] == [(0, 1)]
    assert len(failed) == 2
    assert "A-off" in failed[0]


def test_a_path_whose_loss_is_not_finite_everywhere_has_no_saddle_and_holds_up_none(tmp_path):
    (tmp_path / "holes.py").write_text("def loss(w):\n    return w @ w / (w[0].abs() > 0.3)\n")  # infinite between
    changes = [
        "objective={name: callable, target: 'holes:loss'}",
        "method=linear",
        "endpoints={start: [0, 0], end: [1, 1]}",
    ]
    points = [Point("ABC"[n], end) for n, end in enumerate([[-1.0, 0.0], [1.0, 0.0], [1.0, 1.0]])]
    for _ in range(2):  # the second finds the first one's runs
        joins = Joins(settings(*changes), tmp_path, points, tmp_path / "a")
        landscape, failed = explore.explore(joins, choice.tree, Heard(), Stop())
        assert [(way.one, way.other) for way in landscape.paths] == [(1, 2)]
        assert len(failed) == 2
        assert "A-B: loss is not finite all along the path" in failed[0]


def test_runs_that_are_to_have_more_steps_go_on(tmp_path):
    for steps, how in ((1, choice.star), (2, choice.every)):
        wanted = settings("method={name: polygon, bends: 1}", "optimizer=lbfgs", f"steps={steps}", "tolerance=null")
        landscape, _ = explore.explore(Joins(wanted, Path(), POINTS, tmp_path / "a"), how, Heard(), Stop())
        runs = [storage.read(landscape.folder(way)) for way in landscape.paths]
        assert {run.position["moves"] for run in runs} == {steps}
        saddles = [float(run.groups["profiles/path"]["loss"].max()) for run in runs]
        assert [way.figures["saddle"] for way in landscape.paths] == saddles


def test_hours_are_of_all_that_was_tried(found):
    joins = Joins(settings(), Path(), POINTS, found.file.parent)
    each = [explore._hours(joins, [pair]) for pair in ((0, 1), (0, 2), (1, 2))]
    assert min(each) > 0
    assert explore._hours(joins, [(0, 1), (0, 2), (1, 2)]) == pytest.approx(sum(each))
    assert explore._hours(Joins(settings(), Path(), POINTS, Path("nowhere")), [(0, 1)]) == 0.0


def test_what_was_found_with_other_settings_or_of_other_minima_is_refused(found, tmp_path):
    shutil.copytree(found.file.parent, tmp_path / "a")
    moved = [POINTS[0], Point("B", [0.5, 0.1]), POINTS[2]]
    with pytest.raises(PathsearchError, match=r"holds a run with another configuration: endpoints\.end"):
        joined(tmp_path / "a", points=moved)
    other = settings("method.images=9")
    with pytest.raises(PathsearchError, match=r"holds a run with another configuration: method\.images"):
        explore.explore(Joins(other, Path(), POINTS, tmp_path / "a"), choice.tree, Heard(), Stop())


def test_a_landscape_of_other_minima_is_not_replaced(found, tmp_path):
    shutil.copytree(found.file.parent, tmp_path / "a")
    for points in (POINTS[:2], [Point("point0", MINIMA[0]), Point("point1", MINIMA[1])]):
        with pytest.raises(
            PathsearchError, match=r"holds the landscape of other minima \(A, B, C; paths/.* name another"
        ):
            joined(tmp_path / "a", points=points)
    np.testing.assert_array_equal(file.read(tmp_path / "a").saddles, found.saddles)
    more = [*POINTS, Point("D", [0.6, 0.1])]
    assert len(joined(tmp_path / "a", points=more, budget=0)[0].paths) == len(found.paths)  # one more may come


def test_files_of_minima_are_looked_for_before_anything_is_written(tmp_path):
    for end in ("none.pt", {"run": "nowhere", "pivot": 0}):
        with pytest.raises(PathsearchError, match=r"no .*(none\.pt|nowhere)"):
            joined(tmp_path / "a", points=[*POINTS[:2], Point("C", end)])
    assert not list((tmp_path / "a").glob("*.h5"))


def test_runs_that_are_gone_are_named(found, tmp_path):
    shutil.copytree(found.file.parent, tmp_path / "a")
    assert report_landscape.gone(file.read(tmp_path / "a")) == []
    shutil.rmtree(tmp_path / "a" / "paths" / "A-B")
    (line,) = report_landscape.gone(file.read(tmp_path / "a"))
    assert line.endswith("their figures are kept: paths/A-B")


def test_a_minimum_with_two_values_was_measured_on_two_things(found):
    values = np.array([np.inf, -100.0, np.inf])
    joins = Joins(settings(), Path(), POINTS, found.file.parent)
    runs = explore._there(joins)
    with pytest.raises(PathsearchError, match=r"^B has loss -100, and -108\.\d+ in .*A-B"):
        explore._landscape(joins, values, runs)


def test_trained_minima_come_from_the_store(tmp_path):
    (tmp_path / "small.yaml").write_text(SMALL)
    changes = ["steps=4", "measure.points=3", "measure.plane=0"]
    wanted, _ = config.load(str(tmp_path / "small.yaml"), changes)
    points = trained(wanted.endpoints.start.train, range(3))
    assert [point.name for point in points] == ["seed0", "seed1", "seed2"]
    heard = Heard()
    one, _ = explore.explore(
        Joins(wanted, tmp_path, points, tmp_path / "a"), choice.star, heard, Stop(), tmp_path / "minima"
    )
    assert len(list((tmp_path / "minima").glob("mlp-*"))) == 3
    assert one.metric == "train_loss"
    assert len(one.paths) == 2
    best = int(np.argmin(one.values))
    assert all(best in (way.one, way.other) for way in one.paths)


def test_pictures_have_exact_heights(found):
    figure = pictures.picture(found)
    heights = {round(float(y), 6) for line in figure.axes[0].get_lines() for y in line.get_ydata()}
    assert {round(SADDLE, 6), round(found.saddles[1, 2], 6), *(round(v, 6) for v in found.values)} <= heights
    assert [text.get_text() for text in figure.axes[0].get_xticklabels()] == ["A", "B", "C"]


def test_files_that_are_no_landscapes(found, tmp_path):
    with pytest.raises(PathsearchError, match=r"no landscape in .*: `pathsearch explore` makes one"):
        file.read(tmp_path)
    (tmp_path / "landscape.h5").write_bytes(b"nothing")
    (run, *_) = found.file.parent.glob("paths/*/path.h5")
    for other in (tmp_path, run):
        with pytest.raises(PathsearchError, match=r"is no landscape, or was damaged: name a folder of"):
            file.read(other)
    later = found.file.read_bytes().replace(b"version 1", b"version 9", 1)
    (tmp_path / "later.h5").write_bytes(later)
    with pytest.raises(PathsearchError, match="has format version 9, this program reads 1: update pathsearch"):
        file.read(tmp_path / "later.h5")


def test_the_command_and_its_mistakes(tmp_path):
    (tmp_path / "pairs.yaml").write_text("[[0, 5]]")
    (tmp_path / "odd.yaml").write_text("[1, 2]")
    (tmp_path / "true.yaml").write_text("[[false, true]]")
    asked = ("explore", "muller-brown", "measure.plane=0", "--minima", str(MINIMA[:2]))
    said = command(*asked, "--out", "x", cwd=tmp_path).stdout
    assert said.startswith("2 minima, 1 path of 1 pairs; loss: minima ")
    assert (tmp_path / "x" / "landscape.png").read_bytes().startswith(b"\x89PNG")
    said = command("export", "x", "--t", "0.5", cwd=tmp_path, status=1).stderr
    assert said == "pathsearch: x is a landscape: name one of its runs, in x/paths\n"
    for options, line in {
        ("--pairs", "tre"): "--pairs: no 'tre' (did you mean 'tree'?)",
        ("--pairs", "pairs.yaml"): "[0, 5] are no two of the minima 0 to 1",
        ("--pairs", "odd.yaml"): "write pairs of numbers",
        ("--pairs", "true.yaml"): "[False, True] are no two of the minima 0 to 1",
        ("--align-once",): "--align-once: say how minima are aligned, as endpoints.align=weights",
        ("--minima", "1"): "say how many, at least 2",
        ("--minima", "4"): "this configuration trains none of its endpoints",
    }.items():
        done = command(*asked, *options, "--out", "y", cwd=tmp_path, status=1)
        assert line in done.stderr.splitlines()[-1]
        assert not (tmp_path / "y").exists()


def test_minima_that_are_aligned_once_lie_where_the_paths_from_the_best_end(tmp_path, monkeypatch):
    (tmp_path / "small.yaml").write_text(SMALL)
    changes = ["endpoints.align=weights", "steps=4", "measure.points=3", "measure.plane=0"]
    wanted, _ = config.load(str(tmp_path / "small.yaml"), changes)
    points = trained(wanted.endpoints.start.train, range(3))
    joins, store = Joins(wanted, tmp_path, points, tmp_path / "a"), tmp_path / "minima"
    found, failed = explore.explore(joins, choice.tree, Heard(), Stop(), store, once=True)
    assert not failed
    assert len(found.paths) == 3
    best = int(np.argmin(found.values))
    u, v = sorted({0, 1, 2} - {best})
    other = {n: storage.read_vectors(tmp_path / "a" / "paths" / f"seed{best}-seed{n}")[0] for n in (u, v)}
    third = storage.read_vectors(tmp_path / "a" / "paths" / f"seed{u}-seed{v}")[0]
    np.testing.assert_array_equal(other[u][0], other[v][0])  # the best one, as it is
    np.testing.assert_array_equal(third[[0, -1]], [other[u][-1], other[v][-1]])
    minima = {int(one.name.split("seed")[1][0]): one for one in store.iterdir() if "aligned" not in one.name}
    alone = {n: storage.read_vectors(minima[n])[0][0] for n in (u, v)}
    assert not np.array_equal(alone[u], other[u][-1])  # which were permuted
    np.testing.assert_allclose(np.sort(alone[u]), np.sort(other[u][-1]))
    again, _ = explore.explore(joins, choice.tree, Heard(), Stop(), store, once=True)
    assert again.paths == found.paths
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    joins = Joins(wanted, tmp_path, points, Path("../a"))
    again, _ = explore.explore(joins, choice.tree, Heard(), Stop(), store, once=True)
    assert again.paths == found.paths
