import numpy as np
import torch

from pathsearch.holders import SerialHolder
from pathsearch.methods import Train
from pathsearch.numerics.seeds import Key
from pathsearch.objectives.function import FunctionObjective
from pathsearch.optimizers import Sgd
from pathsearch.search import State, search
from tests.conftest import path_of


def test_mini_batches_follow_from_its_own_seed():
    sample = Train(seed=3).sample(1, [0], seed=99, step=7, fixed=False)
    assert sample.keys == [Key(3, 7)]
    np.testing.assert_array_equal(sample.back, [[1.0]])


def test_one_pivot_goes_downhill_by_itself():
    minimum = torch.tensor([1.0, -2.0], dtype=torch.float64)
    bowl = FunctionObjective(lambda w: ((w - minimum) ** 2).sum(), 2, torch.float64, torch.device("cpu"))
    holder = SerialHolder(bowl)
    holder.load([[0.8, 0.3]], [], {})
    steps = list(search(holder, Train().stages(Sgd(lr=0.05), 400, 1e-6), State(1), 0, False))
    assert steps[-1].converged
    assert {step.state.pivots for step in steps} == {1}
    np.testing.assert_allclose(path_of(holder), [[1.0, -2.0]], atol=1e-6)
