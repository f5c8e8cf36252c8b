"""Reading runs from Python: datasets, points of the path, models, pictures, while the run goes on as well."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib import pyplot
from torch import nn

import pathsearch
from pathsearch import storage
from pathsearch.errors import Interrupted, PathsearchError
from tests.runs import OWN, carried_out, loss, plain


@pytest.mark.parametrize("name", ["neb", "bezier"])
def test_a_model_has_the_loss_of_the_profile(network_runs, name):
    opened = pathsearch.open(network_runs / name)
    profile = opened.profile.to_dataframe()
    data = plain(network_runs)[1]
    for t in (0.0, profile.index[len(profile) // 3], profile.train_loss.idxmax(), 1.0):
        model = opened.model(t)
        assert not any(part.training for part in model.modules())
        assert loss(model, data) == pytest.approx(profile.train_loss[t], rel=1e-5)
    assert os.getcwd() != str(network_runs)
    # each is the caller's own, and the batch norm's statistics are the point's
    other = opened.model(0.5)
    assert not torch.equal(other[1].running_mean, model[1].running_mean)
    nn.init.zeros_(model[0].weight)
    assert loss(opened.model(1.0), data) == pytest.approx(profile.train_loss[1.0], rel=1e-5)


@pytest.mark.parametrize("name", ["neb", "bezier"])
def test_weights_are_points_of_the_curve(network_runs, name):
    opened, pivots = pathsearch.open(network_runs / name / "path.h5"), storage.read_vectors(network_runs / name)[0]
    for k in (0, -1):
        np.testing.assert_array_equal(opened.weights(0.0 if k == 0 else 1), pivots[k])
    if name == "neb":  # four pivots, three segments
        wanted = 0.25 * pivots[1] + 0.75 * pivots[2]
        point = opened.weights(torch.tensor(1.75 / 3))
    else:
        wanted = 0.49 * pivots[0] + 0.42 * pivots[1] + 0.09 * pivots[2]
        point = opened.weights(np.float32(0.3))
    np.testing.assert_allclose(point, wanted, rtol=1e-4, atol=1e-6)
    assert point.dtype == np.float32


def test_datasets_have_names_for_axes(network_runs):
    opened = pathsearch.open(str(network_runs / "neb"))
    run = storage.read(network_runs / "neb")
    assert opened.profile.train_loss.dims == opened.line.arc_length.dims == ("t",)
    np.testing.assert_array_equal(opened.line.train_error, run.groups["profiles/linear"]["train_error"])
    assert float(opened.profile.sel(t=1.0).train_loss) == run.groups["profiles/path"]["train_loss"][-1]
    assert opened.history.loss.dims == ("row", "point")
    assert len(opened.history.to_dataframe()) == run.groups["history"]["loss"].size
    assert opened.settings.method.name == "neb"
    assert opened.summary["path"]["train_loss"]["max"] == run.groups["profiles/path"]["train_loss"].max()
    assert repr(opened) == f"Opened({opened.file}: neb, finished, 4 pivots of 37 weights)"


def test_panels_are_drawn_on_given_axes(network_runs):
    opened = pathsearch.open(network_runs / "neb")
    assert dir(opened.plot) == ["convergence", "error", "plane", "profile"]
    figure, (left, right) = pyplot.subplots(1, 2)
    assert opened.plot.profile(left) is left
    assert opened.plot.error(ax=right) is right
    assert [axes.get_xlabel() for axes in (left, right)] == 2 * ["arc length (fraction)"]
    own = opened.plot.convergence()
    assert own.figure is not figure
    assert len(opened.plot("profile", "error").axes) == 2
    with pytest.raises(PathsearchError, match="has no panel 'losses': there are profile, error, plane, convergence"):
        opened.plot.losses()
    pyplot.close("all")


@pytest.mark.parametrize("name", ["neb", "bezier"])
def test_layers_lie_where_their_weights_are(network_runs, name):
    opened = pathsearch.open(network_runs / name)
    found, shapes = opened.layers, {each: value.shape for each, value in plain(network_runs)[0].named_parameters()}
    assert list(found.parameter) == list(shapes)
    assert set(found.to_dataframe().columns) == {"norm", "distance", "angle", "chord"}
    begin = 0
    for parameter, shape in shapes.items():
        part = slice(begin, begin := begin + int(np.prod(shape)))
        start, point, end = (opened.weights(t)[part].astype(float) for t in (0.0, 0.5, 1.0))
        away, chord, here = point - start, end - start, found.sel(parameter=parameter, t=0.5)
        aside = away - (away @ chord) / (chord @ chord) * chord
        assert float(here.norm) == pytest.approx(np.linalg.norm(point), rel=1e-6)
        assert float(here.chord) == pytest.approx(np.linalg.norm(chord), rel=1e-6)
        assert float(here.distance) == pytest.approx(np.linalg.norm(aside), rel=1e-4, abs=1e-6)
        angle = np.degrees(np.arccos(away @ chord / np.linalg.norm(away) / np.linalg.norm(chord)))
        assert float(here.angle) == pytest.approx(angle, rel=1e-4, abs=0.1)
    assert float(found.distance.max()) > 0.01


@pytest.mark.parametrize("t", [-0.1, 1.1, np.nan, [0.5], "middle", None])
def test_there_are_no_points_outside(network_runs, t):
    opened = pathsearch.open(network_runs / "neb")
    for asked in (opened.weights, opened.model):
        with pytest.raises(PathsearchError, match=r"^t is to be a number in \[0, 1\], not .+"):
            asked(t)


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="Linux lists open files there")
def test_a_run_is_read_while_it_goes_on(network_runs, monkeypatch):
    """What is asked is answered from the file of that moment; nothing of it is kept open."""
    monkeypatch.chdir(network_runs)
    with pytest.raises(Interrupted):
        carried_out("neb.yaml", out="again", stop_at=10)
    opened = pathsearch.open("again")
    assert opened.run.state == "running"
    before, steps = opened.weights(0.5), len(opened.history.row)
    with pytest.raises(PathsearchError, match=r"has no profiles/path: not measured yet, see `history`"):
        opened.profile  # noqa: B018
    assert opened.plot.profile().get_xlabel() == "t"
    pyplot.close("all")
    model = opened.model(0.5)
    carried_out("neb.yaml", out="again")
    assert len(opened.history.row) > steps
    assert float(opened.profile.train_loss.max()) > 0
    assert not np.array_equal(opened.weights(0.5), before)
    assert not torch.equal(opened.model(0.5)[0].weight, model[0].weight)
    files = [os.path.realpath(f"/proc/self/fd/{number}") for number in os.listdir("/proc/self/fd")]
    assert not [file for file in files if "path.h5" in file]


def test_what_cannot_be_had_is_said_in_a_line(network_runs, finished_run, tmp_path, monkeypatch):
    with pytest.raises(PathsearchError, match=r"objective muller-brown has no model, only a network has"):
        pathsearch.open(finished_run.file).model(0.5)
    with pytest.raises(PathsearchError, match="name a run's folder"):
        pathsearch.open(tmp_path)
    minimum = pathsearch.open(next((network_runs / "minima").iterdir()))
    with pytest.raises(PathsearchError, match="has no profiles/path: it is a minimum"):
        minimum.profile  # noqa: B018
    assert len(minimum.weights(0.0)) == 37
    with pytest.raises(PathsearchError, match="a minimum is a point"):
        minimum.layers  # noqa: B018
    for points in (1, 2.5, "3"):
        with pytest.raises(PathsearchError, match=f"points is to be a whole number at least 2, not {points}"):
            pathsearch.open(network_runs / "neb").evenly(points)
    moved = tmp_path / "moved"
    shutil.copytree(network_runs, moved)
    monkeypatch.chdir(moved)
    pathsearch.open(network_runs / "neb").model(0.5)
    with monkeypatch.context() as patch:
        patch.setattr("pathsearch.run.reopened.os.chdir", lambda place: None)  # as if that folder were gone
        with pytest.raises(PathsearchError, match=r"objective.model own:Net: .*/own.py is imported already, not /"):
            pathsearch.open("neb").model(0.5)
        Path("own.py").write_text(OWN.replace("nn.Linear(2, 5)", "nn.Linear(2, 5, False)"))
        with pytest.raises(PathsearchError, match=r"objective.model \(own:Net in own.py\), objective.data .* changed"):
            pathsearch.open("neb").model(0.5)


def test_xarray_is_asked_for_where_it_is_missing(finished_run):
    code = f"""
import sys
sys.modules["xarray"] = None
import pathsearch
opened = pathsearch.open({str(finished_run.file)!r})
try:
    opened.profile
except pathsearch.PathsearchError as error:
    print(error)
opened.plot.profile()
print(len(opened.weights(0.5)), "torch" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    said, rest = done.stdout.splitlines()
    assert said.endswith("pip install xarray")
    assert rest == "2 False"  # which takes seconds to import
