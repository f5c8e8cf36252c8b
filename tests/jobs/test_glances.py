"""Looks at runs, which are remembered as long as their files stay as they are."""

import json

import pytest

from pathsearch.jobs import glances as module
from pathsearch.jobs import registry
from pathsearch.jobs.glances import glances
from pathsearch.storage.glance import Glance


@pytest.fixture
def looked(tmp_path, monkeypatch):
    """The runs whose files were opened; each look finds one more move."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    found = []

    def glance(run):
        found.append(run.name)
        return None if run.name == "odd" else Glance("running", "neb", len(found), 9, float("nan"), None, 0)

    monkeypatch.setattr(module, "glance", glance)
    return found


def test_a_file_that_did_not_change_is_not_opened_again(tmp_path, looked):
    runs = [tmp_path / name for name in ("a", "odd", "nothing")]
    for run in runs:
        run.mkdir()
    for run in runs[:2]:
        (run / "path.h5").write_text("one")
    first = glances(runs)
    assert looked == ["a", "odd"]
    assert (first[runs[0]].moves, first[runs[1]], first[runs[2]]) == (1, None, None)
    assert repr(glances(runs)) == repr(first)
    assert looked == ["a", "odd"]
    (tmp_path / "new").write_text("two")
    (tmp_path / "new").replace(runs[0] / "path.h5")
    assert glances(runs)[runs[0]].moves == 3
    assert looked == ["a", "odd", "a"]


@pytest.mark.parametrize("held", ["", "[]", '{"a": 1}', "[" * 10**5, "wrong type", "less"])
def test_what_was_remembered_is_not_trusted(tmp_path, looked, held):
    run = tmp_path / "a"
    run.mkdir()
    (run / "path.h5").touch()
    (before,) = glances([run]).values()
    file = registry.place().with_name("glances.json")
    known = json.loads(file.read_text())
    if held == "wrong type":
        known[str(run)][1]["moves"] = "5"
    if held == "less":
        del known[str(run)][1]["stage"]
    file.write_text(json.dumps(known) if held[-1:].isalpha() else held)
    (after,) = glances([run]).values()
    assert looked == ["a", "a"]
    assert after.moves == before.moves + 1


def test_a_home_that_cannot_be_written_to(tmp_path, looked, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    (tmp_path / "path.h5").touch()
    assert glances([tmp_path])[tmp_path].moves == 1
