"""The base of every declared option: unknown keys are refused, values do not change after reading."""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict
from pydantic_core import CoreSchema, core_schema


def named(value: Any) -> Any:
    """A kind's name alone is short for {name: …}; for use as a validator before others."""
    return {"name": value} if isinstance(value, str) else value


def meant(name: Any, known: Iterable[str]) -> str:
    """Which of the known names may have been meant, in brackets; nothing where none is alike."""
    close = difflib.get_close_matches(str(name), list(known), 1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def one_of(name: Any, known: Iterable[str]) -> str:
    """An unknown name, the one that may have been meant, and those that there are."""
    choices = list(known)
    return f"{name!r}{meant(name, choices)}: there are {', '.join(choices)}"


@dataclass(frozen=True)
class Choice:
    """What `choice` says of a type, for pydantic and for `declared`."""

    names: tuple[str, ...]

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> CoreSchema:
        return core_schema.literal_schema(list(self.names))


def choice(table: Iterable[str]) -> Choice:
    """One of a table's names: `Annotated[str, choice(TABLE)]` is `Literal[...]` whose values a table holds.

    A type checker takes it for a str; pydantic, its errors, the JSON schema and `pathsearch options` for the Literal.
    So a kind that is added to the table is an option at once. It may be the `name` by which a union's members are told
    apart, too. The table's order is the order in which the names are shown.
    """
    return Choice(tuple(table))


class Settings(BaseModel):
    """Options that YAML, overrides, validation and the documentation share."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=(), allow_inf_nan=False)

    def revised(self, changes: dict[str, Any]) -> "Settings":
        """The same settings with some values changed, validated anew."""
        return type(self).model_validate({**self.model_dump(), **changes})
