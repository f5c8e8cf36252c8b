"""Every method on every surface whose answer is known, and the Müller–Brown figures."""

import numpy as np
import pytest
import scipy.optimize
import torch

from pathsearch.measure import measured_path
from pathsearch.methods import AutoNeb, Curve, Neb, String
from pathsearch.numerics.curves import CURVES
from pathsearch.objectives import SURFACES
from pathsearch.objectives.function import FunctionObjective
from pathsearch.optimizers import Adam, Fire, Lbfgs, Sgd
from tests.conftest import path_of, searched, surface

SADDLES = {
    "muller-brown": -40.6648435086574043,
    "circle": 1.0,
    "leps-harmonic": -0.875224679101142872,
    "two-modes-1d": 1.0,
    "two-modes": 0.0,
}
LAST = {"steps": 1000, "climb": True}
# through: the straight line of the circle crosses a singular point, so its guess leaves it
THROUGH = {"circle": [[0.1, 0.6]]}
# in units of each surface's curvature
SPRING = {"muller-brown": 500.0}
RATES = {"muller-brown": (1e-4, 1e-2)}
BANDS = {
    "neb, springs, climbing": lambda k: Neb(images=8, spring=k, climb=True),
    "neb, re-spaced, climbing": lambda k: Neb(images=8, spring="inf", climb=True),
    "neb, springs": lambda k: Neb(images=10, spring=k),
    "neb, re-spaced": lambda k: Neb(images=10, spring="inf"),
    "string": lambda k: String(images=10),
    "autoneb": lambda k: AutoNeb(
        spring="inf", cycles=[{"insert": {"rule": "equal", "count": 5}}, {"insert": {"rule": "highest"}}, LAST]
    ),
}


def chain_of(name):
    known = SURFACES[name]
    return [known.start, *THROUGH.get(name, []), known.end]


@pytest.mark.parametrize("optimizer", ["lbfgs", "fire"])
@pytest.mark.parametrize("band", BANDS)
@pytest.mark.parametrize("name", SADDLES)
def test_bands_find_the_saddle(name, band, optimizer):
    method = BANDS[band](SPRING.get(name, 1.0))
    optimizer = {"lbfgs": Lbfgs(), "fire": Fire()}[optimizer]
    stages = method.stages(optimizer, 1000, 1e-3)
    objective = surface(name)
    holder, steps = searched(objective, chain_of(name), stages)
    assert steps[-1].converged
    climbs = "climbing" in band or band == "autoneb"
    if climbs and name != "two-modes":  # the climber stands on the saddle itself
        assert steps[-1].losses.max() == pytest.approx(SADDLES[name], abs=1e-6)
    saddle = measured_path(holder, "polygon", holder.inner_products(), 61, 1e-9).metrics["loss"].max()
    # a chain of straight segments cuts corners: it lies above the valley by the square of their length
    spread = max(1.0, abs(SADDLES[name])) if name != "muller-brown" else 106.0
    assert saddle == pytest.approx(SADDLES[name], abs=0.005 * spread)
    assert saddle >= SADDLES[name] - 1e-9


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("name", SADDLES)
def test_simple_optimisers_find_the_saddle_too(name, optimizer):
    rates = RATES.get(name, (1e-2, 1e-2))
    optimizer = Sgd(lr=rates[0]) if optimizer == "sgd" else Adam(lr=rates[1], schedule="cosine")
    method = Neb(images=8, spring="inf", climb=True)
    _, steps = searched(surface(name), chain_of(name), method.stages(optimizer, 2000, 1e-3))
    assert steps[-1].converged
    assert steps[-1].losses.max() == pytest.approx(SADDLES[name], abs=1e-5)


def mean_loss(name, curve, bends, samples):
    """The mean of the loss at the middles of equal shares of t, and its gradient, on the bends' flat vector."""
    objective, known = surface(name), SURFACES[name]
    t = (np.arange(samples) + 0.5) / samples
    mix = torch.tensor(CURVES[curve](t, bends + 2))
    ends = torch.tensor([known.start, known.end], dtype=torch.float64)

    def value(flat):
        inner = torch.tensor(flat.reshape(bends, -1), requires_grad=True)
        points = mix @ torch.cat([ends[:1], inner, ends[1:]])
        loss = sum(objective.function(point) for point in points) / samples
        (slope,) = torch.autograd.grad(loss, inner)
        return loss.item(), slope.numpy().ravel()

    return value


@pytest.mark.parametrize("optimizer", [Lbfgs(), Fire()], ids=lambda o: o.name)
@pytest.mark.parametrize("kind", ["polygon", "bezier"])
@pytest.mark.parametrize("name", SADDLES)
def test_curves_minimise_their_mean_loss(name, kind, optimizer):
    """No bend point can be moved, by another program's minimiser, to a lower mean loss nearby."""
    bends, samples = 2, 12
    method = Curve(name=kind, bends=bends, samples=samples)
    # an even number of samples and a bent guess keep the circle off its singular point
    holder, steps = searched(surface(name), chain_of(name), method.stages(optimizer, 3000, 1e-5))
    value = mean_loss(name, method.curve, bends, samples)
    inner = path_of(holder)[1:-1].ravel()
    found, slope = value(inner)
    assert steps[-1].converged
    assert steps[-1].losses.mean() == pytest.approx(found, rel=1e-9)
    assert np.abs(slope).max() <= 1e-5
    best = scipy.optimize.minimize(value, inner, jac=True, method="BFGS", options={"gtol": 1e-7}).fun
    assert found == pytest.approx(best, abs=1e-6 * max(1.0, abs(best)))


@pytest.mark.parametrize("kind", ["polygon", "bezier"])
def test_curves_walk_around_the_barrier_of_two_modes(kind):
    holder, steps = searched(
        surface("two-modes"), chain_of("two-modes"), Curve(name=kind, bends=3).stages(Lbfgs(), 500, 1e-5)
    )
    assert steps[-1].converged
    assert measured_path(holder, kind, holder.inner_products(), 61, 1e-6).metrics["loss"].max() < 0.01


@pytest.mark.parametrize("kind", ["polygon", "bezier"])
def test_no_curve_avoids_the_barrier_on_a_line(kind):
    method = Curve(name=kind, bends=3)
    holder, _ = searched(surface("two-modes-1d"), chain_of("two-modes-1d"), method.stages(Lbfgs(), 500, 1e-5))
    top = measured_path(holder, method.curve, holder.inner_products(), 61, 1e-9).metrics["loss"].max()
    assert top == pytest.approx(1.0, abs=1e-8)


@pytest.mark.parametrize(("images", "allowed"), [(7, 266), (11, 440), (15, 795)])
@pytest.mark.parametrize("spring", ["inf", 500.0])
def test_muller_brown_figures(images, allowed, spring, capsys):
    """Saddle within 1e-6 from the straight line, tolerance 1e-2, one default setting for all sizes."""
    stages = Neb(images=images, spring=spring, climb=True).stages(Lbfgs(), 2000, 1e-2)
    _, steps = searched(surface("muller-brown"), chain_of("muller-brown"), stages)
    last = steps[-1]
    with capsys.disabled():
        print(f"\n  {images} images, spring {spring}: {last.evaluations} gradients (at most {allowed}), ", end="")
        print(f"saddle off by {last.losses.max() - SADDLES['muller-brown']:.1e}", end="")
    assert last.converged
    assert last.losses.max() == pytest.approx(SADDLES["muller-brown"], abs=1e-6)
    assert last.evaluations <= allowed


@pytest.mark.parametrize("method", [Neb(images=7, climb=True), Neb(images=7, spring=500.0, climb=True)])
def test_fifty_dimensions_with_a_stiff_bath_find_the_same_saddle(method):
    """Müller–Brown turned into 50 dimensions, the other 48 held by springs of 100 to 4,000."""
    rotation = torch.linalg.qr(torch.randn(50, 50, generator=torch.Generator().manual_seed(1), dtype=torch.float64))[0]
    stiff = torch.logspace(2, 3.6, 48, dtype=torch.float64)

    def turned(w):
        inner = rotation @ w
        return SURFACES["muller-brown"].function(inner[:2]) + 0.5 * (stiff * inner[2:] ** 2).sum()

    ends = torch.zeros(2, 50, dtype=torch.float64)
    ends[:, :2] = torch.tensor([SURFACES["muller-brown"].start, SURFACES["muller-brown"].end])
    objective = FunctionObjective(turned, 50, torch.float64, torch.device("cpu"))
    _, steps = searched(objective, (ends @ rotation).numpy(), method.stages(Lbfgs(), 2000, 1e-2))
    assert steps[-1].converged
    assert steps[-1].losses.max() == pytest.approx(SADDLES["muller-brown"], abs=1e-6)
