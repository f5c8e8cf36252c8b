"""Running statistics that are worked out anew over the training set."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from pathsearch.numerics.seeds import Key
from pathsearch.objectives.data import Data
from tests.objectives import networks
from tests.objectives.networks import DATA, cnn, layers, loaded, objective, scaled


@pytest.mark.parametrize("momentum", [0.1, 0.01])
@pytest.mark.parametrize("how", ["new", "graph", "data"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_batch_norm_of_ones_own_is_reestimated_as_torchs(momentum, how, dtype):
    several = Data(networks.images(1010), DATA.test, 4)  # three chunks
    with_torchs = objective(lambda: layers(nn.BatchNorm1d(8, affine=False), nn.Dropout()), several, dtype=dtype)
    with_own = objective(lambda: layers(networks.Norm(8, momentum, how), nn.Dropout()), several, dtype=dtype)
    weights = with_torchs.initial(0)
    close = 1e-9 if dtype == torch.float64 else 2e-5
    for name, wanted in with_torchs.measure(weights).items():
        assert with_own.measure(weights)[name] == pytest.approx(wanted, rel=close), name
    state, torchs = with_own.reestimated(weights), with_torchs.reestimated(weights)
    torch.testing.assert_close(state["2.mean"], torchs["2.running_mean"], rtol=close, atol=close)
    torch.testing.assert_close(state["2.var"], torchs["2.running_var"], rtol=close, atol=close)
    assert with_own.shared == with_torchs.shared == {}


def test_instance_norm_is_reestimated_by_what_it_does_in_training():
    make = lambda: nn.Sequential(nn.InstanceNorm2d(3, track_running_stats=True), nn.Flatten(), nn.Linear(192, 4))
    found = objective(make)
    weights = found.initial(0)
    pictures = scaled(DATA.train)
    state = found.reestimated(weights)
    torch.testing.assert_close(state["0.running_mean"], pictures.mean(dim=(0, 2, 3)))
    torch.testing.assert_close(state["0.running_var"], pictures.var(dim=(2, 3)).mean(0))
    module = loaded(make, weights).eval()
    module.load_state_dict({**module.state_dict(), **{n: state[n] for n in ("0.running_mean", "0.running_var")}})
    wanted = F.cross_entropy(module(scaled(DATA.test)), DATA.test.targets).item()
    assert found.measure(weights)["test_loss"] == pytest.approx(wanted, rel=1e-9)


def test_measures_with_batch_norm_reestimated_over_the_whole_training_set():
    found = objective(lambda: cnn(True), decay=0.01)
    weights = found.initial(5)
    module = cnn(True).double()
    nn.utils.vector_to_parameters(weights, module.parameters())
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.momentum = None
            part.reset_running_stats()
    with torch.no_grad():
        module.train()(scaled(DATA.train))  # one chunk: 70 examples
        module.eval()
        measured = found.measure(weights)
        for name, split in (("train", DATA.train), ("test", DATA.test)):
            outputs = module(scaled(split))
            loss = F.cross_entropy(outputs, split.targets)
            assert measured[f"{name}_loss"] == pytest.approx(float(loss), rel=1e-10)
            error = (outputs.argmax(1) != split.targets).double().mean()
            assert measured[f"{name}_error"] == pytest.approx(float(error), rel=1e-12)
        np.testing.assert_array_equal(found.predictions(weights), outputs.argmax(1))
    square = float((weights**2).sum())
    assert measured["train_loss_l2"] - measured["train_loss"] == pytest.approx(0.005 * square, rel=1e-9)


def test_running_statistics_do_not_leak_from_one_evaluation_to_the_next():
    found = objective(lambda: cnn(True))
    a, b = found.initial(0), found.initial(1)
    first = found.measure(a)
    found.loss_and_gradient(b, Key(0, 0))
    found.measure(b)
    assert found.measure(a) == first
    for name, buffer in found.module.named_buffers():
        torch.testing.assert_close(buffer, found.buffers[name], rtol=0, atol=0)


def test_an_endpoint_can_be_measured_with_its_own_statistics():
    found = objective(lambda: cnn(True))
    weights = found.initial(0)
    own = {name: b.numpy() + 1 for name, b in found.buffers.items() if name.endswith("running_mean")}
    assert found.measure_with(weights, own)["test_loss"] != found.measure(weights)["test_loss"]
    again = found.measure_with(weights, {name: b.numpy() for name, b in found.reestimated(weights).items()})
    assert again == found.measure(weights)
