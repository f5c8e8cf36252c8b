"""Small files that say how things stand: written in one piece, read with caution.

They may lie where others write too, may be cut off by a crash, or be something else altogether.
"""

import os
import stat
from pathlib import Path

from pathsearch.atomic import replacing

MOST = 1 << 26  # bytes of a file that is read whole
END = 1 << 14  # bytes of a log in which its last line is looked for


def write(file: Path, text: str | bytes) -> None:
    """Put a file in place in one piece; nothing is written through a link that lies there."""
    data = text if isinstance(text, bytes) else text.encode()
    # which fails where there is a link
    with replacing(file) as partial, partial.open("xb") as opened:
        opened.write(data)


def read(file: Path, most: int = MOST) -> bytes:
    """What a file holds. Raises OSError, or ValueError where it is none that one would read."""
    with open(file, "rb", opener=_at_once) as opened:
        facts = os.fstat(opened.fileno())
        if not stat.S_ISREG(facts.st_mode):
            raise ValueError("it is no file")
        if facts.st_size > most:
            raise ValueError(f"it has {facts.st_size:,} bytes")
        return opened.read(most)


def last_line(file: Path) -> str:
    """The last line that a job has printed; "" where it printed nothing. Raises OSError."""
    with open(file, "rb", opener=_at_once) as opened:
        facts = os.fstat(opened.fileno())
        if not stat.S_ISREG(facts.st_mode):
            return ""
        opened.seek(max(0, facts.st_size - END))
        lines = opened.read(END).decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else ""


def append(file: Path) -> int:
    """A descriptor that appends to a file, made where there is none. Raises OSError, also where there is a link."""
    return os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)


def printable(text: str) -> str:
    """A text as it can be shown in one line, whatever it was read from."""
    return "".join(sign if sign.isprintable() else "?" for sign in text)


def _at_once(name: str, flags: int) -> int:
    """Open without waiting for who writes into a pipe."""
    return os.open(name, flags | os.O_NONBLOCK)
