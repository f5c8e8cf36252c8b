"""Processes that read a source ahead, so that a device does not wait: requests go out in turn, batches come in order.

torch's DataLoader is not used: here requests that are no longer wanted are withdrawn, so that another mini-batch than
the expected one comes at once, and the death of a process is seen at once, by whoever waits for its batch and nobody
else (the DataLoader raises an error out of a signal handler, in the middle of any other work).
"""

import ctypes
import errno
import os
import signal
import threading
import warnings
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import chain
from multiprocessing.connection import Connection, wait
from multiprocessing.util import get_temp_dir
from typing import Any

import torch
import torch.multiprocessing

from pathsearch.errors import PathsearchError, described
from pathsearch.objectives.data.reading import watched
from pathsearch.objectives.data.sets import Source
from pathsearch.objectives.memory import allocations
from pathsearch.objectives.nests import Batch, leaves, mapped

EACH = 2  # requests that a process has at once: one that it reads, one that waits
BYTES = 1 << 29  # most of all batches that lie ready, as far as one tells of the next
PR_SET_PDEATHSIG = 1  # of prctl
TOO_MANY = (
    "more files would be open than `ulimit -n` allows, as each tensor that another process has read is one: raise that "
    "limit, or set objective.data.workers=0"
)


_Answer = tuple[type[Exception] | None, Any]
"""A kind of error and what it says, or None and a batch."""


@dataclass
class _Worker:
    process: Any
    connection: Connection
    stale: int = 0
    """batches that are still to come and are not wanted any more"""


@dataclass(frozen=True)
class _Due:
    request: Any
    worker: _Worker


@dataclass
class _Shared:
    """What processes see of one another: the number of the last request that is withdrawn, and where each one reads."""

    withdrawn: Any
    at: Any


class Ahead:
    """Reads a source by `workers` processes, which start at the first request; 0: in this process.

    pinned: whether batches are put where a GPU copies from while it works. remark: told where a process has died.
    """

    def __init__(self, source: Source, workers: int, pinned: bool, remark: Callable[[str], None]) -> None:
        self.source, self.pinned, self._remark = source, pinned, remark
        self.workers = 0 if source.cheap else workers
        self._pool: list[_Worker] = []
        self._due: deque[_Due] = deque()
        self._coming: Iterator[Any] = iter(())
        self._sent, self._size = 0, 0
        self._died_at: Any = None
        self._end: Callable[[], object] = lambda: None

    def read(self, request: Any, following: Iterable[Any]) -> Batch:
        """What is requested; following: what will be next as far as is known, looked at where this was not expected.

        Raises PathsearchError where it cannot be read, or a second process has died of it.
        """
        if not self.workers:
            return self._given(self.source.read(request))
        while True:
            if not self._pool:
                with _files():
                    self._start()
            if not self._due or self._due[0].request != request:
                self._expect(chain([request], following))
            due = self._due[0]
            try:
                error, batch = self._received(due.worker)
            except (EOFError, OSError):
                self._restart(due)
                continue
            except PathsearchError:
                self.close()  # what was sent is lost
                raise
            self._due.popleft()  # not before: whoever is interrupted while he waits may come back for it
            self._died_at = None
            self._size = sum(each.nbytes for each in leaves(batch)) if error is None else 0
            self._send_more()
            if error is not None:
                if batch == TOO_MANY:
                    self.close()  # that process has lost its files for good
                raise error(batch)
            return self._given(batch)

    def close(self) -> None:
        """End the processes."""
        self._end()
        self._pool, self._due = [], deque()

    def _given(self, batch: Batch) -> Batch:
        return mapped(batch, lambda each: each.pin_memory()) if self.pinned else batch

    def _start(self) -> None:
        context = torch.multiprocessing.get_context("fork")
        self._shared = _Shared(context.RawValue(ctypes.c_int64, -1), context.RawArray(ctypes.c_int64, self.workers))
        get_temp_dir()  # for all, which goes when this process ends: a worker is killed, and would leave its own
        pairs = [context.Pipe() for _ in range(self.workers)]
        mine = [one for one, _ in pairs]
        for place, (one, other) in enumerate(pairs):
            # the system tells of the end of the thread that forked
            parent = os.getpid() if threading.current_thread() is threading.main_thread() else None
            arguments = (self.source, other, mine, self._shared, place, parent)
            process = context.Process(target=_work, args=arguments, daemon=True)
            with warnings.catch_warnings():  # of threads, which Python 3.12 warns of: a worker uses none of their locks
                warnings.simplefilter("ignore", DeprecationWarning)
                process.start()
            self._pool.append(_Worker(process, one))
        for _, other in pairs:
            other.close()
        self._end = weakref.finalize(self, _ended, list(self._pool), os.getpid())

    def _expect(self, requests: Iterable[Any]) -> None:
        """Withdraw what is being read, and begin with other requests."""
        for due in self._due:
            due.worker.stale += 1
        for worker in self._pool:  # what nobody waits for would keep its memory, and fill the pipe
            with suppress(EOFError, OSError):  # it has died: seen when its batch is awaited
                while worker.stale and worker.connection.poll():
                    _taken(worker)
                    worker.stale -= 1
        self._due.clear()
        self._shared.withdrawn.value = self._sent - 1
        self._coming = iter(requests)
        self._send_more()

    def _send_more(self) -> None:
        most = min(EACH * len(self._pool), BYTES // max(self._size, 1))
        while len(self._due) < max(most, 1):
            request = next(self._coming, self)
            if request is self:
                return
            worker = self._pool[self._sent % len(self._pool)]
            with suppress(OSError):  # it has died: seen when its batch is awaited
                worker.connection.send((self._sent, request))
            self._due.append(_Due(request, worker))
            self._sent += 1

    def _received(self, worker: _Worker) -> _Answer:
        while True:
            wait([worker.connection, worker.process.sentinel])
            if not worker.connection.poll():
                raise EOFError
            answer = _taken(worker)
            if not worker.stale:
                return answer
            worker.stale -= 1

    def _restart(self, due: _Due) -> None:
        """Go on with fewer processes after one has died; raises PathsearchError where a second one dies likewise."""
        process = due.worker.process
        process.join(1.0)
        code = process.exitcode or 0
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with status {code}"
        how += " (/dev/shm may be full)" if code == -signal.SIGBUS else ""
        place = next(n for n, each in enumerate(self._pool) if each is due.worker)
        at = self._shared.at[place] - 1
        where = f" while it read {self.source.named(at)}" if at >= 0 else ""
        said = f"process {process.pid}, which reads data ahead, {how}{where}"
        self.close()
        if self._died_at == due.request:
            raise PathsearchError(
                f"{said}, and so did another one before: where memory ran out, set objective.data.workers=0 or a "
                "smaller objective.batch; else leave that one out of the data"
            )
        self._died_at = due.request
        self.workers = max(1, self.workers // 2)
        self._remark(
            f"warning: {said}; {self.workers} go{'es' if self.workers == 1 else ''} on: where memory ran out, set "
            f"objective.data.workers={self.workers}"
        )


def _taken(worker: _Worker) -> _Answer:
    with _files():
        answer: _Answer = worker.connection.recv()
    return answer


@contextmanager
def _files() -> Iterator[None]:
    """Raise PathsearchError where no more files may be open: every tensor between two processes is one."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        if not _no_files(error):
            raise
        raise PathsearchError(TOO_MANY) from error


def _no_files(error: Exception) -> bool:
    full = isinstance(error, OSError) and error.errno == errno.EMFILE
    return full or any(text in str(error) for text in ("Too many open files", "items of ancdata"))


def _ended(pool: list[_Worker], parent: int) -> None:
    if os.getpid() != parent:  # another fork has found that this one's copy is not needed any more
        return
    for worker in pool:
        worker.connection.close()
        worker.process.kill()
    for worker in pool:
        worker.process.join()


def _work(
    source: Source, connection: Connection, others: list[Connection], shared: _Shared, place: int, parent: int | None
) -> None:
    """What a process does until its parent ends; parent: that one's number where it forked from its main thread."""
    for each in others:  # else this process would keep them open when its parent is gone
        each.close()
    # which are meant for the parent, that may finish a step after a SIGTERM to all
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    if parent is not None:
        _die_with(parent)
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    torch.set_num_threads(1)

    def at(number: int) -> None:
        shared.at[place] = number + 1

    watched(at)
    with suppress(EOFError, OSError):  # the parent is gone
        while True:
            number, request = connection.recv()
            answer = _answer(source, request) if number > shared.withdrawn.value else (None, None)
            try:
                connection.send(answer)
            except (OSError, RuntimeError) as error:
                if _no_files(error):
                    connection.send((PathsearchError, TOO_MANY))
                elif isinstance(error, OSError):
                    raise
                else:  # torch has no more shared memory
                    connection.send((MemoryError, described(error)))
            shared.at[place] = 0


def _answer(source: Source, request: Any) -> _Answer:
    try:
        with allocations():
            return None, source.read(request)
    except PathsearchError as error:
        return PathsearchError, str(error)
    except MemoryError as error:
        return MemoryError, str(error)
    except Exception as error:
        return PathsearchError, f"reading {request} raised {described(error)}"


def _die_with(parent: int) -> None:
    """Let the system end this process when its parent is killed, whatever it does then."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
