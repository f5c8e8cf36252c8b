"""Which process is which. A number alone does not tell: the system reuses it, after a container's restart at once."""

from pathlib import Path

import psutil

NEAR = 2.0  # seconds; the start that a system gives for one process may vary by less
# psutil knows the time of the boot, which moves with the clock, but not its id
BOOT = Path("/proc/sys/kernel/random/boot_id")


def identity(pid: int) -> tuple[str, float]:
    """The boot and start of a process, which with its number no other process has; ("", 0.0) where there is none."""
    try:
        started = psutil.Process(pid).create_time()
        if BOOT.exists():  # setting the clock does not move a start that is counted from the boot
            return BOOT.read_text().strip(), started - psutil.boot_time()
        return "", started
    except (psutil.Error, OSError, ValueError):
        return "", 0.0


def lives(pid: int, boot: str, started: float) -> bool:
    """Whether this very process exists and has not ended; False where its start is not known."""
    now = identity(pid)
    return bool(started) and now[0] == boot and abs(now[1] - started) < NEAR and not _zombie(pid)


def of_submitit(pid: int, folder: Path) -> bool:
    """Whether Submitit started the process of that number for the jobs in `folder`."""
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
