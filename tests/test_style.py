"""Linter, formatter, type checker and the direction of imports, so that one command checks everything."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("tool", ["ruff check .", "ruff format --check .", "mypy", "lint-imports"])
def test_clean(tool):
    name, *arguments = tool.split()
    program = shutil.which(name, path=Path(sys.executable).parent) or shutil.which(name)
    assert program, f"{name} is missing: pip install -e '.[test]'"
    done = subprocess.run([program, *arguments], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
