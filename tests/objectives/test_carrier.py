"""Passes over a network leave it, its weights and its inputs as they were, and do what plain torch does."""

import copy
import random

import numpy as np
import pytest
import torch

from pathsearch.errors import PathsearchError
from pathsearch.numerics.seeds import Key
from pathsearch.objectives.data import Data, Split
from tests.objectives import networks
from tests.objectives.networks import AS_TORCH, DATA, by_torch, cnn, layers, objective

KEY = Key(0, 0)


STRANGE = pytest.mark.filterwarnings("ignore:.*weight_norm.*:FutureWarning")


@STRANGE
@pytest.mark.parametrize("name", AS_TORCH)
def test_a_pass_is_torchs_and_leaves_nothing_behind(name):
    found = objective(AS_TORCH[name])
    weights = found.initial(3)
    before = weights.clone()
    for _ in range(2):
        wanted, gradient, measured = by_torch(AS_TORCH[name], weights)
        loss, its_gradient = found.loss_and_gradient(weights, KEY)
        assert float(loss) == pytest.approx(wanted, rel=1e-9)
        torch.testing.assert_close(its_gradient, gradient, rtol=1e-7, atol=1e-10)
        assert float(found.loss(weights, KEY)) == float(loss)
        assert found.measure(weights)["test_loss"] == pytest.approx(measured, rel=1e-9)
    torch.testing.assert_close(weights, before, rtol=0, atol=0)
    assert not found.stochastic


def test_making_a_network_is_seeded_whichever_generator_it_draws_from():
    def make():
        module = layers()
        module[1].bias.data = torch.tensor([random.random() for _ in range(4)] + np.random.rand(4).tolist())
        return module

    found = objective(make)
    torch.testing.assert_close(found.initial(3), found.initial(3), rtol=0, atol=0)
    assert (found.initial(3) != found.initial(4)).any()


def test_inputs_of_ones_own_network_are_contiguous_cropped_or_not():
    for augment in (False, True):
        seen = []

        class Looking(networks.Viewing):
            def forward(self, x):
                seen.append(x.is_contiguous())  # noqa: B023
                return super().forward(x)

        found = objective(Looking, batch=10, augment=augment)
        found.loss_and_gradient(found.initial(0), KEY)
        found.measure(found.initial(0))
        assert all(seen)


def test_a_data_set_that_is_handed_over_as_it_is_is_not_written_to():
    train, test = (Split((split.inputs.double(), split.targets)) for split in (DATA.train, DATA.test))
    data = Data(train, test, 4, standardise=False)
    before = data.train.inputs.clone()
    found = objective(lambda: networks.Edited("after"), data)
    weights = found.initial(0)
    first = found.measure(weights), found.loss(weights, KEY)
    assert (found.measure(weights), found.loss(weights, KEY)) == first
    torch.testing.assert_close(data.train.inputs, before, rtol=0, atol=0)


def test_the_module_is_left_as_it_was_made():
    made = []

    def make():
        made.append(cnn(True))
        return made[-1]

    found = objective(make)
    before = copy.deepcopy(made[0].state_dict())
    weights = found.initial(1)
    found.loss_and_gradient(weights, Key(0, 0))
    found.measure(weights)
    for name, value in made[0].state_dict().items():
        torch.testing.assert_close(value.to(before[name].dtype), before[name], rtol=0, atol=0)


def test_what_is_no_module_is_refused():
    with pytest.raises(PathsearchError, match=r"must make an nn\.Module"):
        objective(lambda: 3)
