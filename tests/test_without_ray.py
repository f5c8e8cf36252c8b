"""A machine without Ray and without Submitit runs, resumes, measures, shows and draws; what needs them says so."""

import multiprocessing
import os
import sys
from pathlib import Path

import pytest

from tests.commands import ENVIRONMENT

HIDDEN = ("ray", "submitit")

OWN = """
import os, signal
from pathlib import Path

def loss(w):
    once = Path("stopped")
    if w.requires_grad and not once.exists():
        once.touch()
        os.kill(os.getpid(), signal.SIGTERM)
    return (w @ w + w[1] - 1) ** 2
"""

CONFIG = """
objective: {name: callable, target: "own:loss"}
endpoints: {start: [-1.0, 0.0], end: [1.0, 0.0]}
method: {name: neb, images: 3}
steps: 4
measure: {points: 5, plane: 3}
"""

PYTHON = """
import pathsearch
ring = lambda w: (w @ w + w[1] - 1) ** 2
path = pathsearch.connect(ring, [-1, 0], [1, 0], method="neb", steps=3, measure={"points": 5})
print(path.summary["path"]["loss"]["barrier"])
"""

COMMANDS = {
    "run": ["run", "own.yaml", "--out", "run"],
    "run again": ["run", "own.yaml", "--out", "run"],
    "show": ["show", "run"],
    "plot": ["plot", "run", "-o", "picture.png"],
    "jobs": ["jobs"],
    "holder": ["run", "own.yaml", "--out", "other", "holder=ray"],
    "submit": ["submit", "own.yaml", "--out", "other"],
    "resubmit": ["resubmit", "run"],
}


class Absent:
    """What an import finds of a package that is not installed."""

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in HIDDEN:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def without(folder, environment):
    """Run the commands, each of which leaves what it said and its exit status in files of its name."""
    import importlib.metadata

    from pathsearch.cli import main

    assert not [name for name in sys.modules if name.partition(".")[0] in HIDDEN]
    sys.meta_path.insert(0, Absent())
    found = importlib.metadata.distribution

    def distribution(name):
        if name in HIDDEN:
            raise importlib.metadata.PackageNotFoundError(name)
        return found(name)

    importlib.metadata.distribution = distribution
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    for name, arguments in COMMANDS.items():
        _redirected(name)
        sys.argv = ["pathsearch", *arguments]
        status = 0
        try:
            main()
        except SystemExit as end:
            status = end.code or 0
        Path(f"{name}.status").write_text(str(status))
    _redirected("python")
    exec(PYTHON, {})


def _redirected(name):
    sys.stdout.flush()
    sys.stderr.flush()
    os.dup2(os.open(f"{name}.said", os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 1)
    os.dup2(1, 2)


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    folder = tmp_path_factory.mktemp("without")
    (folder / "own.py").write_text(OWN)
    (folder / "own.yaml").write_text(CONFIG)
    fresh = multiprocessing.get_context("spawn")  # the server that others fork has imported Submitit
    process = fresh.Process(target=without, args=(folder, {**ENVIRONMENT, "XDG_STATE_HOME": str(folder / "state")}))
    process.start()
    process.join(300)
    said = {file.stem: file.read_text() for file in folder.glob("*.said")}
    assert process.exitcode == 0, said
    return said, {file.stem: int(file.read_text()) for file in folder.glob("*.status")}


def test_it_runs_resumes_shows_and_draws(said):
    lines, status = said
    assert {name: status[name] for name in ("run", "run again", "show", "plot", "jobs")} == {
        "run": 130,
        "run again": 0,
        "show": 0,
        "plot": 0,
        "jobs": 0,
    }, lines
    assert "stopped by SIGTERM" in lines["run"]
    assert "continues after" in lines["run again"]
    assert "loss" in lines["show"]
    assert lines["plot"].strip() == "picture.png"
    assert float(lines["python"]) >= 0


@pytest.mark.parametrize(
    ("name", "what", "package"),
    [
        ("holder", "holder=ray", "ray"),
        ("submit", "submitting a run", "submitit"),
        ("resubmit", "submitting a run", "submitit"),
    ],
)
def test_what_needs_them_says_so(said, name, what, package):
    lines, status = said
    assert status[name] == 1
    assert lines[name].splitlines()[-1] == (
        f"pathsearch: {what} needs {package}, which cannot be imported here (No module named '{package}'): "
        f"pip install {package}"
    )
