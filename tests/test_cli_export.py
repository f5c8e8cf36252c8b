"""Points of a path as files that a user's own program loads."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import pathsearch as api
from pathsearch.numerics.profiles import equally_apart
from tests.commands import pathsearch, refused
from tests.runs import loss, plain


@pytest.mark.parametrize(("name", "file"), [("neb", "model.pt"), ("bezier", "model.safetensors")])
def test_the_plain_module_has_the_loss_of_the_profile(network_runs, tmp_path, name, file):
    profile = api.open(network_runs / name).profile
    t = float(profile.t[len(profile.t) // 3])
    done = pathsearch("export", network_runs / name, "--t", t, "-o", file, cwd=tmp_path)
    assert done.stdout == f"{file}: t = {t:.6g}\n"
    module, data = plain(network_runs)
    state = load_file(tmp_path / file) if file.endswith("safetensors") else torch.load(tmp_path / file)
    module.load_state_dict(state)
    assert loss(module.eval(), data) == pytest.approx(float(profile.train_loss.sel(t=t)), rel=1e-5)
    assert [each.name for each in tmp_path.iterdir()] == [file]


def test_several_points_are_as_far_apart(network_runs, tmp_path):
    """On a path through its pivots, whose corners the lengths between the points may cut off."""
    opened = api.open(network_runs / "neb")
    done = pathsearch("export", network_runs / "neb", "--points", 3, "-o", "net.pt", cwd=tmp_path)
    assert done.stdout.splitlines()[::2] == ["net-0.pt: t = 0", "net-2.pt: t = 1"]
    profile = opened.profile
    middle = float(np.interp(opened.evenly(3)[1], profile.t, profile.arc_length / profile.arc_length[-1]))
    assert middle == pytest.approx(0.5)
    module, _ = plain(network_runs)
    for n, t in enumerate(opened.evenly(3)):
        module.load_state_dict(torch.load(tmp_path / f"net-{n}.pt"))
        weights = torch.cat([each.detach().reshape(-1) for each in module.parameters()])
        np.testing.assert_array_equal(weights, opened.weights(t))


def test_equal_lengths():
    """Half of the way lies in the first tenth of t."""
    t, arc = np.array([0.0, 0.1, 1.0]), np.array([0.0, 3.0, 6.0])
    np.testing.assert_allclose(equally_apart(t, arc, 5), [0.0, 0.05, 0.1, 0.55, 1.0])


REFUSED = {
    "nothing": ([], "export takes --t, as --t 0.5 for the middle of the path, or --points, as --points 5"),
    "both": (["--t", "0.5", "--points", "3"], "export takes --t, as --t 0.5"),
    "beyond the end": (["--t", "1.5"], "t is to be a number in [0, 1], not 1.5"),
    "no number": (["--t", "nan"], "t is to be a number in [0, 1], not nan"),
    "one of several": (["--points", "1"], "--points"),
    "no folder": (["--t", "0.5", "-o", "there/model.pt"], "-o there/model.pt: there is no folder there"),
    "another kind of file": (["--t", "0.5", "-o", "run/path.h5"], "ends in one of .pt, .pth, .safetensors"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_input_is_refused_in_a_line(case, network_runs, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    options, says = REFUSED[case]
    assert says in refused(monkeypatch, capsys, "export", network_runs / "neb", *options)
    assert list(tmp_path.iterdir()) == []


def test_what_has_no_model_or_no_path_is_refused(network_runs, finished_run, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    said = refused(monkeypatch, capsys, "export", finished_run.file, "--t", "0.5", "-o", "model.pt")
    assert "objective muller-brown has no model, only a network has" in said
    assert list(tmp_path.iterdir()) == []
    minimum = next(each for each in (network_runs / "minima").iterdir() if each.is_dir())
    assert "it is a minimum" in refused(monkeypatch, capsys, "export", minimum, "--points", "3")
