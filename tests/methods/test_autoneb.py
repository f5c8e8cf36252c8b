import numpy as np

from pathsearch.methods import AutoNeb
from pathsearch.objectives import SURFACES
from pathsearch.optimizers import Fire, Sgd
from tests.conftest import searched, surface

ENDS = [SURFACES["muller-brown"].start, SURFACES["muller-brown"].end]
CYCLES = [{"insert": {"rule": "equal", "count": 2}, "steps": 9}, {"insert": {"rule": "highest"}, "repeat": 2}]


def test_the_default_begins_with_a_line_of_equal_segments_and_inserts_three_times():
    stages = AutoNeb().stages(Sgd(), 10, None)
    assert [stage.name for stage in stages] == ["cycle 1", "cycle 2", "cycle 3", "cycle 4"]
    assert [(stage.insertion.rule, stage.insertion.count) for stage in stages] == [("equal", 3), *[("highest", 2)] * 3]
    assert all(stage.method.name == "neb" and stage.interior is None for stage in stages)


def test_autoneb_keeps_an_inserted_image_where_it_was_put():
    objective, ends = surface("muller-brown"), ENDS
    cycles = [{"insert": {"rule": "equal", "count": 2}}, {"insert": {"rule": "highest", "count": 1}}]
    holder, steps = searched(objective, ends, AutoNeb(cycles=cycles).stages(Fire(), 30, None))
    shares = steps[-1].state.shares
    assert np.ptp(shares) > 0.05
    np.testing.assert_allclose(holder.lengths() / holder.lengths().sum(), shares, atol=0.02)


def test_autoneb_cycles_change_what_they_name_and_keep_the_rest():
    cycles = [
        {"steps": 5, "insert": {"rule": "equal", "count": 3}},
        {"insert": {"rule": "highest", "count": 1}, "optimizer": {"lr": 0.01}, "repeat": 2},
        {"steps": 7, "climb": True},
    ]
    stages = AutoNeb(cycles=cycles, spring=3.0).stages(Sgd(lr=0.1, momentum=0.8), 99, 0.5)
    assert [stage.steps for stage in stages] == [5, 5, 5, 7]
    assert [stage.optimizer.lr for stage in stages] == [0.1, 0.01, 0.01, 0.01]
    assert [stage.insertion.rule for stage in stages] == ["equal", "highest", "highest", "highest"]
    assert [stage.method.climb for stage in stages] == [False, False, False, True]
    assert all(stage.method.spring == 3.0 and stage.optimizer.momentum == 0.8 for stage in stages)


def test_autoneb_inserts_where_the_surface_is_high():
    objective, ends = surface("muller-brown"), ENDS
    stages = AutoNeb(cycles=CYCLES).stages(Fire(), 9, None)
    _, steps = searched(objective, ends, stages)
    counts = [step.state.pivots for step in steps]
    assert counts[0] == 4
    assert 4 < counts[-1] <= 8
