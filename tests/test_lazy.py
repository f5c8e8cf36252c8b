"""Names that are known at once and imported when they are asked for."""

import sys

import pytest

from pathsearch.lazy import Table
from pathsearch.objectives.models import MODELS

HOUSE = "house_of_names"


@pytest.fixture
def table(tmp_path, monkeypatch):
    """A table of a package that is not imported yet."""
    (tmp_path / HOUSE).mkdir()
    (tmp_path / HOUSE / "__init__.py").write_text("")
    (tmp_path / HOUSE / "room.py").write_text("lamp, chair = 'a lamp', 'a chair'")
    monkeypatch.syspath_prepend(tmp_path)
    yield Table(HOUSE, {"light": "room:lamp", "seat": "room:chair", "nothing": "room:nothing"})
    for name in (HOUSE, f"{HOUSE}.room"):
        sys.modules.pop(name, None)


def test_names_are_known_without_an_import(table):
    assert list(table) == ["light", "seat", "nothing"]
    assert len(table) == 3
    assert "nothing" in table
    assert "lamp" not in table
    assert f"{HOUSE}.room" not in sys.modules


def test_an_object_is_imported_when_it_is_asked_for(table):
    assert table["light"] == "a lamp"
    assert table["seat"] == "a chair"
    with pytest.raises(KeyError):
        table["lamp"]
    with pytest.raises(AttributeError):
        table["nothing"]


def test_all_models_of_the_table_are_there():
    assert all(callable(make) for make in MODELS.values())
