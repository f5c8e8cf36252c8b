"""When a run is to stop before its end: signals, and the end of the time it was given. Imports nothing heavy."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

WARNING = signal.SIGUSR2  # what SLURM sends ahead of a preemption or of the end of the time (`--signal=USR2@…`)
SLACK = 10.0  # seconds to leave in order
LOOK = 1.0  # seconds between two looks whether the run is cancelled


@dataclass
class Stop:
    """Who asked: the first signal's `number`, SIGALRM at the end of the time; `until`, as time.time(), all is over.

    `cancels` says whether this one run is to end: then `number` is SIGTERM and `cancelled` holds until a signal comes.
    """

    until: float | None = None
    number: int | None = None
    cancels: Callable[[], bool] | None = None
    cancelled: bool = False
    looked: float = 0.0

    def due(self, ahead: float) -> bool:
        """Whether to stop now, where to go on takes `ahead` seconds until this is asked again."""
        if self.number is None and self.until is not None and time.time() + ahead + SLACK > self.until:
            self.number = signal.SIGALRM
        if self.number is None and self.cancels is not None and (now := time.monotonic()) > self.looked + LOOK:
            self.looked = now
            if self.cancels() and self.number is None:
                self.cancelled = True  # first: a signal that comes now stands over it
                self.number = self.number or signal.SIGTERM
        return self.number is not None

    def go_on(self) -> bool:
        """Forget that one run was cancelled; False where more than that is to end."""
        if self.cancelled:
            self.number, self.cancelled = None, False
        return self.number is None

    @property
    def reason(self) -> str:
        """What stopped it, in words."""
        if self.number is None:
            return "nobody"
        if self.cancelled:
            return "`pathsearch cancel`"
        return "the end of its time" if self.number == signal.SIGALRM else signal.Signals(self.number).name


@contextmanager
def signals() -> Iterator[Stop]:
    """Note the first SIGINT, SIGTERM or SIGUSR2; a second SIGINT or SIGTERM ends the process as usual."""
    stop = Stop()
    old: dict[int, Any] = {}

    def note(number: int, frame: Any) -> None:
        if stop.number is None or stop.cancelled:
            stop.number, stop.cancelled = number, False
        if number != WARNING:
            signal.signal(number, old[number])

    for wanted in (signal.SIGINT, signal.SIGTERM, WARNING):
        old[wanted] = signal.signal(wanted, note)
    try:
        yield stop
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
