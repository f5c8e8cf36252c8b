"""Where files are looked for, and where the program keeps its own."""

import os
import pwd
import sys
from pathlib import Path

import pytest

from pathsearch.errors import PathsearchError
from pathsearch.files import candidates, expanded, found, user_folder


def test_home_folders(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    assert expanded("~/a") == Path("/home/me/a")
    assert expanded("a~/~") == Path("a~/~")
    with pytest.raises(PathsearchError, match="write the path without ~"):
        expanded("~no-such-user-here/a")


@pytest.mark.skipif(sys.platform != "linux", reason="the folders of Linux")
def test_the_users_own_folders(monkeypatch):
    """Where they were in all versions: what is kept there is found again."""
    monkeypatch.setenv("HOME", "/home/me")
    places = {"cache": ".cache", "config": ".config", "state": ".local/state"}
    for kind, place in places.items():
        monkeypatch.delenv(f"XDG_{kind.upper()}_HOME", raising=False)
        assert user_folder(kind) == Path("/home/me") / place / "pathsearch"
    monkeypatch.setenv("XDG_STATE_HOME", "/other")
    assert user_folder("state") == Path("/other/pathsearch")

    def unknown(user):
        raise KeyError(user)

    monkeypatch.delenv("HOME")
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    assert user_folder("cache") is None
    assert user_folder("state") == Path("/other/pathsearch")


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
