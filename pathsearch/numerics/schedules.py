"""Learning rates over a stage: a schedule is one function of the finished share of its steps."""

from collections.abc import Callable
from math import cos, pi


def constant(done: float) -> float:
    """Always the full rate."""
    return 1.0


def step(done: float) -> float:
    """Divided by ten at one half and at three quarters (Draxler et al. 2018, minima)."""
    return 1.0 if done < 0.5 else 0.1 if done < 0.75 else 0.01


def cosine(done: float) -> float:
    """Half a cosine from the full rate to zero (Loshchilov & Hutter 2017, eq. 5)."""
    return 0.5 * (1.0 + cos(pi * min(done, 1.0)))


def one_cycle(done: float) -> float:
    """Up from 1/25 over the first 30 %, then down to nearly zero, both as cosines (Smith & Topin 2018)."""
    if done < 0.3:
        return 1.0 - (1.0 - 1.0 / 25) * cosine(done / 0.3)
    return 1e-5 + (1.0 - 1e-5) * cosine((done - 0.3) / 0.7)


def garipov(done: float) -> float:
    """Full to 50 %, linear to 1 % at 90 %, then flat (Garipov et al. 2018, appendix A.1)."""
    return 1.0 if done < 0.5 else 0.01 if done > 0.9 else 1.0 - (done - 0.5) / 0.4 * 0.99


SCHEDULES: dict[str, Callable[[float], float]] = {
    "constant": constant,
    "step": step,
    "cosine": cosine,
    "one-cycle": one_cycle,
    "garipov": garipov,
}
