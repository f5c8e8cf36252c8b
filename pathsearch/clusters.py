"""What the Rays that a run starts, on its machine or in a job step, have in common. Imports nothing heavy."""

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
MISSED = 4  # looks in a row that find nobody: it is gone, and not just busy
ANSWER = 10.0  # seconds for it to answer

LOOPBACK = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
"""By which a Ray of one machine listens on its loopback alone, as it does on macOS; read when Ray is imported."""


@contextmanager
def environment(more: Mapping[str, str]) -> Iterator[None]:
    """Set variables that are not set yet, for what is imported or started inside, and put all back as it was."""
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
    """The token by which the processes of a Ray know each other: one a process, since Ray reads it once."""
    return secrets.token_hex(32)


def kept_secret(file: Path) -> Path:
    """Write the token into a new file, which nobody else can read at any time."""
    file.touch(0o600, exist_ok=False)
    file.write_text(secret())
    return file


def silent(host: str, port: int, seconds: float = ANSWER) -> OSError | None:
    """Why nobody answers at an address; None where somebody does."""
    try:
        socket.create_connection((host.strip("[]"), port), timeout=seconds).close()
    except OSError as error:
        return error
    return None


@contextmanager
def watched(addresses: list[tuple[str, int]], gone: Callable[[], None], there: Callable[[], bool]) -> Iterator[None]:
    """Call `gone`, from a thread, where one of the addresses falls silent or `there` is no longer so meanwhile."""
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
    """Processes below one, known for certain though their numbers may come again."""
    with contextlib.suppress(psutil.Error):
        return list(psutil.Process(ancestor).children(recursive=True))
    return []


def killed(processes: list[psutil.Process]) -> None:
    """Kill those that are still there."""
    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.kill()
