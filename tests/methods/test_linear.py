from pathsearch.holders import SerialHolder
from pathsearch.methods import Linear
from pathsearch.optimizers import Sgd
from pathsearch.search import State, search
from tests.conftest import path_of, surface


def test_a_straight_line_has_nothing_to_search():
    stages = Linear().stages(Sgd(), 100, 1e-3)
    holder = SerialHolder(surface("two-modes"))
    holder.load([[-1.0, 0.0], [1.0, 0.0]], [], {})
    assert list(search(holder, stages, State(2), 0, False)) == []
    assert path_of(holder).tolist() == [[-1.0, 0.0], [1.0, 0.0]]
