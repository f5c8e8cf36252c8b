import numpy as np

from pathsearch.numerics.messages import Adaptive, Plan, Sample


def test_a_gradient_is_wanted_where_it_goes_anywhere():
    back = np.array([[0.0, 0.0], [0.0, 0.5], [-1.0, 0.0]])
    sample = Sample(np.ones((3, 2)), back, [], np.zeros(3), fixed=True)
    assert sample.with_gradient.tolist() == [False, True, True]


def test_a_plan_of_some_pivots_has_their_rows():
    force = np.arange(12.0).reshape(4, 3)
    plan = Plan({"velocity": 2 * force}, Adaptive(force, 0.1, 0.9, 0.99, 1e-8, 1, None)).of([3, 1])
    assert plan.assign["velocity"].tolist() == [[18.0, 20.0, 22.0], [6.0, 8.0, 10.0]]
    assert plan.adaptive.force.tolist() == [[9.0, 10.0, 11.0], [3.0, 4.0, 5.0]]
    assert plan.adaptive.rate == 0.1
