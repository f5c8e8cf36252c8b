"""Files that the last program of format version 1 wrote: they open, plot and continue, or say why not."""

import re
import shutil
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from pathsearch import plots, report, storage
from pathsearch.errors import PathsearchError
from pathsearch.run.extend import extended
from pathsearch.storage import version1
from pathsearch.storage.glance import glance
from tests.runs import carried_out

FILES = Path(__file__).parents[1] / "data" / "version-1"
SURFACE = ("muller-brown", "measure.points=9", "measure.plane=3", "optimizer=adam")
OLDER = (
    *("two-modes", "optimizer=sgd", "optimizer.lr=0.005", "tolerance=null"),
    *("measure.plane=0", "measure.points=5", "steps=6"),
)


@pytest.fixture
def network(tmp_path, monkeypatch):
    """The configuration that the stored runs of a network have."""
    monkeypatch.chdir(tmp_path)
    found = re.search(r"```yaml\n(.*)```", (FILES / "README.md").read_text(), re.DOTALL)
    (tmp_path / "network.yaml").write_text(found[1])
    return str(tmp_path / "network.yaml")


def copied(name, folder):
    folder.mkdir()
    shutil.copy(FILES / f"{name}.h5", folder / "path.h5")
    return folder


STANDS = {
    "muller-brown-finished": ("finished", 30, 217, "done"),
    "muller-brown-interrupted": ("unfinished", 13, 91, "neb"),
    "network-finished": ("finished", 10, 33, "done"),
    "network-interrupted": ("unfinished", 7, 21, "neb"),
    "network-training": ("unfinished", 0, 0, "neb"),
    "two-modes-older": ("unfinished", 4, 4, "bezier"),
}


@pytest.mark.parametrize("name", STANDS)
def test_it_opens(name, tmp_path):
    run = storage.read(FILES / f"{name}.h5")
    shown = report.figures(run)
    assert (shown["state"], shown["step"], shown["evaluations"], shown["stage"]) == STANDS[name]
    assert report.headline(shown)
    # a finished stage has a row for where it ended too
    assert len(run.groups["history"]["step"]) == STANDS[name][1] + (run.state == "finished")
    assert run.versions["h5py"] == "3.16.0"
    assert run.origin == "host example, git 0a6d8d3"
    assert (run.curve, run.minima) == ("bezier" if name == "two-modes-older" else "polygon", [])
    seen = glance(copied(name, tmp_path / "x"))
    assert (seen.moves, seen.stage) == (STANDS[name][1], STANDS[name][3])
    assert seen.steps == sum(run.summary["steps"])


@pytest.mark.parametrize("name", ["network-finished", "network-interrupted"])
def test_it_plots(name, tmp_path):
    plots.save(storage.read(FILES / f"{name}.h5"), tmp_path / "path.png", ["profile", "convergence"])
    assert (tmp_path / "path.png").stat().st_size > 10_000


def test_trainings_are_left_out():
    """Of twelve and eight steps, each of one gradient, and of one at the end of either."""
    run = storage.read(FILES / "network-finished.h5")
    assert (run.summary["stages"], run.summary["steps"]) == (["neb"], [10])
    assert (run.position["stage"], run.position["step"], run.position["moves"]) == (1, 10, 10)
    assert (run.last["stage"], run.last["moves"], run.last["evaluations"]) == (0, 10, 30)
    history = run.groups["history"]
    assert history["stage"].tolist() == 11 * [0]
    assert history["step"].tolist() == list(range(11))
    assert history["evaluations"].tolist() == list(range(3, 36, 3))
    assert np.isfinite(history["loss"]).all()


def test_options_have_the_names_of_today():
    run = storage.read(FILES / "network-finished.h5")
    assert run.config["holder"]["gradients"] == "auto"
    assert run.summary["gradients"] == "loop"
    assert "stack" not in {**run.config["holder"], **run.summary}


def test_an_unfinished_training_cannot_go_on(network, tmp_path):
    folder = copied("network-training", tmp_path / "x")
    with pytest.raises(PathsearchError, match=r"cannot go on: .* while it trained the endpoints; name another folder"):
        carried_out(network, out=folder)
    assert (folder / "path.h5").read_bytes() == (FILES / "network-training.h5").read_bytes()


@pytest.mark.parametrize(
    ("name", "options"), [("muller-brown", (*SURFACE, "steps=30")), ("network", ())], ids=["surface", "network"]
)
def test_an_interrupted_run_continues(name, options, network, tmp_path):
    """To what the old program found; on another machine last digits differ."""
    folder = copied(f"{name}-interrupted", tmp_path / "x")
    found = carried_out(*(options or (network,)), out=folder)
    wanted = storage.read(FILES / f"{name}-finished.h5")
    both = [storage.read_vectors(run.file)[0] for run in (found, wanted)]
    np.testing.assert_allclose(*both, rtol=1e-5, atol=1e-7)
    assert (found.state, found.shape) == ("finished", wanted.shape)
    for position, other in ((found.position, wanted.position), (found.last, wanted.last)):
        names = ("stage", "step", "moves", "evaluations", "converged", "begun", "pivots")
        assert [position[name] for name in names] == [other[name] for name in names]
    for group in ("history", "profiles/path"):
        np.testing.assert_allclose(
            found.groups[group]["loss" if group == "history" else "t"],
            wanted.groups[group]["loss" if group == "history" else "t"],
            rtol=1e-4,
        )
    assert [entry["origin"] for entry in found.writers[:1]] == ["host example, git 0a6d8d3"]
    assert len(found.writers) == 2


def test_a_finished_run_is_taken_as_it_is_and_can_be_made_longer(tmp_path):
    folder = copied("muller-brown-finished", tmp_path / "x")
    assert carried_out(*SURFACE, "steps=30", out=folder).state == "finished"
    assert (folder / "path.h5").read_bytes() == (FILES / "muller-brown-finished.h5").read_bytes()
    assert carried_out(*SURFACE, "steps=33", out=folder).position["moves"] == 33


def test_options_that_the_old_program_did_not_know_have_their_defaults(tmp_path):
    folder = copied("two-modes-older", tmp_path / "x")
    kept = storage.read(folder)
    assert {"seed", "endpoints"} & kept.config.keys() == set()
    assert "tolerance" not in kept.config["measure"]
    with pytest.raises(PathsearchError, match=r"seed \(0 there, 4 here\)"):
        carried_out(*OLDER, "seed=4", out=folder)
    found = carried_out(*OLDER, out=folder)
    assert (found.state, found.position["moves"], found.config["seed"]) == ("finished", 6, 0)


def test_extend_takes_its_configuration(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings = extended(copied("two-modes-older", tmp_path / "x"), ["steps=+2"]).settings
    assert (settings.steps, settings.holder.gradients) == (8, "auto")


def test_a_flipped_bit_is_noticed(tmp_path):
    folder = copied("muller-brown-interrupted", tmp_path / "x")
    content = (folder / "path.h5").read_bytes()
    for place in (3, 40, 70, 300, 512, len(content) // 2, len(content) - 1):
        flipped = bytes([content[place] ^ 1])
        (folder / "path.h5").write_bytes(content[:place] + flipped + content[place + 1 :])
        for read in (storage.read, storage.read_vectors):
            with pytest.raises(PathsearchError, match=r"cannot be read \(it was damaged or changed"):
                read(folder)


def test_every_attribute_is_given():
    run = storage.read(FILES / "two-modes-older.h5")
    known = version1.attributes(
        {name: "{}" for name in ("position", "summary", "versions")}
        | {"config": '{"method": {"name": "neb"}}', "state": "finished", "origin": "here"}
    )
    assert known.keys() == {each.name for each in fields(storage.layout.Attributes)}
    assert (run.last, run.outside, run.place) == ({}, {}, {})
