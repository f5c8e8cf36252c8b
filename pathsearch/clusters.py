"""What is common to all Ray clusters that a run starts, on its machine or in a job step. Imports nothing heavy."""

import contextlib
import os
import secrets
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import psutil

LOOK = 0.2  # seconds between two looks at an address that was silent
BEAT = 1.0  # seconds between two looks at one that answered
MISSED = 4  # looks in a row without an answer: it is gone, and not just busy
ANSWER = 10.0  # seconds to wait for an answer

LOOPBACK = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
"""With this Ray on one machine listens only on the loopback address, as on macOS. Ray reads it when it is imported."""


@contextmanager
def environment(more: Mapping[str, str]) -> Iterator[None]:
    """Set variables, those that are not set yet, for what is imported or started inside; restore all of them after."""
    before = dict(os.environ)
    os.environ.update({**more, **before})
    try:
        yield
    finally:
        for name in set(os.environ) - set(before):
            del os.environ[name]
        os.environ.update(before)


@cache
def secret() -> str:
    """The token with which Ray's processes authenticate. This process has only one, since Ray reads it once."""
    return secrets.token_hex(32)


def kept_secret(file: Path) -> Path:
    """Write the token into a new file that no other user can read at any time."""
    file.touch(0o600, exist_ok=False)
    file.write_text(secret())
    return file


def silent(host: str, port: int, seconds: float = ANSWER) -> OSError | None:
    """Why no process answers at an address; None where one does."""
    try:
        socket.create_connection((host.strip("[]"), port), timeout=seconds).close()
    except OSError as error:
        return error
    return None


@contextmanager
def watched(addresses: list[tuple[str, int]], gone: Callable[[], None], there: Callable[[], bool]) -> Iterator[None]:
    """Call `gone` from a thread when an address stops answering, or `there` becomes false, before the block ends."""
    over = threading.Event()

    def watch() -> None:
        missed = 0
        while there() and missed < MISSED and not over.wait(LOOK if missed else BEAT):
            missed = missed + 1 if any(silent(*address) for address in addresses) else 0
        if not over.is_set():
            gone()

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def descendants(ancestor: int) -> list[psutil.Process]:
    """All processes below one. Each is known by its number and its start, since the system reuses numbers."""
    with contextlib.suppress(psutil.Error):
        return list(psutil.Process(ancestor).children(recursive=True))
    return []


def killed(processes: list[psutil.Process]) -> None:
    """Kill those that are still there."""
    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.kill()
