"""The exceptions a user is meant to read."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager


class PathsearchError(Exception):
    """Something the user can mend; its text is one line that says what to do. `status` is the program's exit code."""

    status = 1


class NotFinite(PathsearchError):
    """A loss or gradient of the search is infinite or not a number."""


class HolderLost(PathsearchError):
    """Vectors are gone with the process that held them; a search can go on from its last checkpoint."""


class Interrupted(PathsearchError):
    """A signal, or the end of its time, asked the run to stop; its state is kept. `number`: that signal's."""

    status = 130

    def __init__(self, said: str, number: int) -> None:
        super().__init__(said)
        self.number = number


class Requeued(Interrupted):
    """As Interrupted; the job was put back into its queue and will go on."""


class MachineLost(Interrupted):
    """A device, or Ray on this machine, failed under a run, which goes on from its last checkpoint where both work.

    `status` is the system's code for trying again (EX_TEMPFAIL); `number` that of SLURM's warning, on which a job is
    requeued.
    """

    status = 75

    def __init__(self, said: str) -> None:
        super().__init__(said, signal.SIGUSR2)


@contextmanager
def needed(package: str, what: str) -> Iterator[None]:
    """Raise PathsearchError, with what to do, where what is imported inside for `what` lacks a package."""
    try:
        yield
    except ImportError as error:
        raise PathsearchError(
            f"{what} needs {package}, which cannot be imported here ({one_line(error)}): pip install {package}"
        ) from error


def complain(error: PathsearchError) -> None:
    """Say what went wrong, in one line on stderr."""
    print(f"pathsearch: {one_line(error)}", file=sys.stderr, flush=True)


def one_line(error: BaseException | str) -> str:
    """A text, or an exception's, without its line breaks."""
    try:
        return " ".join(str(error).split())
    except Exception:  # an exception of a user's may fail to say what it is
        return ""


def described(error: BaseException) -> str:
    """An exception of others in one line: its type, and its text where it has one."""
    kind = type(error).__name__
    said = one_line((error.msg or "") if isinstance(error, SyntaxError) else error)
    if isinstance(error, MemoryError) and not said:
        said = "there is not enough memory: use less data at once, or a machine with more"
    return f"{kind}: {said}" if said else kind
