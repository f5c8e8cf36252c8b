"""What a network has beside its weights, and what its passes write to."""

import random

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import parametrizations

from pathsearch.errors import PathsearchError
from pathsearch.numerics.seeds import Key
from pathsearch.objectives.data import Data, Split
from pathsearch.objectives.protocol import remarked
from tests.objectives import networks
from tests.objectives.networks import AS_TORCH, DATA, by_torch, layers, loaded, objective, scaled

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


REFUSED = {
    "renormalised": (lambda: layers(networks.Renorm(8)), r"buffer '2\.(mean|var|calls)' is changed by training and"),
    "centred": (networks.Centred, "buffer 'centre' is changed by training and enters the output"),
    "codebook": (networks.Codebook, "buffer 'book' is changed by training and enters the output"),
    "teacher": (networks.Teacher, r"frozen parameter 'teacher\.weight' is changed by training in a way"),
    "spectral norm": (lambda: networks.spectral(parametrizations.spectral_norm), "belongs to spectral norm"),
    "spectral norm by hooks": (lambda: networks.spectral(nn.utils.spectral_norm), "belongs to spectral norm"),
    "counting": (networks.Counting, "gives another output when it is called again"),
    "own generator": (lambda: networks.Drawing("own"), "gives another output when it is called again"),
    "all frozen": (lambda: layers().requires_grad_(False), "no parameters that are trained"),
    "no average": (lambda: layers(Largest()), "changed by training in a way that cannot be worked out"),
    "two outputs": (lambda: Auxiliary(), "in training mode the network must return a tensor, it returned tuple"),
    "complex": (lambda: Complex(), "parameter 'weight' is complex"),
}


class Largest(nn.Module):
    """The largest features so far."""

    def __init__(self):
        super().__init__()
        self.register_buffer("largest", torch.zeros(8))

    def forward(self, x):
        if not self.training:
            return x / (1 + self.largest)
        self.largest = torch.maximum(self.largest, x.detach().amax(0))
        return x


class Auxiliary(nn.Linear):
    """A second output in training mode."""

    def __init__(self):
        super().__init__(192, 4)

    def forward(self, x):
        outputs = super().forward(x.flatten(1))
        return (outputs, outputs) if self.training else outputs


class Complex(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(192, 4, dtype=torch.complex64))

    def forward(self, x):
        return (x.flatten(1) @ self.weight.real.to(x.dtype)) + self.weight.imag.sum()


@pytest.mark.parametrize("case", REFUSED)
def test_what_no_point_of_a_path_could_be_given_is_refused_by_name(case):
    make, says = REFUSED[case]
    with pytest.raises(PathsearchError, match=says) as refused:
        objective(make)
    assert "\n" not in str(refused.value)


def test_what_is_frozen_is_no_coordinate_and_does_not_decay():
    found = objective(networks.Backbone, decay=0.1)
    assert found.names == ["head.weight", "head.bias"]
    assert list(found.shared) == ["features.weight", "features.bias", "epoch"]
    weights = found.initial(2)
    wanted, gradient, _ = by_torch(networks.Backbone, weights)
    loss, its_gradient = found.loss_and_gradient(weights, KEY)
    assert float(loss) == pytest.approx(wanted + 0.05 * float(weights @ weights), rel=1e-9)
    torch.testing.assert_close(its_gradient, gradient + 0.1 * weights)
    assert remarked(found) == []  # the same for every seed


def test_what_an_endpoint_brings_is_shared_and_must_be_the_others():
    found, other = objective(networks.Backbone), networks.Backbone(seed=8)
    found.adopt({**other.state_dict(), "elsewhere": torch.ones(1)}, "a.pt")
    weights = found.initial(0)
    wanted, _, measured = by_torch(lambda: networks.Backbone(seed=8), weights)
    assert float(found.loss(weights, KEY)) == pytest.approx(wanted, rel=1e-6)
    assert found.measure(weights)["test_loss"] == pytest.approx(measured, rel=1e-6)
    # a buffer that no output depends on may differ
    found.adopt({**other.state_dict(), "epoch": torch.tensor(9)}, "b.pt")
    with pytest.raises(PathsearchError, match=r"frozen parameter 'features\.weight' of c\.pt differs from the other"):
        found.adopt(networks.Backbone(seed=9).state_dict(), "c.pt")
    with pytest.raises(PathsearchError, match=r"'features\.bias' of c\.pt has shape \(3,\), the network's has \(8,\)"):
        found.adopt({"features.bias": torch.ones(3)}, "c.pt")
    assert float(found.loss(weights, KEY)) == pytest.approx(wanted, rel=1e-6)


def test_batch_norms_that_stay_in_evaluation_mode_share_their_statistics():
    found = objective(networks.KeptInEval)
    assert {"norm.running_mean", "norm.running_var"} <= set(found.shared)
    found.adopt({"norm.running_var": torch.full((8,), 4.0)}, "a.pt")
    assert (found.reestimated(found.initial(0))["norm.running_var"] == 4.0).all()
    with pytest.raises(PathsearchError, match=r"buffer 'norm\.running_var' of b\.pt differs"):
        found.adopt({"norm.running_var": torch.full((8,), 5.0)}, "b.pt")


def test_buffers_keep_their_kind():
    found = objective(networks.Rotary, dtype=torch.float64)
    kinds = {name: value.dtype for name, value in found.shared.items()}
    assert kinds == {"turn": torch.complex64, "mask": torch.bool, "order": torch.int32, "scale": torch.float64}
    found.adopt({"turn": torch.polar(torch.ones(4), torch.ones(4)), "scale": torch.ones(8).half()}, "a.pt")
    assert {name: value.dtype for name, value in found.shared.items()} == kinds
    with pytest.raises(PathsearchError, match=r"buffer 'mask' of b\.pt is complex"):
        found.adopt({"mask": found.shared["turn"].repeat(2)}, "b.pt")


def test_what_is_drawn_at_random_and_no_coordinate_is_said_once():
    found = objective(lambda: nn.Sequential(nn.Flatten(), nn.Linear(192, 8).requires_grad_(False), nn.Linear(8, 4)))
    found.initial(1)
    found.initial(2)
    (line,) = remarked(found)
    assert line.startswith("1.weight, 1.bias: no coordinates, but drawn at random when the network is made")
    assert remarked(found) == []


def test_names_that_a_state_dict_may_have():
    found = objective(Tied)
    assert [name for name, _ in found.state_names] == ["first.weight", "second.weight", "head.weight", "calls"]
    assert dict(found.state_names)["second.weight"] == (192, 192)
    assert found.names == ["first.weight", "head.weight"]


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(192, 192, bias=False), nn.Linear(192, 192, bias=False)
        self.second.weight = self.first.weight
        self.head = nn.Linear(192, 4, bias=False)
        self.register_buffer("calls", torch.tensor(0))
        self.register_buffer("scratch", torch.zeros(2), persistent=False)

    def forward(self, x):
        self.calls += 1
        return self.head(self.second(self.first(x.flatten(1)).relu()))


def test_counters_are_nobodys():
    found = objective(Tied)
    assert list(found.shared) == ["scratch"]
    found.adopt({"calls": torch.tensor(3)}, "a.pt")
    found.adopt({"calls": torch.tensor(4)}, "b.pt")


@pytest.mark.parametrize(
    ("make", "draws"),
    [
        (networks.Residual, True),
        (lambda: layers(nn.Dropout(1e-4)), True),
        (lambda: networks.Drawing("random"), True),
        (lambda: networks.Drawing("numpy"), True),
        (lambda: layers(nn.Dropout(0.0)), False),
        (lambda: layers(nn.BatchNorm1d(8)), False),
    ],
)
def test_a_loss_that_draws_is_known_at_weights_where_it_does_not_show(make, draws):
    assert objective(make).stochastic == draws


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


def test_making_a_network_is_seeded_whichever_generator_it_draws_from():
    def make():
        module = layers()
        module[1].bias.data = torch.tensor([random.random() for _ in range(4)] + np.random.rand(4).tolist())
        return module

    found = objective(make)
    torch.testing.assert_close(found.initial(3), found.initial(3), rtol=0, atol=0)
    assert (found.initial(3) != found.initial(4)).any()


class Narrow(nn.Module):
    """Fails as torch's allocators do for more examples than `room`."""

    room, error = 100, RuntimeError
    says = "[enforce fail at alloc_cpu.cpp:127] . DefaultCPUAllocator: can't allocate memory: you tried to allocate 3 B"

    def __init__(self):
        super().__init__()
        self.net, self.asked = layers(nn.BatchNorm1d(8)), []

    def forward(self, x):
        self.asked.append(len(x))
        if len(x) > self.room:
            raise self.error(self.says)
        return self.net(x)


SMALL = Data(networks.images(450), networks.images(33, seed=1), 4)


@pytest.mark.parametrize("error", [RuntimeError, MemoryError, torch.OutOfMemoryError])
def test_measuring_takes_so_many_examples_as_memory_suffices_for(error, monkeypatch):
    monkeypatch.setattr(Narrow, "error", error)
    found = objective(Narrow, SMALL, batch=20)
    weights = found.initial(0)
    found.module.asked.clear()
    measured = found.measure(weights)
    assert found.module.asked[:3] == [450, 225, 90]  # 450, 225, then 112 as five pieces
    assert remarked(found) == ["measuring 112 examples at once: 450 did not fit in memory"]
    found.module.asked.clear()
    assert found.measure(weights) == measured
    assert max(found.module.asked) == 90
    assert len(found.predictions(weights)) == 33
    assert remarked(found) == []
    monkeypatch.setattr(Narrow, "room", 1000)
    assert objective(Narrow, SMALL, batch=20).measure(weights)["test_loss"] == pytest.approx(
        measured["test_loss"], rel=0.05
    )


def test_one_example_that_does_not_fit_is_said(monkeypatch):
    found = objective(Narrow, SMALL, batch=20)
    monkeypatch.setattr(Narrow, "room", 0)
    with pytest.raises(PathsearchError, match="out of memory in measuring, with one example at once"):
        found.measure(found.initial(0))
    with pytest.raises(MemoryError):  # which holders name by the image
        found.loss(found.initial(0), KEY)


def test_other_errors_in_measuring_are_the_networks(monkeypatch):
    found = objective(Narrow, SMALL, batch=20)
    monkeypatch.setattr(Narrow, "room", 0)
    monkeypatch.setattr(Narrow, "says", "shapes cannot be multiplied")
    with pytest.raises(PathsearchError, match="the network raised RuntimeError: shapes cannot be multiplied"):
        found.measure(found.initial(0))


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
    train, test = (Split(split.inputs.double(), split.targets) for split in (DATA.train, DATA.test))
    data = Data(train, test, 4, standardise=False)
    before = data.train.inputs.clone()
    found = objective(lambda: networks.Edited("after"), data)
    weights = found.initial(0)
    first = found.measure(weights), found.loss(weights, KEY)
    assert (found.measure(weights), found.loss(weights, KEY)) == first
    torch.testing.assert_close(data.train.inputs, before, rtol=0, atol=0)
