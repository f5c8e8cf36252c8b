"""Randomness as a function of what it is for, never of who draws it or in which order."""

from typing import NamedTuple

import numpy as np


class Key(NamedTuple):
    """What a mini-batch, its augmentation and its dropout follow from; batch None is the objective's own size."""

    seed: int
    step: int
    batch: int | None = None


def derive(*parts: int) -> int:
    """A 63-bit seed from integers such as (purpose, seed, step, sample); the same everywhere, every time."""
    words = np.random.SeedSequence([part & 0xFFFFFFFFFFFFFFFF for part in parts]).generate_state(1, np.uint64)
    return int(words[0]) >> 1
