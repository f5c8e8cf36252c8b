"""Linter, formatter, type checker, the direction of imports and the layout of tests, so that one command checks all."""

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE, TESTS = ROOT / "pathsearch", ROOT / "tests"
ACROSS = {
    "cases": "what people ran into, by the case's number, whichever package was to blame",
    "slurm": "runs on a real Slurm, which all its tests share",
}
"""Folders of tests that are of no package, and why."""


@pytest.mark.parametrize("tool", ["ruff check .", "ruff format --check .", "mypy", "lint-imports"])
def test_clean(tool):
    name, *arguments = tool.split()
    program = shutil.which(name, path=Path(sys.executable).parent) or shutil.which(name)
    assert program, f"{name} is missing: pip install -e '.[test]'"
    done = subprocess.run([program, *arguments], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def folders(root, pattern):
    return {str(file.parent.relative_to(root)) for file in root.rglob(pattern)}


def test_every_package_has_its_tests_and_every_folder_of_tests_its_package():
    packages, tested = folders(PACKAGE, "__init__.py"), folders(TESTS, "test_*.py")
    assert packages <= tested, f"no tests of {sorted(packages - tested)}"
    assert tested - packages == set(ACROSS)
    assert tested <= folders(TESTS, "__init__.py")


def test_a_file_of_tests_is_named_for_its_module_or_says_what_it_is_about():
    unknown = []
    for file in sorted(TESTS.rglob("test_*.py")):
        module = PACKAGE / file.parent.relative_to(TESTS) / file.name.removeprefix("test_")
        known = module.exists() or module.with_suffix("").is_dir()
        if not known and not ast.get_docstring(ast.parse(file.read_text("utf-8"))):
            unknown.append(f"{file.relative_to(ROOT)}: no {module.relative_to(ROOT)}, and no docstring")
    assert not unknown
