import numpy as np
import pytest
import torch

from pathsearch.numerics.seeds import Key
from tests.conftest import surface

KEY = Key(0, 0)
# stationary points: position, energy, number of negative curvatures (mpmath, 18 digits)
STATIONARY = {
    "muller-brown": [
        ((-0.558223634633024277, 1.44172584180466866), -146.699517209954014, 0),
        ((0.62349940493087651, 0.0280377585286856657), -108.166724116852355, 0),
        ((-0.0500108229982060578, 0.466694104871972088), -80.7678181296590282, 0),
        ((-0.822001558732732097, 0.624312802814871361), -40.6648435086574043, 1),
        ((0.212486582000662007, 0.292988325107367765), -72.2489401123252115, 1),
    ],
    "circle": [((-1.0, 0.0), 0.0, 0), ((1.0, 0.0), 0.0, 0), ((0.0, 1.0), 1.0, 1), ((0.0, -1.0), 1.0, 1)],
    "leps-harmonic": [
        ((0.741520660119740497, 1.30341915822181947), -4.50917599566027121, 0),
        ((3.00127580535721371, -1.30433827938222462), -2.62028710683038446, 0),
        ((2.02082773436634231, -0.172901205458759026), -0.875224679101142872, 1),
    ],
    "two-modes-1d": [((-1.0,), 0.0, 0), ((1.0,), 0.0, 0), ((0.0,), 1.0, 1)],
}


@pytest.mark.parametrize(("name", "point"), [(name, p) for name, points in STATIONARY.items() for p in points])
def test_stationary_points(name, point):
    where, energy, index = point
    objective, weights = surface(name), torch.tensor(where, dtype=torch.float64)
    loss, gradient = objective.loss_and_gradient(weights, KEY)
    assert float(loss) == pytest.approx(energy, abs=1e-12 * max(1, abs(energy)))
    np.testing.assert_allclose(gradient, 0.0, atol=1e-10)
    curvatures = torch.linalg.eigvalsh(torch.autograd.functional.hessian(objective.function, weights))
    assert int((curvatures < 0).sum()) == index


def test_two_modes_is_the_line_with_a_way_around():
    x = torch.linspace(-1, 1, 9, dtype=torch.float64)
    for value in x:
        on_line = surface("two-modes").loss(torch.stack([value, torch.zeros_like(value)]), KEY)
        assert float(on_line) == pytest.approx(float(surface("two-modes-1d").loss(value[None], KEY)))
    angle = torch.linspace(0, 6, 20, dtype=torch.float64)
    ring = torch.stack([torch.cos(angle), torch.sin(angle)], 1) * 1.25**0.5 - torch.tensor([0.0, 0.5])
    assert all(float(surface("two-modes").loss(point, KEY)) < 1e-25 for point in ring)


@pytest.mark.parametrize("name", ["muller-brown", "circle", "leps-harmonic", "two-modes-1d", "two-modes"])
def test_gradients_are_finite_differences(name):
    objective = surface(name)
    weights = torch.full((objective.size,), 0.7, dtype=torch.float64)
    _, gradient = objective.loss_and_gradient(weights, KEY)
    for i in range(objective.size):
        step = torch.zeros_like(weights)
        step[i] = 1e-5
        slope = (objective.loss(weights + step, KEY) - objective.loss(weights - step, KEY)) / 2e-5
        assert float(gradient[i]) == pytest.approx(float(slope), rel=1e-6, abs=1e-7)
