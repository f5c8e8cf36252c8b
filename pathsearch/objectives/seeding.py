"""Seeds all global generators of random numbers while code of others runs, and puts them back."""

import ctypes
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np
import torch
from numpy.random.mtrand import get_bit_generator, set_bit_generator

MT19937_BYTES = 2500  # 624 words of state and the place in them

_untouched: tuple[Any, bytes] | None = None
"""numpy's generator and its state when it was last put back with no normal number drawn ahead."""

_spare: list[Any] = []
"""Generators that take its place; where one `seeded` is inside another, each has its own."""


@contextmanager
def seeded(seed: int, device: torch.device, foreign: bool = True) -> Iterator[Callable[[], bool]]:
    """Seed torch, `random` and `numpy.random` for the time of a block; afterwards they are as they were before.

    Of torch these are the CPU's generator and, for a CUDA device, the device's. torch.manual_seed will not do: where
    CUDA has not started yet, it keeps a note, with a traceback, of every call. foreign: whether a user's code runs,
    which may draw from `random` and `numpy.random`, too. Gives a function that tells whether anything was drawn, and
    seeds anew.
    """
    generators = [torch.default_generator]
    if device.type == "cuda":
        torch.cuda.init()
        generators.append(torch.cuda.default_generators[torch.cuda.current_device()])
    states = [generator.get_state() for generator in generators]

    def prints() -> list[Any]:
        own = [generator.get_state().numpy().tobytes() for generator in generators]
        return [*own, random.getstate(), _bytes(get_bit_generator())] if foreign else own

    def drawn() -> bool:
        now = prints()
        begin(seed, generators, foreign)
        return now != prints()

    with _others_kept() if foreign else nullcontext():
        try:
            begin(seed, generators, foreign)
            yield drawn
        finally:
            for generator, state in zip(generators, states):
                generator.set_state(state)


def begin(seed: int, generators: Sequence[Any] = (torch.default_generator,), foreign: bool = True) -> None:
    """Seed torch's generators, and those of others; called while they are `seeded`, which puts them back."""
    for generator in generators:
        generator.manual_seed(seed)
    if foreign:
        random.seed(seed)
        np.random.seed(seed & 0xFFFFFFFF)


@contextmanager
def _others_kept() -> Iterator[None]:
    """Put the generators of `random` and `numpy.random` back afterwards.

    numpy's generator is exchanged as a whole: that takes one microsecond, reading and writing its state two hundred.
    The exchange loses a normal number that was drawn ahead, so the state is read once after others have used it.
    """
    global _untouched
    python = random.getstate()
    outer = get_bit_generator()
    state = None
    if _untouched is None or _untouched[0] is not outer or _untouched[1] != _bytes(outer):
        state = np.random.get_state(legacy=False)
    inner = _spare.pop() if _spare else np.random.MT19937()
    set_bit_generator(inner)
    try:
        yield
    finally:
        set_bit_generator(outer)
        _spare.append(inner)
        if state is not None and state["has_gauss"]:
            np.random.set_state(state)
        else:
            _untouched = (outer, _bytes(outer)) if isinstance(outer, np.random.MT19937) else None
        random.setstate(python)


def _bytes(generator: Any) -> bytes:
    """The state of an MT19937 generator; empty for other kinds."""
    if not isinstance(generator, np.random.MT19937):
        return b""
    return ctypes.string_at(generator.ctypes.state_address, MT19937_BYTES)
