"""What a declaration of options says: the kinds a value may be of, what it takes in words, where a key leads."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import Tag
from pydantic.fields import FieldInfo

from pathsearch.settings import Choice, Settings, named

PLAIN = {bool: "true or false", int: "a whole number", float: "a number", str: "text", NoneType: "null"}
PLURAL = {int: "whole numbers", float: "numbers", str: "texts"}
BOUNDS = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}


@dataclass(frozen=True)
class Member:
    """One of the types that a value may have, with what restricts it; a list's items have members of their own."""

    type: Any
    limits: list[Any] = field(default_factory=list)
    tag: str | None = None

    @property
    def settings(self) -> type[Settings] | None:
        return self.type if isinstance(self.type, type) and issubclass(self.type, Settings) else None

    @property
    def kinds(self) -> tuple[str, ...]:
        """Names by which this kind of several is chosen; none where there is only one."""
        name = self.settings.model_fields.get("name") if self.settings else None
        return next((get_args(one.type) for one in of_field(name) if one.literal), ()) if name is not None else ()

    @property
    def literal(self) -> bool:
        return get_origin(self.type) is Literal


def members(annotation: Any, limits: Any = ()) -> Iterator[Member]:
    """What an annotation allows, one by one."""
    if get_origin(annotation) is Annotated:
        inner, *more = get_args(annotation)
        inside = [limit for one in more for limit in (one.metadata if isinstance(one, FieldInfo) else [one])]
        tag = next((one.tag for one in more if isinstance(one, Tag)), None)
        for member in members(inner, [*limits, *inside]):
            yield Member(member.type, member.limits, tag or member.tag)
    elif get_origin(annotation) in (Union, UnionType):
        for inner in get_args(annotation):
            yield from members(inner, limits)
    else:
        names = next((limit.names for limit in limits if isinstance(limit, Choice)), None)
        yield Member(annotation if names is None else Literal[names], list(limits))


def of_field(declared: FieldInfo) -> list[Member]:
    """What an option allows."""
    return list(members(declared.annotation, declared.metadata))


def takes(allowed: list[Member]) -> str:
    """What may be given, in words."""
    kinds = [name for one in allowed for name in _names(one)]
    said = [" | ".join(kinds)] if kinds else []
    for one in allowed:
        if not _names(one):
            said.append(_words(one))
    said.sort(key=lambda words: words == PLAIN[NoneType])
    return " or ".join(dict.fromkeys(said))


def inside(allowed: list[Member], key: Any) -> list[Member] | None:
    """What is allowed at a key of a value, None where it can have none of that name."""
    for one in allowed:
        origin, arguments = get_origin(one.type), get_args(one.type)
        if one.settings and key in one.settings.model_fields:
            return of_field(one.settings.model_fields[key])
        if origin is list and isinstance(key, int):
            return list(members(arguments[0]))
        if origin is tuple and isinstance(key, int):
            return list(members(arguments[min(key, len(arguments) - 1)]))
        if origin is dict and isinstance(key, str):
            return list(members(arguments[1]))
    return None


def located(allowed: list[Member], location: tuple[Any, ...]) -> tuple[list[str], list[Member], list[Member]]:
    """Where a validator's location leads: the keys a user wrote, what is allowed there, and the kinds it can be yet.

    A location has the names of kinds and of types between the keys.
    """
    keys: list[str] = []
    chosen = allowed
    for part in location:
        there = inside(chosen, part)
        if there is None:
            chosen = [one for one in chosen if part in (*one.kinds, one.tag)] or chosen
        else:
            keys.append(str(part))
            allowed = chosen = there
    return keys, allowed, chosen


def _names(one: Member) -> tuple[str, ...]:
    """The names that stand for a value, or alone for a kind of settings."""
    if one.literal:
        return tuple(map(str, get_args(one.type)))
    return one.kinds


def _words(one: Member) -> str:
    origin, arguments = get_origin(one.type), get_args(one.type)
    if one.settings:
        name = "a name or " if any(getattr(limit, "func", None) is named for limit in one.limits) else ""
        return f"{name}{{{', '.join(one.settings.model_fields)}}}"
    if origin is list:
        return f"a list{_items(one)}"
    if origin is tuple:
        return f"a list of {len(arguments)} {PLURAL.get(arguments[0], '')}"
    if origin is dict:
        return "a mapping"
    plain = PLAIN.get(one.type, "a value")
    return plain if one.type is NoneType else f"{plain} {_bounds(one)}".strip()


def _items(one: Member) -> str:
    (inner,) = get_args(one.type)
    least = [f" of at least {limit.min_length}" for limit in one.limits if getattr(limit, "min_length", None)]
    return f" of {PLURAL[inner]}" if inner in PLURAL else f"{''.join(least)}, each {takes(list(members(inner)))}"


def _bounds(one: Member) -> str:
    found = [(name, getattr(limit, name, None)) for name in BOUNDS for limit in one.limits]
    return " and ".join(f"{BOUNDS[name]} {bound:g}" for name, bound in found if bound is not None)
