"""What every holder must do; a holder's tests derive from `HolderContract` and say how to make one."""

import re

import numpy as np
import pytest
import torch

from pathsearch.holders.protocol import pivots as read_out
from pathsearch.holders.questions import QUESTIONS
from pathsearch.methods.sampling import at_pivots
from pathsearch.numerics.basis import unit
from pathsearch.numerics.curves import bezier
from pathsearch.numerics.messages import Adaptive, Plan, Sample
from pathsearch.numerics.seeds import Key
from pathsearch.objectives.function import FunctionObjective

N, M = 6, 300_001  # more than one chunk, and not a whole number of them
ROWS = [1, 2, 3, 4]
KEY = Key(0, 0)


def loss(w):
    return (w**2).sum() + (w[1:] * w[:-1]).sum()


def gradient(w):
    g = 2 * w
    g[1:] += w[:-1]
    g[:-1] += w[1:]
    return g


def largest(objective, point, count):
    """A question of a user's: the largest absolute weights of a point."""
    return point.abs().topk(count).values.tolist()


def states(holder, name):
    return np.stack([holder.optimizer_state(name, row) for row in ROWS])


class HolderContract:
    """Verbs against the same arithmetic in numpy, in float64."""

    def make(self, objective):
        raise NotImplementedError

    @pytest.fixture
    def pivots(self, rng):
        return rng.normal(size=(N, M))

    @pytest.fixture
    def holder(self, pivots):
        holder = self.make(FunctionObjective(loss, M, torch.float64, torch.device("cpu")))
        holder.load(pivots, [], {})
        return holder

    def basis(self, pivots, gradients, states):
        back, ahead = pivots[1:-1] - pivots[:-2], pivots[2:] - pivots[1:-1]
        return np.stack([back, ahead, gradients, *states], axis=1)

    def test_counts_its_devices(self, holder):
        assert holder.count() == int(
            re.findall(r"on (\d+) Ray actors", holder.describe())[0] if "Ray" in holder.describe() else 1
        )

    def test_evaluates_losses_gradients_and_gram(self, holder, pivots, rng):
        velocity = rng.normal(size=(4, M))
        holder.load(pivots, ROWS, {"velocity": velocity})
        losses, gram = holder.evaluate(at_pivots(ROWS, [KEY] * N))
        np.testing.assert_allclose(losses, [float(loss(torch.tensor(p))) for p in pivots], rtol=1e-12)
        vectors = self.basis(pivots, np.array([gradient(pivots[row]) for row in ROWS]), [velocity])
        np.testing.assert_allclose(gram, vectors @ vectors.transpose(0, 2, 1), rtol=1e-10, atol=1e-7)

    def test_gathers_curve_gradients_on_bend_points(self, holder, pivots):
        t = np.array([0.2, 0.5, 0.9])
        mix = bezier(t, N)
        back = np.zeros_like(mix)
        back[:, ROWS] = mix[:, ROWS] / 3
        holder.begin(ROWS, ())
        losses, gram = holder.evaluate(Sample(mix, back, [KEY] * 3, t, fixed=True))
        points = mix @ pivots
        np.testing.assert_allclose(losses, [float(loss(torch.tensor(p))) for p in points], rtol=1e-11)
        gathered = back[:, ROWS].T @ np.array([gradient(point) for point in points])
        np.testing.assert_allclose(gram[:, 2, 2], (gathered**2).sum(axis=1), rtol=1e-10)

    def test_updates_from_the_old_vectors_only(self, holder, pivots, rng):
        velocity = rng.normal(size=(4, M))
        holder.load(pivots, ROWS, {"velocity": velocity})
        holder.evaluate(at_pivots(ROWS, [KEY] * N))
        change, move = rng.normal(size=(4, 4)), rng.normal(size=(4, 4))
        holder.update(Plan({"velocity": change, "weights": move}))
        vectors = self.basis(pivots, np.array([gradient(pivots[row]) for row in ROWS]), [velocity])
        wanted = pivots.copy()
        wanted[ROWS] += np.einsum("nk,nkm->nm", move, vectors)
        np.testing.assert_allclose(read_out(holder, N), wanted, rtol=1e-10, atol=1e-10)
        wanted = np.einsum("nk,nkm->nm", change, vectors)
        np.testing.assert_allclose(states(holder, "velocity"), wanted, rtol=1e-10, atol=1e-10)

    def test_how_gradients_are_evaluated_is_settled_by_a_rule(self, holder):
        assert holder.prepare_gradients("auto") == "loop"
        assert holder.prepare_gradients("vmap") == "vmap"
        assert holder.evaluate(at_pivots([], [KEY] * N))[0].shape == (N,)

    def test_adaptive_rule_is_adam(self, holder, pivots):
        holder.begin(ROWS, ("mean", "square"))
        holder.evaluate(at_pivots(ROWS, [KEY] * N))
        holder.update(Plan(adaptive=Adaptive(-unit(4, 5, 2), 0.1, 0.9, 0.99, 1e-8, 1, None)))
        # after one step from zero moments Adam moves by the sign of the gradient
        g = np.array([gradient(pivots[row]) for row in ROWS])
        np.testing.assert_allclose(read_out(holder, N)[ROWS], pivots[ROWS] - 0.1 * g / (np.abs(g) + 1e-8), rtol=1e-9)

    def test_mixes_pivots_and_their_states(self, holder, pivots, rng):
        velocity = rng.normal(size=(4, M))
        holder.load(pivots, ROWS, {"velocity": velocity})
        mixture = np.eye(N)
        mixture[2] = [0, 0.25, 0.75, 0, 0, 0]
        holder.mix(mixture)
        np.testing.assert_allclose(read_out(holder, N), mixture @ pivots, rtol=1e-14)
        np.testing.assert_array_equal(read_out(holder, N)[[0, 1, 3, 4, 5]], pivots[[0, 1, 3, 4, 5]])
        np.testing.assert_allclose(states(holder, "velocity"), mixture[1:-1, 1:-1] @ velocity, rtol=1e-14)

    def test_mixes_into_another_number_of_pivots(self, holder, pivots, rng):
        mixture = rng.random((9, N))
        holder.mix(mixture)
        np.testing.assert_allclose(read_out(holder, 9), mixture @ pivots, rtol=1e-11, atol=1e-12)

    def test_lengths_and_inner_products(self, holder, pivots):
        np.testing.assert_allclose(holder.lengths(), np.linalg.norm(np.diff(pivots, axis=0), axis=1), rtol=1e-12)
        offsets = pivots - pivots[0]
        np.testing.assert_allclose(holder.inner_products(), offsets @ offsets.T, rtol=1e-10, atol=1e-7)

    def test_losses_and_measures_at_mixtures(self, holder, pivots, rng):
        mixture = rng.random((3, N))
        wanted = [float(loss(torch.tensor(point))) for point in mixture @ pivots]
        np.testing.assert_allclose(holder.ask("loss", mixture, [KEY, KEY]), wanted, rtol=1e-10)
        np.testing.assert_allclose([found["loss"] for found in holder.ask("measure", mixture)], wanted, rtol=1e-10)
        assert holder.ask("predictions", mixture) == [None] * 3

    def test_a_new_question_is_one_line(self, holder, pivots, rng, monkeypatch):
        monkeypatch.setitem(QUESTIONS, "largest", largest)
        mixture, heard = rng.random((7, N)), {}
        found = holder.ask("largest", mixture, 3, tick=heard.__setitem__)
        points = np.sort(np.abs(mixture @ pivots), axis=1)[:, :-4:-1]
        np.testing.assert_allclose(found, points, rtol=1e-12)
        assert heard == dict(enumerate(found))

    def test_what_is_read_out_can_be_loaded_again(self, holder, pivots):
        holder.begin(ROWS, ("mean", "square"))
        holder.evaluate(at_pivots(ROWS, [KEY] * N))
        holder.update(Plan(adaptive=Adaptive(-unit(4, 5, 2), 0.1, 0.9, 0.99, 1e-8, 1, None)))
        other = self.make(FunctionObjective(loss, M, torch.float64, torch.device("cpu")))
        other.load(read_out(holder, N), ROWS, {name: states(holder, name) for name in ("mean", "square")})
        plan = Plan({"weights": np.ones((4, 5))})
        for one in (holder, other):
            one.evaluate(at_pivots(ROWS, [KEY] * N))
            one.update(plan)
        np.testing.assert_array_equal(read_out(holder, N), read_out(other, N))
