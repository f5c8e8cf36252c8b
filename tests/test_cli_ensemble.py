import json

import h5py
import numpy as np
import pytest

import pathsearch as api
from pathsearch import report_ensemble
from pathsearch.ensembles import Ensemble
from pathsearch.errors import PathsearchError
from pathsearch.numerics.calibration import Figures, figures, tally
from pathsearch.storage import predictions
from tests.commands import pathsearch, refused


def test_tables(network_runs, tmp_path):
    found = api.open(network_runs / "neb").ensemble(3)
    done = pathsearch("ensemble", network_runs / "neb", "--points", 3, cwd=tmp_path)
    lines = [line.split() for line in done.stdout.splitlines()]
    assert done.stdout.startswith("3 points at equal lengths along the path, on all 10 test examples\n")
    rows = {"start": found.points[0], "end": found.points[2], "mean": found.mean}
    rows |= {"both": found.ends, "3": found.predictions}
    for name, each in rows.items():
        (row,) = [line for line in lines if line[:1] == [name] and "weights" not in line and "equal" not in line]
        assert row[-5:] == [f"{100 * each.error:.2f}", "%", f"{each.nll:.3g}", f"{100 * each.ece:.2f}", "%"]
    (last,) = [line for line in lines if line[:3] == ["t", "=", "1"]]
    assert last[3::2] == [f"{100 * share:.2f}" for share in found.disagreement[2]]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["kept.h5", "kept.npz"])
def test_what_is_kept_gives_the_figures_again(network_runs, tmp_path, name):
    before = np.ones(2), np.ones((2, 3, 4), np.float16), np.ones(3, np.int64)
    predictions.write(tmp_path / "kept.npz", *before)  # is replaced
    done = pathsearch("ensemble", network_runs / "bezier", "--json", "--logits", name, cwd=tmp_path)
    shown = json.loads(done.stdout)
    if name.endswith("h5"):
        with h5py.File(tmp_path / name) as h5:
            kept = {each: h5[each][()] for each in h5}
            assert dict(h5.attrs) == {"format": "pathsearch predictions", "format_version": 1}
    else:
        kept = dict(np.load(tmp_path / name))
    assert kept["log_probabilities"].shape == (5, 10, 2)
    assert kept["log_probabilities"].dtype == np.float16
    np.testing.assert_array_equal(kept["t"], shown["t"])
    log_p = kept["log_probabilities"].astype(float)
    together = np.log(np.exp(log_p).mean(axis=0))
    for each, wanted in zip((*log_p, together), (*shown["points"], shown["predictions"])):
        error, nll, _ = figures(tally(each, kept["labels"]))
        assert (error, nll) == pytest.approx((wanted["error"], wanted["nll"]), rel=2e-3)
    if name.endswith("h5"):  # takes the place of its own kind
        pathsearch("ensemble", network_runs / "bezier", "--points", 2, "--logits", name, cwd=tmp_path)
        with h5py.File(tmp_path / name) as h5:
            assert len(h5["t"]) == 2
    assert {each.name for each in tmp_path.iterdir()} <= {"kept.h5", "kept.npz"}


REFUSED = {
    "one point": (["--points", "1"], "--points"),
    "no folder": (["--logits", "there/kept.h5"], "--logits there/kept.h5: there is no folder there"),
    "another kind of file": (["--logits", "kept.txt"], "ends in one of .h5, .npz"),
    "a run": (["--logits", "RUN/path.h5"], "path.h5: another file is there"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_input_is_refused_in_a_line(case, network_runs, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    options, says = REFUSED[case]
    run = network_runs / "neb"
    assert says in refused(monkeypatch, capsys, "ensemble", run, *(each.replace("RUN", str(run)) for each in options))
    assert list(tmp_path.iterdir()) == []
    assert api.open(run).run.state == "finished"


def test_files_that_logits_would_replace(tmp_path):
    np.savez(tmp_path / "own.npz", t=np.ones(2))
    (tmp_path / "folder.npz").mkdir()
    for name in ("own.npz", "folder.npz"):
        with pytest.raises(PathsearchError, match="another file is there"):
            predictions.refuse(tmp_path / name)
    predictions.write(tmp_path / "kept.npz", np.ones(2), np.ones((2, 3, 4), np.float16), np.ones(3, np.int64))
    predictions.refuse(tmp_path / "kept.npz")  # its own, which it replaces


def test_many_points_make_no_table_of_pairs():
    few = Figures(0.1, 0.2, 0.3)
    wide, narrow = (
        Ensemble(np.linspace(0, 1, k), (few,) * k, few, few, few, np.zeros((k, k)), 9, 9, 9) for k in (13, 12)
    )
    assert [len(list(report_ensemble.tables(each))) for each in (wide, narrow)] == [1, 2]


def test_what_has_no_classes_or_no_path_is_refused(network_runs, finished_run, monkeypatch, capsys):
    said = refused(monkeypatch, capsys, "ensemble", finished_run.file)
    assert "an ensemble is of networks that predict classes, objective muller-brown has none" in said
    minimum = next(each for each in (network_runs / "minima").iterdir() if each.is_dir())
    assert "it is a minimum" in refused(monkeypatch, capsys, "ensemble", minimum)
