"""The commands, with good input and bad."""

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from pathsearch import storage
from pathsearch.cli import main
from tests.commands import SMALL, command, pathsearch, shown, started


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli")
    (folder / "small.yaml").write_text(SMALL)
    done = pathsearch("run", "small.yaml", "--out", "run", cwd=folder, drawn=True)
    assert "test error" in done.stdout
    assert "step budget used, no convergence claimed" in done.stdout
    return folder


def test_show_prints_the_promised_keys_as_strict_json(finished):
    found = shown(finished / "run")
    promised = "format_version state converged method step evaluations parameters pivots length path linear"
    assert set(promised.split()) <= set(found)
    assert (found["state"], found["converged"], found["method"]) == ("finished", False, "neb")
    assert (found["step"], found["pivots"], found["parameters"]) == (150, 5, 64 * 16 + 16 + 160 + 10)
    # three images for 151 evaluations each; those of its minima are theirs
    assert found["evaluations"] == 3 * 151
    assert [each["side"] for each in found["minima"]] == ["start", "end"]
    order = ["train_loss", "train_error", "test_loss", "test_error", "train_loss_l2"]  # of the table's rows
    assert [name for name in found["path"] if name in order] == order
    for where in ("path", "linear"):
        for metric in ("train_loss", "train_error", "test_loss", "test_error"):
            assert {"start", "end", "max", "mean", "barrier"} <= set(found[where][metric])
    assert found["path"]["train_loss"]["start"] == found["linear"]["train_loss"]["start"]
    assert found["length"] >= found["chord"]


def test_the_log_is_plain_lines(finished):
    log = (finished / "run" / "run.log").read_text()
    assert "\x1b" not in log
    assert "neb, step 150 of 150: loss" in log


def test_plot_writes_a_png(finished):
    pathsearch("plot", "run", "-o", "picture.png", cwd=finished, drawn=True)
    assert (finished / "picture.png").read_bytes().startswith(b"\x89PNG")
    assert (finished / "run" / "path.png").read_bytes().startswith(b"\x89PNG")


def test_a_finished_run_is_not_run_again(finished):
    before = (finished / "run" / "path.h5").read_bytes()
    done = pathsearch("run", "small.yaml", "checkpoint.steps=7", "--out", "run", cwd=finished)
    assert "finished already" in done.stderr
    assert (finished / "run" / "path.h5").read_bytes() == before


def test_another_configuration_names_the_keys(finished):
    done = pathsearch("run", "small.yaml", "optimizer.lr=0.1", "seed=4", "--out", "run", cwd=finished, status=1)
    assert done.stderr.count("\n") == 1
    assert "optimizer.lr (0.05 there, 0.1 here), seed (0 there, 4 here)" in done.stderr


def test_a_path_is_the_same_wherever_its_endpoints_were_trained(finished):
    ends = "endpoints={start: {run: run, pivot: 0}, end: {run: run, pivot: -1}}"
    pathsearch("run", "small.yaml", ends, "--out", "later", cwd=finished)
    weights = [storage.read_vectors(finished / name)[0] for name in ("run", "later")]
    np.testing.assert_array_equal(weights[0], weights[1])
    for name in ("linear", "path"):
        one, other = (shown(finished / run)[name]["train_loss"] for run in ("run", "later"))
        assert one == other


def test_configs_and_an_own_callable(tmp_path):
    assert "muller-brown" in pathsearch("configs", cwd=tmp_path).stdout
    (tmp_path / "mysurface.py").write_text("def loss(w):\n    return (w @ w + w[1] - 1) ** 2\n")
    (tmp_path / "own.yaml").write_text(
        "objective: {name: callable, target: mysurface:loss, dtype: float64}\n"
        "endpoints: {start: [-1.0, 0.0], end: end.npy}\n"
        "method: {name: neb, images: 7, spring: 5, climb: true}\noptimizer: {name: lbfgs}\n"
        "steps: 300\ntolerance: 1.0e-4\n"
    )
    np.save(tmp_path / "end.npy", np.array([1.0, 0.0]))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    pathsearch("run", "../own.yaml", cwd=elsewhere)
    found = shown(elsewhere / "runs" / "own")
    assert found["converged"]
    assert found["path"]["loss"]["barrier"] < 0.05
    assert found["linear"]["loss"]["barrier"] == pytest.approx(1.0, abs=1e-3)


def test_bench_prints_its_figures(tmp_path):
    (tmp_path / "small.yaml").write_text(SMALL)
    found = json.loads(pathsearch("bench", "small.yaml", "--rounds", 3, "--actors", 1, "--json", cwd=tmp_path).stdout)
    assert found["rounds"] == 3
    assert found["parameters"] == 64 * 16 + 16 + 160 + 10
    assert 0 < found["gradient_seconds"] < found["step_seconds"]
    assert 0 < found["outside"] < 1
    assert set(found["evaluators"]) == {"loop", "vmap", "compiled"}
    assert found["evaluators"]["loop"]["seconds"] > 0
    assert found["gradients"] == "loop"
    (beside,) = found["actors"]
    assert beside["actors"] == 1
    assert 0 < beside["coordinator_bytes"] < 1000 * found["images"]
    assert [case["devices"] for case in found["forecast"]] == [1, 2, 4, 8]
    # each endpoint and each image is a device's own, with 2 endpoints and 3 images
    assert found["forecast"][3]["wall_hours"] < found["forecast"][0]["wall_hours"]


ENDS = "endpoints={start: [-1, 0], end: [1, 0]}"
BAD = {
    "an unknown key": (["two-modes", "stepz=3"], "stepz: no such option"),
    "a missing file": (["two-modes", "endpoints={start: nothing.npy, end: [1, 0]}"], "no file nothing.npy"),
    "a missing configuration": (["nothing.yaml"], "no configuration file nothing.yaml"),
    "endpoints of another kind": (
        ["two-modes", "endpoints={start: {seed: 3}, end: [1, 0]}"],
        "endpoints.start: give a list",
    ),
    "a cycle that does not fit": (
        ["two-modes", "method={name: autoneb, cycles: [{optimizer: {zz: 1}}]}"],
        "method.cycles: optimizer.zz",
    ),
    "a network of another shape": (["digits", "objective.model={name: 'own:vector'}"], "objective.model own:vector"),
    "a file that is no image": (["digits", "objective.data={name: folder, root: pictures}"], "objective.data raised"),
    "endpoints of another shape": (
        ["two-modes", "endpoints={start: [1, 2, 3], end: [1, 0]}"],
        "endpoints.start has shape",
    ),
    "identical endpoints": (["two-modes", "endpoints={start: [1, 0], end: [1, 0]}"], "two different minima"),
    "the same seed twice": (["digits", "endpoints.end.train.seed=0"], "same seed"),
    "a loss that is not finite": (["hole.yaml"], "loss is nan at image 2 (t = 0.5), step 0"),
    "a quasi-Newton method on mini-batches": (
        ["digits", "optimizer=lbfgs"],
        "needs the same loss every step",
    ),
    "a model nobody knows": (["digits", "objective.model=resnet21"], "no built-in model 'resnet21'"),
    "a module nobody knows": (["digits", "objective.model=nothing:Net"], "cannot import 'nothing'"),
    "data that are not there": (["cifar10-resnet20"], "objective.data.download=true"),
    "a folder without data": (["digits", "objective.data={name: folder, root: x}"], "must hold train/ and test/"),
    "a folder that is a file": (["two-modes", "--out", "hole.yaml"], "name another with --out"),
    "a callable that raises": (["raises.yaml"], "RuntimeError: no luck"),
    "a callable of another shape": (["vector.yaml"], "must return a loss of shape ()"),
}


OWN = """
def hole(w):
    return w[1] / w[0] / w[0]

def raises(w):
    raise RuntimeError("no luck")

def vector(w):
    return w
"""


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_line_and_no_traceback(case, tmp_path, monkeypatch, capsys):
    (tmp_path / "own.py").write_text(OWN)
    for name, function in {"hole": "hole", "raises": "raises", "vector": "vector"}.items():
        (tmp_path / f"{name}.yaml").write_text(
            f"objective: {{name: callable, target: 'own:{function}'}}\n"
            "endpoints: {start: [-1, 0], end: [1, 0]}\nmethod: {name: neb, images: 3}\n"
        )
    for part in ("train", "test"):
        (tmp_path / "pictures" / part / "cat").mkdir(parents=True)
        (tmp_path / "pictures" / part / "cat" / "a.png").write_text("no picture")
    arguments, says = BAD[case]
    out = [] if "--out" in arguments else ["--out", "run"]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["pathsearch", "run", *arguments, *out])
    with pytest.raises(SystemExit) as ended:  # in this process: there are many cases, and torch takes long to import
        main()
    said = capsys.readouterr().err
    errors = [line for line in said.splitlines() if line.startswith("pathsearch: ")]
    assert ended.value.code == 1
    assert len(errors) == 1
    assert says in errors[0]
    assert said.endswith(errors[0] + "\n")
    assert "Traceback" not in said


def test_traceback_is_there_when_asked_for(tmp_path):
    done = subprocess.run(command("--traceback", "show", "x"), cwd=tmp_path, capture_output=True, text=True)
    assert "Traceback" in done.stderr
    assert done.returncode == 1


def test_damaged_files_are_refused_and_kept(finished, tmp_path):
    shutil.copytree(finished / "run", tmp_path / "run")
    shutil.copy(finished / "small.yaml", tmp_path)
    file = tmp_path / "run" / "path.h5"
    file.write_bytes(file.read_bytes()[:3000])
    for arguments in (["show", "run"], ["plot", "run"], ["run", "small.yaml", "--out", "run"]):
        done = pathsearch(*arguments, cwd=tmp_path, status=1)
        assert "cannot be read" in done.stderr
    assert file.stat().st_size == 3000


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_at_a_step_and_keeps_it(number, tmp_path, finished):
    (tmp_path / "small.yaml").write_text(SMALL)
    arguments = ("run", "small.yaml", "--out", "run", "--minima", finished / "minima")
    process = started(*arguments, cwd=tmp_path, err=tmp_path / "said")
    wait_for(tmp_path / "run" / "path.h5")
    os.kill(process.pid, number)
    process.join(60)
    assert process.exitcode == 130
    assert f"stopped by {signal.Signals(number).name}" in (tmp_path / "said").read_text().splitlines()[-1]
    pathsearch(*arguments, cwd=tmp_path)
    np.testing.assert_array_equal(storage.read_vectors(tmp_path / "run")[0], storage.read_vectors(finished / "run")[0])


def test_two_processes_do_not_share_a_folder(tmp_path):
    (tmp_path / "run").mkdir()
    with (tmp_path / "run" / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = pathsearch("run", "two-modes", "--out", "run", cwd=tmp_path, status=1)
    assert "another process is running" in done.stderr


def wait_for(file, seconds=60):
    end = time.monotonic() + seconds
    while not file.exists():
        assert time.monotonic() < end
        time.sleep(0.01)
