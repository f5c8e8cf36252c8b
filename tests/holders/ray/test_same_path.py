"""The same configuration gives the same path on the serial holder and on 1, 2, 3 or 5 actors."""

from functools import lru_cache

import numpy as np
import pytest
import torch

from pathsearch.holders import SerialHolder
from pathsearch.holders.protocol import pivots, unheard
from pathsearch.holders.ray import RayHolder
from pathsearch.holders.settings import HolderSettings
from pathsearch.measure import measured_barriers
from pathsearch.methods import AutoNeb, Curve, Neb, String
from pathsearch.methods.train import Train
from pathsearch.objectives import SURFACES, NetworkSettings
from pathsearch.optimizers import Adam, Fire, Lbfgs, Sgd
from pathsearch.search import State, search
from tests.conftest import surface

NETWORK = {
    "name": "network",
    "model": {"name": "mlp", "args": {"width": 16, "depth": 1}},
    "data": {"name": "random", "shape": [1, 8, 8], "examples": 500},  # which actors need import nothing for
    "batch": 50,
    "weight_decay": 1e-4,
}
CYCLES = [
    {"insert": {"rule": "equal", "count": 3}},
    {"insert": {"rule": "highest", "count": 2}, "repeat": 2, "optimizer": {"lr": 0.02}},
]


def network():
    return NetworkSettings.model_validate(NETWORK).open(None, torch.device("cpu"))


def muller_brown():
    return surface("muller-brown")


ON_NETWORK = {
    "neb": Neb(images=5).stages(Sgd(lr=0.05), 50, None),
    "springs": Neb(images=5, spring=1.0).stages(Sgd(lr=0.05, nesterov=True), 50, None),
    "adam": String(images=4).stages(Adam(), 50, None),
    "autoneb": AutoNeb(cycles=CYCLES).stages(Sgd(lr=0.05), 20, None),
    "one sample": Curve(name="bezier", bends=2).stages(Sgd(lr=0.05), 50, None),
}
ADDED_UP = {
    "bezier": Curve(name="bezier", bends=1, samples=4).stages(Sgd(lr=0.05), 50, None),
    "polygon": Curve(name="polygon", bends=3, samples=7).stages(Adam(), 50, None),
}
ON_SURFACE = {
    "lbfgs": Neb(images=7, climb=True).stages(Lbfgs(memory=3), 50, None),
    "fire": Neb(images=7, spring=500.0).stages(Fire(), 50, None),
}


@pytest.fixture(scope="module", params=[1, 2, 3, 5])
def holder(request, ray_cluster):
    """A holder of so many actors; what it holds is opened by each test."""
    holder = RayHolder(network, HolderSettings(name="ray", actors=request.param))
    yield holder
    holder.close()


@pytest.fixture(scope="module")
def serial():
    """Results of the serial holder on one thread, as each actor has one."""
    known = {}

    def result(make, name, stages):
        if name not in known:
            threads = torch.get_num_threads()
            torch.set_num_threads(1)
            known[name] = found(SerialHolder(make()), make, stages)
            torch.set_num_threads(threads)
        return known[name]

    return result


@lru_cache
def minima():
    """Two networks, trained a little."""
    ends = []
    for seed in (0, 1):
        objective = network()
        holder = SerialHolder(objective)
        holder.load(objective.initial(seed).numpy()[None], [], {})
        list(search(holder, Train(seed=seed).stages(Sgd(lr=0.1), 30, None), State(1), 0, objective.stochastic))
        ends.append(holder.pivot(0))
    return ends


def found(holder, make, stages):
    """Pivots and the losses of all steps."""
    objective = make()
    known = SURFACES["muller-brown"]
    ends = [known.start, known.end] if make is muller_brown else minima()
    holder.load(np.array(ends), [], {})
    steps = list(search(holder, stages, State(2), 0, objective.stochastic))
    losses = np.concatenate([step.losses for step in steps])
    return pivots(holder, steps[-1].state.pivots), losses


@pytest.mark.parametrize("name", ON_NETWORK)
def test_the_same_bits_of_a_network(name, holder, serial):
    compare(holder, serial, network, name, ON_NETWORK[name])


@pytest.mark.parametrize("name", ON_SURFACE)
def test_the_same_bits_on_a_surface(name, holder, serial):
    compare(holder, serial, muller_brown, name, ON_SURFACE[name])


@pytest.mark.parametrize("name", ADDED_UP)
def test_gradients_added_up_in_another_order(name, holder, serial):
    compare(holder, serial, network, name, ADDED_UP[name], atol=1e-5)


def looked(holder, make, stages, curve):
    """Pivots at the end of a search that is looked at on its way, and what was seen."""
    objective, seen = make(), []
    holder.load(np.array(minima()), [], {})
    for step in search(holder, stages, State(2), 0, objective.stochastic):
        if step.state.moves % 7 == 0:
            seen.append(measured_barriers(holder, curve, step.state.pivots, 9, 40, frozenset(), unheard))
    return pivots(holder, step.state.pivots), seen


@pytest.mark.parametrize(("name", "curve"), [("autoneb", "polygon"), ("one sample", "bezier")])
def test_looks_see_the_same_and_change_nothing(name, curve, holder, serial):
    wanted, _ = serial(network, name, ON_NETWORK[name])
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    alone, seen = looked(SerialHolder(network()), network, ON_NETWORK[name], curve)
    torch.set_num_threads(threads)
    np.testing.assert_array_equal(alone, wanted)
    holder._pool._all("open", network)
    ours, same = looked(holder, network, ON_NETWORK[name], curve)
    np.testing.assert_array_equal(ours, wanted)
    assert same == seen
    assert max(barriers["train_loss"] for _, barriers in seen) > 0


def compare(holder, serial, make, name, stages, atol=0.0):
    wanted, wanted_losses = serial(make, name, stages)
    holder._pool._all("open", make)
    ours, losses = found(holder, make, stages)
    np.testing.assert_allclose(ours, wanted, rtol=0, atol=atol)
    np.testing.assert_allclose(losses, wanted_losses, rtol=0, atol=10 * atol)
