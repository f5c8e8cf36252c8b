"""The one exception a user is meant to read."""


class PathsearchError(Exception):
    """Something the user can mend; its text is one line that says what to do."""
