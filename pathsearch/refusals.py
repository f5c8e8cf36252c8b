"""What is wrong with given options, in this program's words."""

from typing import Any, get_args

from pydantic import ValidationError
from pydantic_core import core_schema

from pathsearch.declared import BOUNDS, PLAIN, Member, located, members, takes
from pathsearch.settings import meant, one_of

PYDANTICS = get_args(core_schema.ErrorType)


def refused(error: ValidationError, kind: Any, prefix: str = "") -> str:
    """Every key at fault, below `prefix`, and what it may be; `kind` is the declaration that was not met."""
    said = dict(_fault(dict(fault), list(members(kind)), prefix) for fault in error.errors(include_url=False))
    return "; ".join(f"{key}{text}" for key, text in said.items())


def _fault(fault: dict[str, Any], allowed: list[Member], prefix: str) -> tuple[str, str]:
    what, location, context = fault["type"], fault["loc"], fault.get("ctx", {})
    unknown = location[-1] if what == "extra_forbidden" else None
    short = what == "missing" and isinstance(location[-1], int)  # a list has too few items
    keys, there, chosen = located(allowed, location[:-1] if unknown is not None or short else location)
    key = ".".join([*prefix.split("."), *keys] if prefix else keys)
    if unknown is not None:
        known = list(dict.fromkeys(name for one in chosen if one.settings for name in one.settings.model_fields))
        kind = f" of {location[-2]}" if chosen and location[-2:-1] and location[-2] in chosen[0].kinds else ""
        said = f": no such option{kind}{meant(unknown, known)}: there are {', '.join(known)}"
        return f"{key}.{unknown}" if key else str(unknown), said
    if what == "missing" and not short:
        return key, " is needed"
    if what == "union_tag_not_found" and isinstance(fault["input"], dict):
        return f"{key}.name" if key else "name", f" is needed: give {takes(there)}"
    return key, f"{': ' if key else ''}{_advice(what, fault, context, there)}"


def _advice(what: str, fault: dict[str, Any], context: dict[str, Any], there: list[Member]) -> str:
    if what in ("value_error", "assertion_error"):
        return str(context["error"])
    if what not in PYDANTICS:  # one of this program's own
        return str(fault["msg"])
    if what in ("union_tag_invalid", "literal_error"):
        given = context.get("tag", fault["input"])
        names = [name for one in there for name in (one.kinds or get_args(one.type))]
        if isinstance(given, str) and names and all(isinstance(name, str) for name in names):
            return f"no {one_of(given, names)}"
    said = f"give {takes(there)}"
    return said.replace("a number", "a finite number", 1) if what == "finite_number" else said


def number(error: ValidationError) -> str:
    """What is to be given where one number was refused, as the command line's library does."""
    (fault,) = error.errors(include_url=False)
    kind = int if "int" in f"{error.title} {fault['type']}" else float
    bounds = [f" {word} {fault['ctx'][name]:g}" for name, word in BOUNDS.items() if name in fault.get("ctx", {})]
    return f"give {PLAIN[kind]}{''.join(bounds)}"
