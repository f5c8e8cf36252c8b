from pathsearch.methods import AutoNeb, Curve, Neb
from pathsearch.methods.stages import pivot_counts
from pathsearch.optimizers import Sgd


def test_a_band_and_a_curve_are_put_along_the_first_guess_however_many_points_it_has():
    for method in (Neb(images=5), Curve(name="bezier", bends=5)):
        stages = method.stages(Sgd(), 1, None)
        assert pivot_counts(stages, 2) == pivot_counts(stages, 4) == [7]


def test_insertions_count_as_if_they_inserted_all_they_may():
    cycles = [{"insert": {"rule": "equal", "count": 3}}, {"insert": {"rule": "highest", "count": 2}, "repeat": 2}]
    assert pivot_counts(AutoNeb(cycles=cycles).stages(Sgd(), 1, None), 2) == [5, 7, 9]
