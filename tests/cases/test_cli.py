"""Cases of the command line, of options, and of what climbs."""

import pytest
import torch

from pathsearch.measure import measured_path
from pathsearch.methods import AutoNeb, Neb
from pathsearch.objectives.function import FunctionObjective
from pathsearch.optimizers import Fire, Lbfgs
from tests.conftest import searched


def slope(w):
    """A bent valley that falls all the way: no point of it is a maximum."""
    return -w[0] + 5 * (w[1] - 0.3 * torch.sin(3 * w[0])) ** 2


@pytest.mark.parametrize("optimizer", [Lbfgs(), Fire()], ids=lambda optimizer: optimizer.name)
@pytest.mark.parametrize(
    "method",
    [
        Neb(images=7, spring=5, climb=True),
        Neb(images=7, spring="inf", climb=True),
        Neb(images=1, spring=5, climb=True),
        AutoNeb(climb=True, cycles=[{"insert": {"rule": "equal", "count": 3}}, {"insert": {"rule": "highest"}}]),
    ],
    ids=["springs", "re-spaced", "one image", "autoneb"],
)
def test_case_26_climb(method, optimizer):
    objective = FunctionObjective(slope, 2, torch.float64, torch.device("cpu"))
    ends = [[-1.0, -0.0423], [1.0, 0.0423]]
    holder, reports = searched(objective, ends, method.stages(optimizer, 500, 1e-3))
    assert reports[-1].converged
    profile = measured_path(holder, "polygon", holder.chords(), 61, None)
    assert profile.summaries()["loss"]["barrier"] == 0.0
    assert profile.metrics["loss"].min() >= -1.0  # no image is beyond an end
