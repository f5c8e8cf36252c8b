"""Import strings."""

import sys

import pytest

from pathsearch.errors import PathsearchError
from pathsearch.objectives.imports import importable, imported


@pytest.mark.parametrize(
    "target", ["net", "net:", ":Net", "net.py:Net", "a/net:Net", ".net:Net", "net:Net()", "a..b:c"]
)
def test_what_is_no_import_string(target):
    with pytest.raises(PathsearchError, match=r"objective\.model: .* is no import string: write it as package.module"):
        imported(target, "objective.model")


def test_a_module_of_a_package_that_is_another_one():
    with pytest.raises(PathsearchError, match=r"import 'json.mine' .*; module 'json' \(.*json.*\) has been found"):
        imported("json.mine:Net", "objective.model")


def test_an_interrupt_passes(tmp_path, monkeypatch):
    (tmp_path / "stopped.py").write_text("raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        imported("stopped:f", "objective.target", tmp_path)


def test_a_module_may_change_where_python_looks(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = list(sys.path)
    with importable(tmp_path / "configs"):
        assert sys.path == [str(tmp_path), str(tmp_path / "configs"), *before]
        sys.path.remove(str(tmp_path))
        sys.path.append("more")
    assert sys.path == [*before, "more"]


def test_random_numbers_of_a_module_are_the_same_each_time(tmp_path):
    found = []
    for name in ("first", "second"):
        (tmp_path / f"{name}_drawing.py").write_text(
            "import random, numpy, torch\nx = [random.random(), numpy.random.rand(), float(torch.rand(()))]\n"
            "def f(): return x"
        )
        found.append(imported(f"{name}_drawing:f", "objective.target", tmp_path)())
    assert found[0] == found[1]
