"""Coordinates, what all points share, what an endpoint brings of it, and names."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from pathsearch.errors import PathsearchError
from pathsearch.numerics.seeds import Key
from pathsearch.objectives.parameters import coordinates
from pathsearch.objectives.protocol import remarked
from tests.objectives import networks
from tests.objectives.networks import DATA, Odd, by_torch, objective, scaled

KEY = Key(0, 0)


def test_tied_parameters_count_once_and_buffers_are_no_coordinates():
    found = objective(Odd)
    assert found.size == 192 * 192 + 2 * 192 + 3 + 192 * 4 + 4
    loss, gradient = found.loss_and_gradient(found.initial(0), Key(0, 0))
    assert torch.isfinite(loss)
    offset = [name for name, _ in found.table].index("unused")
    start = sum(found.coordinates.sizes[:offset])
    assert (gradient[start : start + 3] == 0).all()
    shared = gradient[: 192 * 192].reshape(192, 192)
    assert float(shared.abs().sum()) > 0


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


class Shuffled(nn.Module):
    """A buffer that is part of the function, and no statistic."""

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(192, 4)
        self.register_buffer("order", torch.randperm(192))

    def forward(self, x):
        return self.head(x.flatten(1)[:, self.order])


def test_an_endpoints_own_buffers_become_the_paths_unless_the_other_has_others():
    found, other = objective(Shuffled), Shuffled().double()
    weights = found.flat(dict(other.named_parameters()))
    found.adopt(dict(other.named_buffers()), "a.pt")
    outputs = other(scaled(DATA.train))
    wanted = F.cross_entropy(outputs, DATA.train.targets).item()
    assert found.measure(weights)["train_loss"] == pytest.approx(wanted, rel=1e-10)
    assert float(found.loss(weights, Key(0, 0))) == pytest.approx(wanted, rel=1e-10)
    found.adopt(dict(other.named_buffers()), "b.pt")
    with pytest.raises(PathsearchError, match=r"buffer 'order' of c\.pt differs"):
        found.adopt({"order": torch.arange(192)}, "c.pt")


def test_a_weight_vector_is_its_parameters_one_after_another():
    named = {"a": torch.arange(6.0).reshape(2, 3), "b": torch.tensor(6.0), "c": torch.arange(7.0, 9.0)}
    layout = coordinates(named)
    assert (layout.names, layout.sizes, layout.size) == (["a", "b", "c"], [6, 1, 2], 9)
    assert layout.flat({**named, "more": torch.ones(3)}).tolist() == [float(n) for n in range(9)]
    one, two = torch.arange(9.0), torch.stack([torch.arange(9.0), torch.arange(9.0)])
    for vectors, wanted in ((one, named.values()), (two, [torch.stack([each, each]) for each in named.values()])):
        for part, each in zip(layout.parts(vectors), wanted, strict=True):
            torch.testing.assert_close(part, each, rtol=0, atol=0)
            assert part.untyped_storage().data_ptr() == vectors.untyped_storage().data_ptr()  # it is a view


def test_patterns_say_which_parameters_are_coordinates_tied_ones_by_any_name():
    found = objective(Odd, parameters=["second.w*", "head.*"])
    assert found.names == ["first.weight", "head.weight", "head.bias"]
    assert {"first.bias", "second.bias", "unused"} <= set(found.shared)
    weights = found.initial(0)
    loss, gradient = found.loss_and_gradient(weights, Key(0, 0))
    assert (loss.ndim, gradient.shape) == (0, (192 * 192 + 4 * 192 + 4,))
    with pytest.raises(PathsearchError, match=r"objective.parameters: 'tail\.\*' fits no parameter .* it has 'unused'"):
        objective(Odd, parameters=["head.*", "tail.*"])
