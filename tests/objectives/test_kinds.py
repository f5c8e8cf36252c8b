"""What a network's tensors are, found by what its passes do."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import parametrizations

from pathsearch.errors import PathsearchError
from tests.objectives import networks
from tests.objectives.networks import cnn, layers, objective

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
    "two outputs": (lambda: Auxiliary(), "the network must return a tensor of real numbers, it returned a tuple of 2"),
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


def test_batch_norms_that_stay_in_evaluation_mode_share_their_statistics():
    found = objective(networks.KeptInEval)
    assert {"norm.running_mean", "norm.running_var"} <= set(found.shared)
    found.adopt({"norm.running_var": torch.full((8,), 4.0)}, "a.pt")
    assert (found.reestimated(found.initial(0))["norm.running_var"] == 4.0).all()
    with pytest.raises(PathsearchError, match=r"buffer 'norm\.running_var' of b\.pt differs"):
        found.adopt({"norm.running_var": torch.full((8,), 5.0)}, "b.pt")


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


class Functional(nn.Module):
    """Dropout that no module shows."""

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(192, 4)

    def forward(self, x):
        return F.dropout(self.head(x.flatten(1)), 0.5, self.training)


def test_a_loss_that_draws_is_told_from_one_that_does_not():
    assert objective(Functional).stochastic
    assert objective(cnn, batch=10).stochastic
    assert not objective(cnn).stochastic
