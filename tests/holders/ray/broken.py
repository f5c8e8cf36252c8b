"""Losses that fail on the right half of a path from (−1, 0) to (1, 0), except at its end."""

from pathlib import Path

import torch


def bowl(w):
    return (w**2).sum()


def far(w):
    return 0.0 <= float(w[0]) < 0.9


def nan(w):
    return bowl(w) * torch.nan if far(w) else bowl(w)


def out_of_memory(w):
    if far(w) and w.requires_grad:
        raise torch.OutOfMemoryError("no room")
    return bowl(w)


def error(w):
    if far(w):
        raise ValueError("too far")
    return bowl(w)


def device(w):
    """A device that fails the first time, in whatever process."""
    once = Path("failed")
    if far(w) and w.requires_grad and not once.exists():
        once.touch()
        raise RuntimeError("CUDA error: unspecified launch failure\nCompile with …")
    return bowl(w)
