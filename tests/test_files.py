"""Where files are looked for."""

import os
from pathlib import Path

import pytest

from pathsearch.errors import PathsearchError
from pathsearch.files import candidates, expanded, found


def test_home_folders(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    assert expanded("~/a") == Path("/home/me/a")
    assert expanded("a~/~") == Path("a~/~")
    with pytest.raises(PathsearchError, match="write the path without ~"):
        expanded("~no-such-user-here/a")


def test_the_working_folder_comes_first_then_the_configurations(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    beside = tmp_path / "configs"
    beside.mkdir()
    (beside / "a").touch()
    assert found("a", beside) == beside / "a"
    (tmp_path / "a").touch()
    assert found("a", beside) == Path("a")
    assert found(tmp_path / "a", beside) == tmp_path / "a"
    assert candidates("a", Path()) == [Path("a")]


@pytest.mark.parametrize("name", ["none", "n" * 5000, "a\0b"])
def test_what_is_not_there_is_looked_for_in_places_that_are_named(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(PathsearchError) as caught:
        found(name, tmp_path / "configs")
    assert f"here in {os.getcwd()} or beside the configuration in {tmp_path}/configs" in str(caught.value)
