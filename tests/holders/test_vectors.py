"""Long vectors are mixed and moved where they are."""

import weakref

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from pathsearch.holders import SerialHolder, vectors
from pathsearch.methods import AutoNeb, Neb
from pathsearch.numerics.messages import Adaptive
from pathsearch.objectives.function import FunctionObjective
from pathsearch.optimizers import Adam, Sgd
from pathsearch.search import State, search

M = vectors.CHUNK["cpu"] * 2 + 1001  # some chunks, and not a whole number of them


def some(count, size=M):
    draw = np.random.default_rng(0)
    return {row: torch.from_numpy(draw.normal(size=size)) for row in range(count)}


def room():
    return vectors.zeros(M, torch.float64, torch.device("cpu"))


def places(rows):
    return {row: vector.data_ptr() for row, vector in rows.items()}


def test_mixtures_take_the_place_of_the_old_vectors(rng):
    old = some(5)
    mixture = dict(enumerate(np.triu(rng.random((5, 5)))))
    wanted = {row: vectors.mixed(weights, old) for row, weights in mixture.items()}
    before = places(old)
    found = vectors.remixed(mixture, old, None)
    assert places(found) == before
    for row, vector in found.items():
        np.testing.assert_array_equal(vector, wanted[row])


def test_a_pivot_that_stays_is_not_touched():
    old = some(3)
    version = old[1]._version
    found = vectors.remixed({0: np.array([0.5, 0.5, 0]), 1: np.eye(3)[1]}, old, None)
    assert found[1] is old[1]
    assert old[1]._version == version


def test_more_pivots_take_as_many_vectors_as_there_are_more(rng):
    old, made = some(3), []
    mixture = dict(enumerate(rng.random((5, 3))))
    wanted = {row: vectors.mixed(weights, old) for row, weights in mixture.items()}
    found = vectors.remixed(mixture, old, lambda: made.append(room()) or made[-1])
    assert len(made) == 2
    assert len(set(places(found).values())) == 5
    for row, vector in found.items():
        np.testing.assert_array_equal(vector, wanted[row])


def test_fewer_pivots_take_none():
    old = some(4)
    found = vectors.remixed({0: np.eye(4)[0], 1: np.array([0, 0, 0.5, 0.5])}, old, None)
    np.testing.assert_array_equal(found[1], (0.5 * some(4)[2]).add_(some(4)[3], alpha=0.5))
    assert set(places(found).values()) <= set(places(old).values())


def test_spared_vectors_stay_as_they_are(rng):
    old, made = some(3), []
    found = vectors.remixed({5: rng.random(3), 6: rng.random(3)}, old, lambda: made.append(room()) or made[-1], {0, 2})
    for row in (0, 2):
        np.testing.assert_array_equal(old[row], some(3)[row])
    assert len(made) == 1
    assert not set(places(found).values()) & {old[0].data_ptr(), old[2].data_ptr()}


def test_nothing_of_nothing_is_zero():
    np.testing.assert_array_equal(vectors.remixed({4: np.zeros(3)}, {}, room)[4], torch.zeros(M))


@pytest.mark.parametrize("cap", [None, 1.0, 1e9])
def test_adam_moves_by_its_formula(cap):
    (weights, mean, square), rule = some(3).values(), Adaptive(None, 0.1, 0.9, 0.99, 1e-8, 3, cap)
    square.abs_()
    move = 0.1 * (mean / (1 - 0.9**3)) / ((square / (1 - 0.99**3)).sqrt() + 1e-8)
    length = float(move.norm())
    wanted = weights + move * min(1.0, (cap or np.inf) / length)
    vectors._adaptive_step(weights, mean, square, rule)
    torch.testing.assert_close(weights, wanted, rtol=1e-12, atol=1e-14)


class Peak(TorchDispatchMode):
    """How many long vectors there are at once."""

    def __init__(self):
        super().__init__()
        self.living, self.most = {}, 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        for each in out if isinstance(out, (list, tuple)) else [out]:
            if isinstance(each, torch.Tensor) and each.ndim == 1 and len(each) >= M:
                where = each.untyped_storage().data_ptr()
                self.living[where] = self.living.get(where, 0) + 1
                weakref.finalize(each, self.gone, where)
        self.most = max(self.most, len(self.living))
        return out

    def gone(self, where):
        self.living[where] -= 1
        if not self.living[where]:
            del self.living[where]


class Bowl(FunctionObjective):
    def loss_and_gradient(self, weights, key):
        return weights @ weights, 2.0 * weights


GROWING = {"cycles": [{"insert": {"rule": "equal", "count": count}} for count in (4, 3)]}
BANDS = {
    "re-spaced": (Neb(images=7, spring="inf"), Sgd(lr=1e-3, momentum=0.9), 1),
    "springs": (Neb(images=7, spring=1.0), Sgd(lr=1e-3, momentum=0.9), 1),
    "adam": (Neb(images=7, spring="inf"), Adam(max_step=1.0), 2),
    "inserted": (AutoNeb.model_validate(GROWING), Sgd(lr=1e-3, momentum=0.9), 1),
}


@pytest.mark.parametrize("band", BANDS)
def test_a_band_has_one_vector_beside_pivots_gradients_and_states(band):
    method, optimizer, states = BANDS[band]
    with Peak() as peak:
        holder = SerialHolder(Bowl(lambda weights: weights @ weights, M, torch.float64, torch.device("cpu")))
        holder.load(np.random.default_rng(0).normal(size=(2, M)), [], {})
        for _ in search(holder, method.stages(optimizer, 3, None), State(2), 0, False):
            pass
    assert peak.most == 9 + 7 + 7 * states + 1
