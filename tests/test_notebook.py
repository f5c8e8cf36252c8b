"""The notebooks in analysis/: each runs from its first cell to its last and finds what its text says, and what is kept
of each are the outputs of its own cells."""

import os
import re
import subprocess
import sys

import nbformat
import pytest

from tests import notebooks

NAMES = ("first-path", "landscape", "methods", "watch-a-run")
SIZE = 300_000  # bytes of a notebook that is kept with its pictures
PICTURES = {"first-path": 2, "landscape": 2, "methods": 2, "watch-a-run": 2}


def code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def outputs(notebook):
    return [output for cell in code(notebook) for output in cell.outputs]


def said(notebook):
    """All that was printed, and values as text."""
    return "\n".join(each.get("text", "") + each.get("data", {}).get("text/plain", "") for each in outputs(notebook))


def pictures(notebook):
    return [each for each in outputs(notebook) if "image/png" in each.get("data", {})]


def numbers(line, text):
    """The numbers in the first line that begins so."""
    found = re.search(rf"^ *{line}\b(.*)$", text, re.MULTILINE)
    assert found, f"no line begins with {line}"
    return [float(number) for number in re.findall(r"-?\d+(?:\.\d+)?", found[1])]


def first_path(text):
    line, path = (numbers(f"{name}: highest", text)[0] for name in ("line", "path"))
    assert line == pytest.approx(0.336, abs=0.01)
    assert path < 0.05 * line
    here, measured = numbers("error half-way", text)
    assert here == measured < 0.05


def methods(text):
    barriers = {}
    for name in ("polygon", "bezier", "neb", "autoneb", "aligned"):
        (spent, line, _), (barrier, *_) = numbers(name, text), numbers(name, text.partition("length_over_chord")[2])
        # as the table folds: gradients, barrier of the line, highest; barrier, error, length
        assert 700 < spent < 1400
        assert line == pytest.approx(0.0179 if name == "aligned" else 0.373, rel=0.1)
        barriers[name] = barrier
    assert barriers["aligned"] < 0.3 * min(barriers[name] for name in barriers if name != "aligned")
    assert max(barriers.values()) < 0.373 / 30
    assert numbers("barrier", text) == pytest.approx([0.372, 0.0179], rel=0.1)


def landscape(text):
    assert numbers("point1", text.partition("other")[2]) == [-40.664844, -72.24894]
    over = [numbers(f"by {way}", text)[0] for way in ("seed0 – seed1", "seed1 – seed4")]
    assert max(over) < 0.8 * numbers("on their own path", text)[0]
    for n in range(4):  # the tree: saddles, and how high the straight lines are
        saddle, line = numbers(f"{n}  seed. *seed.", text)
        assert saddle < 0.1
        assert line > 2


def watch_a_run(text):
    assert re.search(r"COMPLETED +300 / 300 ", text)
    assert "every step that was taken: True" in text
    assert "run: left out of the table" in text


FOUND = {"first-path": first_path, "landscape": landscape, "methods": methods, "watch-a-run": watch_a_run}


@pytest.mark.parametrize("name", NAMES)
def test_runs_from_its_first_cell_to_its_last(name, tmp_path):
    # in a process of its own: the kernel's libraries have warnings and event loops that are not ours
    environment = {
        **os.environ,
        "PATH": f"{os.path.dirname(sys.executable)}:{os.environ['PATH']}",
        "OMP_NUM_THREADS": "1",
    }
    subprocess.run(
        [sys.executable, "-m", "tests.notebooks", name, "--into", tmp_path],
        check=True,
        cwd=notebooks.FOLDER.parent,
        env={**environment, "TMPDIR": str(tmp_path)},
    )
    done = nbformat.read(tmp_path / f"{name}.ipynb", as_version=4)
    assert not [each for each in outputs(done) if each.output_type == "error" or each.get("name") == "stderr"]
    assert "warning" not in said(done).lower()
    assert len(pictures(done)) == PICTURES[name]
    FOUND[name](said(done))


@pytest.mark.parametrize("name", NAMES)
def test_what_is_kept_are_the_outputs_of_these_cells(name):
    file = notebooks.FOLDER / f"{name}.ipynb"
    kept = nbformat.read(file, as_version=4)
    assert kept.metadata.get("executed") == notebooks.digest(kept), f"write it anew: python -m tests.notebooks {name}"
    assert [cell.execution_count for cell in code(kept)] == list(range(1, len(code(kept)) + 1))
    assert file.stat().st_size < SIZE
    assert not re.search(r"/(tmp|home|root|work|Users)/", said(kept)), "it names a folder of the machine it ran on"
    FOUND[name](said(kept))


@pytest.mark.parametrize("name", NAMES)
def test_begins_with_a_question_and_ends_with_what_was_seen(name):
    kept = nbformat.read(notebooks.FOLDER / f"{name}.ipynb", as_version=4)
    first, last = kept.cells[0], kept.cells[-1]
    assert first.cell_type == last.cell_type == "markdown"
    assert re.match(r"# [^\n]+\n\n\*\*[^*]+\?\*\*\n", first.source)
    assert 'pip install ".[notebook]"' in first.source
    assert last.source.startswith("## What was seen\n")
    assert len(kept.cells) <= 20


def test_all_are_tried():
    assert notebooks.names() == list(NAMES)
