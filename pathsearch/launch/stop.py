"""When a run is to stop before its end: signals, and the end of the time it was given. Imports nothing heavy."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

WARNING = signal.SIGUSR2  # what SLURM sends ahead of a preemption or of the end of the time (`--signal=USR2@…`)
SLACK = 10.0  # seconds to leave in order


@dataclass
class Stop:
    """Who asked: the first signal's `number`, SIGALRM at the end of the time; `until`, as time.time(), all is over."""

    until: float | None = None
    number: int | None = None

    def due(self, ahead: float) -> bool:
        """Whether to stop now, where to go on takes `ahead` seconds until this is asked again."""
        if self.number is None and self.until is not None and time.time() + ahead + SLACK > self.until:
            self.number = signal.SIGALRM
        return self.number is not None

    @property
    def reason(self) -> str:
        """What stopped it, in words."""
        if self.number is None:
            return "nobody"
        return "the end of its time" if self.number == signal.SIGALRM else signal.Signals(self.number).name


@contextmanager
def signals() -> Iterator[Stop]:
    """Note the first SIGINT, SIGTERM or SIGUSR2; a second SIGINT or SIGTERM ends the process as usual."""
    stop = Stop()
    old: dict[int, Any] = {}

    def note(number: int, frame: Any) -> None:
        stop.number = stop.number or number
        if number != WARNING:
            signal.signal(number, old[number])

    for wanted in (signal.SIGINT, signal.SIGTERM, WARNING):
        old[wanted] = signal.signal(wanted, note)
    try:
        yield stop
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
