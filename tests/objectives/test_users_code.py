"""Errors of a user's code, named with its file and line."""

import pytest
import torch

from pathsearch.errors import PathsearchError, described
from pathsearch.numerics.seeds import Key
from pathsearch.objectives import CallableSettings, NetworkSettings
from pathsearch.objectives.function import FunctionObjective
from pathsearch.objectives.users_code import errors_named

CPU = torch.device("cpu")


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
    says = rf"it raised {type(error).__name__}.* \(.*test_users_code\.py, line \d+\)$"
    with pytest.raises(PathsearchError, match=says), errors_named("it"):
        raise error


@pytest.mark.parametrize("error", [KeyboardInterrupt(), MemoryError(), torch.OutOfMemoryError(), PathsearchError("x")])
def test_what_is_no_fault_of_the_code_passes(error):
    with pytest.raises(type(error)) as caught, errors_named("it"):
        raise error
    assert caught.value is error


def test_lines_of_libraries_are_not_named():
    with pytest.raises(PathsearchError, match=r"test_users_code\.py, line \d+\)$"), errors_named("it"):
        torch.zeros(2) @ torch.zeros(3)


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
