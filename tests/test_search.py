"""The loop: going on from anywhere, stopping honestly, refusing what is not finite."""

import json
from dataclasses import asdict
from itertools import islice

import numpy as np
import pytest
import torch

from pathsearch.errors import PathsearchError
from pathsearch.holders import SerialHolder
from pathsearch.methods import AutoNeb, Curve, Neb, String
from pathsearch.objectives import SURFACES, NetworkSettings
from pathsearch.objectives.function import FunctionObjective
from pathsearch.optimizers import Adam, Fire, Lbfgs, Sgd
from pathsearch.search import State, moving_pivots, search
from tests.conftest import path_of, searched, surface

CPU = torch.device("cpu")
CYCLES = [{"insert": {"rule": "equal", "count": 2}, "steps": 9}, {"insert": {"rule": "highest"}, "repeat": 2}]
NETWORK = NetworkSettings.model_validate(
    {
        "model": {"name": "cnn", "args": {"width": 4}},
        "data": {"name": "random", "shape": [3, 8, 8], "examples": 50, "augment": True},
        "batch": 10,
        "weight_decay": 1e-3,
    }
)
METHODS = [
    Curve(name="polygon", bends=2),
    Curve(name="bezier", bends=2, samples=3),
    Neb(images=4, spring=2.0, climb=True),
    Neb(images=4),
    String(images=4),
    AutoNeb(cycles=CYCLES),
]


def network():
    objective = NETWORK.open(None, CPU)
    return objective, [objective.initial(seed).numpy() for seed in (0, 1)]


def muller_brown():
    known = SURFACES["muller-brown"]
    return surface("muller-brown"), [known.start, known.end]


CASES = [(network, Sgd(lr=0.01)), (network, Adam()), (muller_brown, Lbfgs(memory=3)), (muller_brown, Fire())]


@pytest.mark.parametrize("method", METHODS, ids=lambda m: m.name)
@pytest.mark.parametrize(("case", "optimizer"), CASES, ids=lambda x: getattr(x, "name", getattr(x, "__name__", "")))
def test_a_search_taken_up_at_any_step_ends_with_the_same_bits(method, case, optimizer):
    objective, ends = case()
    stages = method.stages(optimizer, 14, None)
    holder, _ = searched(objective, ends, stages)
    whole = path_of(holder)
    for stop in (1, 5, 12, 13):
        first = SerialHolder(objective)
        first.load(np.array(ends), [], {})
        step = next(islice(search(first, stages, State(2), 0, objective.stochastic), stop, None))
        at = State(**json.loads(json.dumps(asdict(step.state))))  # as the file keeps it
        second = SerialHolder(objective)
        rows, names = moving_pivots(at.pivots), stages[at.stage].optimizer.state_names()
        states = {name: [first.optimizer_state(name, row) for row in rows] for name in names}
        second.load(path_of(first), rows, states)
        steps = list(search(second, stages, at, 0, objective.stochastic))
        np.testing.assert_array_equal(path_of(second), whole)
        assert steps[-1].state.moves == sum(stage.steps for stage in stages)


def test_the_budget_ends_a_search_without_a_claim():
    objective, ends = muller_brown()
    _, steps = searched(objective, ends, Neb(images=5).stages(Lbfgs(), 3, 1e-9))
    assert [step.state.step for step in steps] == [0, 1, 2, 3]
    assert not steps[-1].stage_done().converged
    assert steps[-1].evaluations == 4 * 5


def test_a_random_draw_is_no_convergence():
    known = SURFACES["two-modes"]
    stages = Curve(name="polygon", bends=1).stages(Sgd(lr=0.01), 40, 1e-2)
    _, steps = searched(surface("two-modes"), [known.start, known.end], stages)
    assert min(step.force for step in steps) <= 1e-2  # a t near an end has next to no force
    assert not any(step.converged for step in steps)
    assert steps[-1].state.step == 40


def test_every_stage_draws_its_own_batches():
    objective, ends = network()
    stage = Neb(images=2).stages(Sgd(lr=1e-12), 1, None)[0]
    _, steps = searched(objective, ends, [stage, stage])
    assert steps[0].losses[0] != steps[2].losses[0]


def test_quasi_newton_steps_need_a_loss_that_stays_the_same():
    objective, ends = network()
    with pytest.raises(PathsearchError, match="needs the same loss every step"):
        searched(objective, ends, Curve(name="bezier").stages(Lbfgs(), 3, None))


def test_convergence_is_of_the_largest_force_climber_included():
    objective, ends = muller_brown()
    holder, steps = searched(objective, ends, Neb(images=5, climb=True).stages(Lbfgs(), 300, 1e-2))
    assert steps[-1].converged
    assert steps[-1].force <= 1e-2 < steps[-2].force
    top = torch.tensor(path_of(holder)[int(steps[-1].losses.argmax())])
    _, gradient = objective.loss_and_gradient(top, None)
    assert float(gradient.norm()) <= 1e-2  # all of the climber's gradient, for it stands on the saddle


def test_seeds_change_what_a_stochastic_search_finds():
    objective, ends = network()
    stages = Curve(name="bezier").stages(Sgd(lr=0.01), 3, None)
    found = [path_of(searched(objective, ends, stages, seed)[0]) for seed in (0, 0, 1)]
    np.testing.assert_array_equal(found[0], found[1])
    assert not np.array_equal(found[0], found[2])


def test_a_loss_that_is_not_finite_names_image_and_step():
    calls = []

    def breaks(w):
        calls.append(float(w.detach()[0]))
        return (w**2).sum() * (torch.nan if len(calls) > 9 and abs(calls[-1]) < 0.3 else 1.0)

    objective = FunctionObjective(breaks, 1, torch.float64, CPU)
    with pytest.raises(PathsearchError, match=r"loss is nan at image 2 \(t = 0.5\), step 2 of neb: try a smaller"):
        searched(objective, [[-1.0], [1.0]], Neb(images=3, spring=1.0).stages(Sgd(lr=1e-9), 50, None))


def test_a_gradient_that_is_not_finite_is_named_too():
    objective = FunctionObjective(lambda w: torch.sqrt(w[0] ** 2), 1, torch.float64, CPU)
    with pytest.raises(PathsearchError, match="weights or gradient are not finite at image 2, step 0"):
        searched(objective, [[-1.0], [1.0]], Neb(images=3, spring=1.0).stages(Sgd(), 5, None))
