"""Optimisers as plans of coefficients, carried out on vectors, against the same rules written on plain vectors."""

import numpy as np
import pytest
import torch

from pathsearch.methods.sampling import at_pivots, downhill
from pathsearch.methods.stages import Stage
from pathsearch.numerics.schedules import SCHEDULES
from pathsearch.numerics.seeds import Key
from pathsearch.objectives.function import FunctionObjective
from pathsearch.optimizers import Adam, Fire, Lbfgs, Sgd
from tests.conftest import path_of, searched

M, STEPS = 6, 25
generator = torch.Generator().manual_seed(0)
mixing = torch.randn(M, M, generator=generator, dtype=torch.float64)
CURVATURE = mixing @ mixing.T / M + 0.1 * torch.eye(M, dtype=torch.float64)
STARTS = torch.randn(2, M, generator=generator, dtype=torch.float64)


def bowl(w):
    return 0.5 * w @ CURVATURE @ w + 0.1 * (w**4).sum()


class Descent:
    """A method whose pivots do not know each other: each follows its own gradient."""

    respaced = False

    def sample(self, pivots, moving, seed, step, fixed):
        return at_pivots(moving, [Key(seed, step)] * pivots)

    def forces(self, losses, gram, memory, stochastic):
        return downhill(gram)


def ours(optimizer, steps=STEPS):
    """Both starts moved at once, as pivots between ends that say nothing; returns where they end [2, M]."""
    chain = np.pad(STARTS.numpy(), ((1, 1), (0, 0)))
    stage = Stage("test", Descent(), optimizer, steps)
    holder, _ = searched(FunctionObjective(bowl, M, torch.float64, torch.device("cpu")), chain, [stage])
    return path_of(holder)[1:-1]


def torchs(make, schedule="constant"):
    ends = []
    for start in STARTS:
        w = start.clone().requires_grad_()
        optimizer = make([w])
        rate = optimizer.param_groups[0]["lr"]
        for step in range(STEPS):
            optimizer.param_groups[0]["lr"] = rate * SCHEDULES[schedule](step / STEPS)
            optimizer.zero_grad()
            bowl(w).backward()
            optimizer.step()
        ends.append(w.detach().numpy())
    return np.array(ends)


@pytest.mark.parametrize("nesterov", [False, True])
@pytest.mark.parametrize("schedule", ["constant", "cosine"])
def test_sgd_is_torchs(nesterov, schedule):
    wanted = torchs(lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9, nesterov=nesterov), schedule)
    np.testing.assert_allclose(ours(Sgd(lr=0.05, nesterov=nesterov, schedule=schedule)), wanted, rtol=1e-11)


def test_adam_is_torchs():
    wanted = torchs(lambda p: torch.optim.Adam(p, lr=0.05, betas=(0.8, 0.95)))
    np.testing.assert_allclose(ours(Adam(lr=0.05, beta1=0.8, beta2=0.95)), wanted, rtol=1e-10)


def gradient(w):
    w = torch.tensor(w, requires_grad=True)
    return torch.autograd.grad(sum(bowl(row) for row in w), w)[0].numpy()


def test_lbfgs_is_bfgs_on_the_whole_path_while_its_memory_reaches():
    """Dense BFGS over all 2M unknowns, with the first matrix L-BFGS takes: the latest pair's s·y / y·y."""
    steps, cap = 8, 0.7
    x, s, y = STARTS.numpy().copy(), [], []
    for step in range(steps):
        force = -gradient(x)
        if step:
            y.append((past - force).ravel())  # noqa: F821
        flat = force.ravel()
        if y:
            inverse = np.eye(2 * M) * (s[-1] @ y[-1]) / (y[-1] @ y[-1])
            for a, b in zip(s, y):  # Nocedal & Wright 2006, eq. 6.17
                rho = 1 / (a @ b)
                left = np.eye(2 * M) - rho * np.outer(a, b)
                inverse = left @ inverse @ left.T + rho * np.outer(a, a)
            direction = (inverse @ flat).reshape(2, M)
        else:
            direction = force * 0.1 * cap / np.linalg.norm(force, axis=1).max()
        size = np.linalg.norm(direction, axis=1, keepdims=True)
        move = direction * np.minimum(1, cap / size)
        s.append(move.ravel())
        past = force  # noqa: F841
        x = x + move
    np.testing.assert_allclose(ours(Lbfgs(max_step=cap), steps), x, rtol=1e-9)


def test_lbfgs_with_a_short_memory_reuses_its_slots():
    end = ours(Lbfgs(memory=2, max_step=0.7), 150)
    np.testing.assert_allclose(end, 0.0, atol=1e-9)


def test_fire_is_one_system_over_all_pivots():
    """The rule of Bitzek et al. 2006 on one long vector; per-pivot powers would give another end."""
    x, v, dt, mix, streak = STARTS.numpy().copy(), np.zeros((2, M)), 0.1, 0.1, 0
    for _ in range(40):
        force = -gradient(x)
        if (force * v).sum() > 0:
            v = (1 - mix) * v + mix * np.linalg.norm(v) / np.linalg.norm(force) * force
            streak += 1
            if streak > 5:
                dt, mix = min(1.1 * dt, 1.0), mix * 0.99
        else:
            dt, v, mix, streak = dt * (0.5 if streak else 1.0), v * 0, 0.1, 0
        v = v + dt * force
        move = dt * v
        move *= np.minimum(1, 0.2 / np.linalg.norm(move, axis=1, keepdims=True))
        v, x = move / dt, x + move
    np.testing.assert_allclose(ours(Fire(dt=0.1, max_step=0.2), 40), x, rtol=1e-10)


@pytest.mark.parametrize("optimizer", [Sgd(lr=10.0, max_step=0.01), Adam(lr=10.0, max_step=0.01)])
def test_the_step_cap_holds_for_each_pivot(optimizer):
    moved = ours(optimizer, 1) - STARTS.numpy()
    np.testing.assert_allclose(np.linalg.norm(moved, axis=1), 0.01, rtol=1e-9)
