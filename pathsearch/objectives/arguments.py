"""Arguments that a configuration has for a user's class or function, or for one of this program's networks."""

from collections.abc import Callable, Iterable
from inspect import Parameter, signature
from typing import Any

from pathsearch.errors import PathsearchError
from pathsearch.settings import one_of

NAMED = (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)


def refuse_unknown(function: Callable[..., Any], given: Iterable[str], option: str, own: Iterable[str] = ()) -> None:
    """Raise PathsearchError where a function has no argument of a given name; own: those that the program gives.

    option: whose value the arguments are. A function that takes any, or does not tell which it takes, is taken at its
    word.
    """
    try:
        parameters = signature(function).parameters
    except (TypeError, ValueError):
        return
    if any(each.kind is Parameter.VAR_KEYWORD for each in parameters.values()):
        return
    known = [name for name, each in parameters.items() if each.kind in NAMED and name not in set(own)]
    for name in given:
        if name not in known:
            said = one_of(name, known) if known else f"{name!r}: it takes none"
            raise PathsearchError(f"{option}: no argument {said}")
