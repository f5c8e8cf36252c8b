"""Cases of the command line, of options, and of what climbs."""

import json
import os
import subprocess
import sys

import pytest
import torch

from pathsearch import storage
from pathsearch.cli import main
from pathsearch.measure import measured_path
from pathsearch.methods import AutoNeb, Neb
from pathsearch.objectives.function import FunctionObjective
from pathsearch.optimizers import Fire, Lbfgs
from tests.commands import ENVIRONMENT, command, pathsearch
from tests.conftest import searched


def slope(w):
    """A bent valley that falls all the way: no point of it is a maximum."""
    return -w[0] + 5 * (w[1] - 0.3 * torch.sin(3 * w[0])) ** 2


@pytest.mark.parametrize("optimizer", [Lbfgs(), Fire()], ids=lambda optimizer: optimizer.name)
@pytest.mark.parametrize(
    "method",
    [
        Neb(images=7, spring=5, climb=True),
        Neb(images=7, spring="inf", climb=True),
        Neb(images=1, spring=5, climb=True),
        AutoNeb(climb=True, cycles=[{"insert": {"rule": "equal", "count": 3}}, {"insert": {"rule": "highest"}}]),
    ],
    ids=["springs", "re-spaced", "one image", "autoneb"],
)
def test_case_26_climb(method, optimizer):
    objective = FunctionObjective(slope, 2, torch.float64, torch.device("cpu"))
    ends = [[-1.0, -0.0423], [1.0, 0.0423]]
    holder, steps = searched(objective, ends, method.stages(optimizer, 500, 1e-3))
    assert steps[-1].converged
    profile = measured_path(holder, "polygon", holder.inner_products(), 61, None)
    assert profile.summaries()["loss"]["barrier"] == 0.0
    assert profile.metrics["loss"].min() >= -1.0  # no image is beyond an end


POSIX = {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
SMALL = ("two-modes", "measure.plane=0", "measure.points=5")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished")
    pathsearch("run", *SMALL, "--out", "run", cwd=folder)
    return folder


def plainly(*arguments, cwd, status=0, **environment):
    """A process of its own from its first moment, as encodings are settled then; no traceback."""
    done = subprocess.run(command(*arguments), cwd=cwd, env={**ENVIRONMENT, **environment}, capture_output=True)
    said = done.stdout.decode("ascii"), done.stderr.decode("ascii")
    assert done.returncode == status, said
    assert "Traceback" not in said[1]
    return said


@pytest.mark.parametrize("environment", [{"PYTHONIOENCODING": "ascii"}, POSIX], ids=["output", "everything"])
def test_case_17_locale(environment, tmp_path):
    text = "# größer: ±×–\nobjective: two-modes\nmeasure: {points: 5, plane: 0}\n"
    (tmp_path / "own.yaml").write_text(text, "utf-8")
    out, _ = plainly("run", "own.yaml", "--out", "run", cwd=tmp_path, **environment)
    assert "\\xd7 chord" in out
    assert "|loss" in out  # the table has lines that ASCII has
    assert storage.read(tmp_path / "run").state == "finished"


def test_built_in_configurations_are_read_in_any_locale(tmp_path):
    assert "Two weights" in plainly("configs", "two-modes", cwd=tmp_path, **POSIX)[0]


def test_words_that_a_locale_has_no_signs_for_are_refused(tmp_path):
    _, err = plainly("run", "two-modes", "endpoints.start=größe.npy", cwd=tmp_path, status=1, **POSIX)
    assert err.count("\n") == 1
    assert "set LC_ALL=C.UTF-8" in err


def test_case_18_tilde_on_the_command_line(tmp_path, finished):
    home, run = tmp_path / "home", finished / "run"
    home.mkdir()
    (home / "own.yaml").write_text("objective: two-modes\nmeasure: {points: 5, plane: 0}\n")
    (home / "run").symlink_to(run)
    pathsearch("run", "~/own.yaml", "--out=~/other", cwd=tmp_path, HOME=str(home))
    assert storage.read(home / "other").state == "finished"
    assert "bezier: converged" in pathsearch("show", "~/run", cwd=tmp_path, HOME=str(home)).stdout
    pathsearch("plot", "~/run", "-o", "~/picture.png", cwd=tmp_path, HOME=str(home))
    assert (home / "picture.png").exists()
    assert not (tmp_path / "~").exists()
    said = pathsearch("submit", "two-modes", "--cluster", "~/no.yaml", cwd=tmp_path, status=1, HOME=str(home)).stderr
    assert f"looked for {home}/no.yaml" in said


LIGHT = """
import json, sys
from pathsearch.cli import main
for arguments in json.loads(sys.argv[1]):
    sys.argv[1:] = arguments
    try:
        main()
    except SystemExit:
        pass
    heavy = {"torch", "ray", "submitit", "sklearn", "torchvision"} & set(sys.modules)
    assert not heavy, (arguments, heavy)
assert "matplotlib" not in sys.modules
"""


def test_commands_that_need_no_torch_do_not_import_it(finished):
    commands = [
        ["-h"],
        ["--version"],
        ["run", "-h"],
        ["rnu"],
        ["configs"],
        ["configs", "digits"],
        ["options"],
        ["options", "--schema"],
        ["show", "run"],
        ["show", "run", "--json"],
        ["compare", "run"],
        ["compare", "run", "--format", "csv"],
        ["ensemble", "run"],  # refused, as no network is there
        ["jobs"],
        ["run", "digit"],
        ["run", "digits", "stepz=3"],
        ["run", "digits", "objective.model=resnet21"],
        ["submit", "digits", "method=nep"],
        ["bench", "digits", "method=nep"],
        ["run", *SMALL, "--out", "run"],  # finished already
        ["run", *SMALL, "seed=1", "--out", "run"],
    ]
    state = {**ENVIRONMENT, "XDG_STATE_HOME": str(finished)}
    done = subprocess.run(
        [sys.executable, "-c", LIGHT, json.dumps(commands)], cwd=finished, env=state, capture_output=True
    )
    assert done.returncode == 0, done.stderr.decode()
    assert b"is finished already" in done.stderr


def test_a_picture_is_drawn_again_only_where_it_is_missing_or_old(finished):
    picture, kept = finished / "run" / "path.png", finished / "run" / "path.h5"
    drawn = picture.stat().st_mtime_ns
    pathsearch("run", *SMALL, "--out", "run", cwd=finished)
    assert picture.stat().st_mtime_ns == drawn
    os.utime(picture, ns=(0, kept.stat().st_mtime_ns - 1))
    pathsearch("run", *SMALL, "--out", "run", cwd=finished)
    assert picture.stat().st_mtime_ns > drawn
    picture.unlink()
    pathsearch("run", *SMALL, "--out", "run", cwd=finished)
    assert picture.exists()


def test_a_reader_that_has_enough_ends_it_quietly(tmp_path):
    done = subprocess.run(
        f"set -o pipefail; '{sys.executable}' -m pathsearch options --schema | head -1",
        shell=True,
        executable="/bin/bash",
        cwd=tmp_path,
        env={**ENVIRONMENT, "PYTHONUNBUFFERED": "1"},
        capture_output=True,
    )
    assert (done.stdout, done.stderr) == (b"{\n", b"")


WRONG = {
    "another command": (
        ["rnu"],
        "no command 'rnu' (did you mean 'run'?): there are run, show, plot, configs, options,",
    ),
    "another option": (
        ["run", "--otu", "x"],
        "no option '--otu' (did you mean '--out'?): there are --out, --minima, --help",
    ),
    "a number too small": (["bench", "--rounds", "0"], "--rounds: give a whole number at least 1; -h says"),
    "no number": (["submit", "--nodes", "many"], "--nodes: give a whole number"),
    "nothing to show": (["show"], "missing argument 'RUN'; -h says what there is"),
    "one too many": (["show", "a", "b"], "got unexpected extra argument"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_command_line_is_one_line(case, monkeypatch, capsys):
    arguments, says = WRONG[case]
    status, out, err = here(arguments, monkeypatch, capsys)
    assert (status, out) == (2, "")
    assert err.startswith(f"pathsearch: {says}")
    assert err.count("\n") == 1


def test_configurations_are_printed_and_near_names_meant(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cifar.yaml").write_text("objective: circle\n")
    assert here(["configs", "moons"], monkeypatch, capsys)[1].startswith("# ")
    assert here(["configs", "cifar.yaml"], monkeypatch, capsys)[1] == "objective: circle\n"
    for name, says in (("digit", "no built-in configuration 'digit' (did you mean 'digits'?)"),):
        for asked in (["configs", name], ["run", name]):
            assert says in here(asked, monkeypatch, capsys)[2]
    assert (
        "no configuration file cifr.yaml (did you mean 'cifar.yaml'?)"
        in here(["run", "cifr.yaml"], monkeypatch, capsys)[2]
    )


@pytest.mark.parametrize(
    "name", ["run", "show", "compare", "plot", "ensemble", "configs", "options", "bench", "submit", "jobs", "logs"]
)
def test_help_of_every_command(name, monkeypatch, capsys):
    for flag in ("-h", "--help"):
        status, out, _ = here([name, flag], monkeypatch, capsys)
        assert status == 0
        assert f"Usage: pathsearch {name}" in out


def test_version_and_help_of_the_program(monkeypatch, capsys):
    assert here(["--version"], monkeypatch, capsys)[:2] == (0, "pathsearch 0.1.0\n")
    assert "Commands:" in here([], monkeypatch, capsys)[1]


def test_a_shell_completes_commands_and_configurations(monkeypatch, capsys):
    monkeypatch.setenv("_PATHSEARCH_COMPLETE", "complete_bash")
    for words, at, found in (("pathsearch conf", 1, ["configs"]), ("pathsearch configs tw", 2, ["two-modes"])):
        monkeypatch.setenv("COMP_WORDS", words)
        monkeypatch.setenv("COMP_CWORD", str(at))
        assert here([], monkeypatch, capsys)[1].split() == found


def here(arguments, monkeypatch, capsys):
    """Exit status, output and errors of the program in this process."""
    monkeypatch.setattr(sys, "argv", ["pathsearch", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    return (ended.value.code or 0, *capsys.readouterr())
