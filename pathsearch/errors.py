"""The exceptions a user is meant to read."""


class PathsearchError(Exception):
    """Something the user can mend; its text is one line that says what to do. `status` is the program's exit code."""

    status = 1


class Interrupted(PathsearchError):
    """A signal asked the run to stop; its state is kept."""

    status = 130
