"""Small text files: written in one piece, read with caution.

Other users may write into the same folder, a crash may cut a file off, and it may be something else altogether.
"""

import os
import stat
from pathlib import Path

from pathsearch.atomic import replacing

MOST = 1 << 26  # bytes of a file that is read whole
END = 1 << 14  # bytes of a log in which its last line is looked for


def write(file: Path, text: str | bytes) -> None:
    """Write a file in one piece; a link in its place is replaced, not followed."""
    data = text if isinstance(text, bytes) else text.encode()
    # "x" fails where there is a link
    with replacing(file) as partial, partial.open("xb") as opened:
        opened.write(data)


def read(file: Path, most: int = MOST) -> bytes:
    """The bytes of a file. Raises OSError, or ValueError where it is no ordinary file or too large."""
    with open(file, "rb", opener=_at_once) as opened:
        facts = os.fstat(opened.fileno())
        if not stat.S_ISREG(facts.st_mode):
            raise ValueError("it is no file")
        if facts.st_size > most:
            raise ValueError(f"it has {facts.st_size:,} bytes")
        return opened.read(most)


def last_line(file: Path) -> str:
    """The last line of a log that is not empty; "" where there is none. Raises OSError."""
    with open(file, "rb", opener=_at_once) as opened:
        facts = os.fstat(opened.fileno())
        if not stat.S_ISREG(facts.st_mode):
            return ""
        opened.seek(max(0, facts.st_size - END))
        lines = opened.read(END).decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else ""


def append(file: Path) -> int:
    """A descriptor that appends to a file, which is made where needed. Raises OSError, also where it is a link."""
    return os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)


def printable(text: str) -> str:
    """A text in one line, with ? for every sign that cannot be printed."""
    return "".join(sign if sign.isprintable() else "?" for sign in text)


def _at_once(name: str, flags: int) -> int:
    """Open a file, or a pipe without waiting for its writer."""
    return os.open(name, flags | os.O_NONBLOCK)
