"""Random numbers as a function of a seed, whichever generator code draws them from."""

import pickle
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch


class Generator(NamedTuple):
    """How one generator is read, put back and seeded."""

    state: Callable[[], Any]
    restore: Callable[[Any], Any]
    seed: Callable[[int], Any]


@contextmanager
def seeded(seed: int, device: torch.device, foreign: bool = True) -> Iterator[Callable[[], bool]]:
    """All generators seeded, and as they were afterwards; gives a function that tells whether any was drawn from.

    foreign: whether code that is not this program's own runs, which may draw from `random` and `numpy.random` too.
    """
    generators = _generators(device, foreign)
    states = [generator.state() for generator in generators]
    for generator in generators:
        generator.seed(seed)

    def drawn() -> bool:
        now = [_print(generator.state()) for generator in generators]
        for generator in generators:
            generator.seed(seed)
        return now != [_print(generator.state()) for generator in generators]

    try:
        yield drawn
    finally:
        for generator, state in zip(generators, states):
            generator.restore(state)


def _generators(device: torch.device, foreign: bool) -> list[Generator]:
    # not torch.manual_seed: where CUDA has not started yet it keeps a note, with a traceback, of every call
    those = [torch.default_generator]
    if device.type == "cuda":
        torch.cuda.init()
        those.append(torch.cuda.default_generators[torch.cuda.current_device()])
    found = [Generator(each.get_state, each.set_state, each.manual_seed) for each in those]
    if foreign:
        found.append(Generator(random.getstate, random.setstate, random.seed))
        found.append(Generator(np.random.get_state, np.random.set_state, lambda seed: np.random.seed(seed % 2**32)))
    return found


def _print(state: Any) -> bytes:
    """A state as bytes that are equal where states are."""
    return bytes(state.numpy().tobytes()) if isinstance(state, torch.Tensor) else pickle.dumps(state)
