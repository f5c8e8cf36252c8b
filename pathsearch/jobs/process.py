"""Which process is which: a number alone does not say, they come again, after a container's restart at once."""

from pathlib import Path

import psutil

NEAR = 2.0  # seconds by which what a system says of a process's start may differ from one time to the next
BOOT = Path("/proc/sys/kernel/random/boot_id")


def identity(pid: int) -> tuple[str, float]:
    """Boot and start of a process, which with its number are those of no other; ("", 0.0) where there is none."""
    try:
        started = psutil.Process(pid).create_time()
        if BOOT.exists():  # a start counted from the boot is one that no set clock moves
            return BOOT.read_text().strip(), started - psutil.boot_time()
        return "", started
    except (psutil.Error, OSError, ValueError):
        return "", 0.0


def lives(pid: int, boot: str, started: float) -> bool:
    """Whether that very process is there and has not ended. Of one whose start is not known this cannot be told."""
    now = identity(pid)
    return bool(started) and now[0] == boot and abs(now[1] - started) < NEAR and not _zombie(pid)


def names(pid: int, folder: Path) -> bool:
    """Whether a process of that number was started by Submitit for the jobs in `folder`."""
    try:
        command = psutil.Process(pid).cmdline()
    except (psutil.Error, ValueError, OverflowError):
        return False
    return any("submitit" in word for word in command) and str(folder.resolve()) in map(_resolved, command)


def _zombie(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return True


def _resolved(word: str) -> str:
    return str(Path(word).resolve()) if word.startswith("/") else word
