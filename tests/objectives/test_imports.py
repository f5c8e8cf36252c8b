"""Import strings, and errors of what they name."""

import sys

import pytest
import torch

from pathsearch.errors import PathsearchError, described
from pathsearch.numerics.seeds import Key
from pathsearch.objectives import CallableSettings, NetworkSettings
from pathsearch.objectives.function import FunctionObjective
from pathsearch.objectives.imports import importable, imported
from pathsearch.objectives.users_code import errors_named

CPU = torch.device("cpu")


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


class Mute(Exception):
    def __str__(self):
        raise TypeError("no text")


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (Mute(), "Mute"),
        (AssertionError(), "AssertionError"),
        (ValueError("two\n lines"), "ValueError: two lines"),
        (MemoryError(), "MemoryError: there is not enough memory: use less data at once, or a machine with more"),
        (MemoryError("that much"), "MemoryError: that much"),
    ],
)
def test_errors_in_a_line(error, says):
    assert described(error) == says


@pytest.mark.parametrize("error", [SystemExit(2), GeneratorExit(), Mute(), RuntimeError("x")])
def test_whatever_is_raised_is_named_with_its_line(error):
    says = rf"it raised {type(error).__name__}.* \(.*test_imports\.py, line \d+\)$"
    with pytest.raises(PathsearchError, match=says), errors_named("it"):
        raise error


@pytest.mark.parametrize("error", [KeyboardInterrupt(), MemoryError(), torch.OutOfMemoryError(), PathsearchError("x")])
def test_what_is_no_fault_of_the_code_passes(error):
    with pytest.raises(type(error)) as caught, errors_named("it"):
        raise error
    assert caught.value is error


def test_lines_of_libraries_are_not_named():
    with pytest.raises(PathsearchError, match=r"test_imports\.py, line \d+\)$"), errors_named("it"):
        torch.zeros(2) @ torch.zeros(3)


def drawing(weights):
    return (weights * torch.rand(2, dtype=weights.dtype)).sum()


def test_a_function_that_draws_gets_the_same_numbers_at_every_call():
    objective = CallableSettings(target=f"{__name__}:drawing").open(2, CPU)
    weights = torch.ones(2, dtype=torch.float64)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        first = objective.loss(weights, Key(0, 0))
        torch.manual_seed(2)
        second, gradient = objective.loss_and_gradient(weights, Key(1, 5))
    assert first == second == gradient.sum()


def broken(weights):
    raise SystemExit


def picture(weights):
    return weights


def test_functions_are_named_when_they_fail():
    said = {broken: "raised SystemExit", picture: r"must return a loss of shape \(\), it returned \(2,\)"}
    for function, says in said.items():
        target = f"{__name__}:{function.__name__}"
        with pytest.raises(PathsearchError, match=rf"objective\.target {target} {says}"):
            CallableSettings(target=target).open(2, CPU).loss(torch.ones(2), Key(0, 0))
    with pytest.raises(PathsearchError, match="the callable raised SystemExit"):
        FunctionObjective(broken, 2, torch.float64, CPU).loss(torch.ones(2), Key(0, 0))


class Failing(torch.nn.Linear):
    """Fails after a hundred passes."""

    passes = 0

    def __init__(self):
        super().__init__(2, 2)

    def forward(self, inputs):
        Failing.passes += 1
        if Failing.passes > 100:
            raise SystemExit(4)
        return super().forward(inputs)


def test_networks_are_named_when_they_fail_later():
    settings = {"model": f"{__name__}:Failing", "data": {"name": "moons", "points": 50}}
    objective = NetworkSettings.model_validate(settings).open(None, CPU)
    Failing.passes = 100
    with pytest.raises(PathsearchError, match=rf"objective\.model {__name__}:Failing raised SystemExit: 4"):
        objective.loss_and_gradient(objective.initial(0), Key(0, 0))


def test_what_is_no_image_is_not_cropped():
    settings = {"model": "mlp", "data": {"name": "moons", "points": 50, "augment": True}}
    with pytest.raises(PathsearchError, match=r"augment crops images, the inputs have shape \(2,\): leave it out"):
        NetworkSettings.model_validate(settings).open(None, CPU)
