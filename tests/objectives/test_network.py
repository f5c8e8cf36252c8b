"""A network objective against plain torch on the same module."""

import random

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from pathsearch.errors import PathsearchError
from pathsearch.numerics.seeds import Key
from tests.objectives import networks
from tests.objectives.networks import AS_TORCH, DATA, Odd, cnn, objective, scaled

KEY = Key(0, 0)


STRANGE = pytest.mark.filterwarnings("ignore:.*weight_norm.*:FutureWarning")


@pytest.mark.parametrize("norm", [True, False])
def test_loss_and_gradient_are_those_of_the_module_in_training_mode(norm):
    found = objective(lambda: cnn(norm), decay=0.01)
    weights = found.initial(3)
    module = cnn(norm).double().train()
    nn.utils.vector_to_parameters(weights, module.parameters())
    penalty = 0.5 * 0.01 * sum((p**2).sum() for p in module.parameters())
    wanted = F.cross_entropy(module(scaled(DATA.train)), DATA.train.targets) + penalty
    wanted.backward()
    loss, gradient = found.loss_and_gradient(weights, Key(0, 0))
    assert float(loss) == pytest.approx(wanted.item(), rel=1e-12)
    flat = torch.cat([p.grad.reshape(-1) for p in module.parameters()])
    np.testing.assert_allclose(gradient, flat, rtol=1e-9, atol=1e-12)
    assert float(found.loss(weights, Key(0, 0))) == pytest.approx(wanted.item(), rel=1e-12)


def test_gradient_is_a_finite_difference():
    layers = lambda: (nn.Flatten(), nn.Linear(192, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Linear(8, 4))
    found = objective(lambda: nn.Sequential(*layers()), decay=0.01)  # smooth: ReLU has kinks between two points
    direction = torch.randn(found.size, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    weights = found.initial(0)
    _, gradient = found.loss_and_gradient(weights, Key(0, 0))
    ahead, back = (found.loss(weights + s * 1e-6 * direction, Key(0, 0)) for s in (1, -1))
    assert float(gradient @ direction) == pytest.approx(float((ahead - back) / 2e-6), rel=1e-6)


def test_dropout_is_a_function_of_seed_and_step():
    found = objective(Odd)
    assert found.stochastic
    weights = found.initial(0)
    state = torch.get_rng_state()
    losses = [float(found.loss(weights, key)) for key in (Key(0, 0), Key(0, 1), Key(1, 0), Key(0, 0))]
    assert losses[0] == losses[3]
    assert len(set(losses)) == 3
    torch.testing.assert_close(torch.get_rng_state(), state, rtol=0, atol=0)


@STRANGE
@pytest.mark.filterwarnings("ignore:There is a performance drop")
@pytest.mark.parametrize(
    "name", ["edited, data", "edited, no_grad", "edited, after", "words", "backbone", "momentum 0"]
)
def test_several_at_once_are_as_one_after_another(name):
    found = objective(AS_TORCH[name], decay=0.1)
    points = torch.stack([found.initial(seed) for seed in (1, 2)])
    before = points.clone()
    losses, gradients = found.losses_and_gradients(points, KEY)
    torch.testing.assert_close(points, before, rtol=0, atol=0)
    for point, loss, gradient in zip(points, losses, gradients):
        wanted, its_gradient = found.loss_and_gradient(point, KEY)
        assert float(loss) == pytest.approx(float(wanted), rel=1e-9)
        torch.testing.assert_close(gradient, its_gradient, rtol=1e-7, atol=1e-10)


def test_a_network_that_finds_its_parameters_its_own_way_is_left_to_the_loop():
    found = objective(networks.Listed)
    with pytest.raises(PathsearchError, match=r"no other holder\.gradients than loop"):
        found.losses_and_gradients(torch.stack([found.initial(0)]), KEY)


@pytest.mark.parametrize("by", ["random", "numpy", "torch"])
def test_draws_follow_from_seed_and_step_whichever_generator_they_are_from(by):
    found = objective(lambda: networks.Drawing(by, always=True))
    weights = found.initial(0)
    states = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()
    losses = [float(found.loss(weights, key)) for key in (Key(0, 0), Key(0, 1), Key(1, 0))]
    measured, seen = found.measure(weights), found.predictions(weights)
    assert (random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()) == states
    random.seed(5), np.random.seed(5), torch.manual_seed(5)
    assert [float(found.loss(weights, key)) for key in (Key(0, 0), Key(0, 1), Key(1, 0))] == losses
    assert len(set(losses)) == 3
    assert found.measure(weights) == measured
    np.testing.assert_array_equal(found.predictions(weights), seen)


def test_pieces_of_a_mini_batch_make_up_its_loss_and_gradient():
    whole, parts = (objective(lambda: cnn(False), decay=0.1, batch=20, micro_batch=most) for most in (None, 7))
    weights = whole.initial(0)
    wanted, its_gradient = whole.loss_and_gradient(weights, KEY)
    loss, gradient = parts.loss_and_gradient(weights, KEY)
    assert float(loss) == pytest.approx(float(wanted), rel=1e-12)
    assert float(parts.loss(weights, KEY)) == pytest.approx(float(wanted), rel=1e-12)
    torch.testing.assert_close(gradient, its_gradient, rtol=1e-9, atol=1e-12)
    losses, gradients = parts.losses_and_gradients(torch.stack([weights, weights]), KEY)
    torch.testing.assert_close(losses, torch.stack([wanted] * 2), rtol=1e-10, atol=0)
    torch.testing.assert_close(gradients, torch.stack([its_gradient] * 2), rtol=1e-7, atol=1e-10)


def test_batch_norm_has_the_statistics_of_each_piece_as_in_a_plain_loop():
    found = objective(cnn, micro_batch=30)
    weights = found.initial(0)
    module = cnn().double().train()
    nn.utils.vector_to_parameters(weights, module.parameters())
    sums = [
        F.cross_entropy(module(x), y, reduction="sum")
        for x, y in zip(scaled(DATA.train).tensor_split(3), DATA.train.targets.tensor_split(3))
    ]
    wanted = sum(sums) / 70
    wanted.backward()
    loss, gradient = found.loss_and_gradient(weights, KEY)
    assert float(loss) == pytest.approx(wanted.item(), rel=1e-12)
    flat = torch.cat([p.grad.reshape(-1) for p in module.parameters()])
    np.testing.assert_allclose(gradient, flat, rtol=1e-9, atol=1e-12)


def test_what_is_frozen_is_not_copied_unless_a_pass_writes_to_it():
    for make, kept in ((networks.Backbone, True), (networks.Fused, False)):
        found = objective(make)
        name = next(iter(found.shared))
        with found._carrier.holding(found.initial(0), found.state):
            held = dict(found.module.named_parameters())[name]
            assert (held.data_ptr() == found.state[name].data_ptr()) == kept


def test_autocast_is_around_the_network_and_nothing_else():
    seen = []

    def loss(model, batch):
        outputs = model(batch[0])
        seen.append((outputs.dtype, torch.is_autocast_enabled("cpu")))
        return F.cross_entropy(outputs, batch[1], reduction="sum"), len(batch[1])

    both = ("float32", "bfloat16")
    plain, low = (objective(cnn, loss=loss, dtype=torch.float32, precision=each) for each in both)
    weights = plain.initial(0)
    wanted, its_gradient = plain.loss_and_gradient(weights, KEY)
    assert seen[-1] == (torch.float32, False)
    del seen[:]
    loss, gradient = low.loss_and_gradient(weights, KEY)
    assert seen == [(torch.float32, True)]
    assert gradient.dtype == torch.float32
    assert float(loss) != float(wanted)
    assert float(loss) == pytest.approx(float(wanted), rel=0.02)
    assert float(F.cosine_similarity(gradient, its_gradient, dim=0)) > 0.99
