"""Every option of a run, from the one declaration: as a table, and as a JSON schema."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any, get_args

from pydantic.fields import FieldInfo
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import core_schema
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pathsearch.declared import Member, members, of_field, takes
from pathsearch.errors import PathsearchError
from pathsearch.run.settings import RunSettings
from pathsearch.settings import Settings, meant, named

NEEDED = "needed"
BASE = "another configuration, a name or a file, that this one changes: what both say is as it is here"


@dataclass(frozen=True)
class Part:
    """The options of one kind of settings. `place`: keys that lead there, each with the kinds it is chosen by."""

    place: tuple[tuple[str, tuple[str, ...]], ...]
    settings: type[Settings]

    @property
    def key(self) -> str:
        return ".".join(key for key, _ in self.place)

    @property
    def title(self) -> str:
        kinds = self.place[-1][1] if self.place else ()
        return " ".join([self.key or "run", " | ".join(kinds)]).strip()

    @property
    def options(self) -> dict[str, FieldInfo]:
        """All but a name that says nothing but the kind."""
        fields = self.settings.model_fields
        return {name: field for name, field in fields.items() if name != "name" or field.description}

    def forms(self) -> set[tuple[str, ...]]:
        """The words by which it may be asked for: its keys, each with one of its kinds or without."""
        steps = [[(key,), *((key, kind) for kind in kinds)] for key, kinds in self.place]
        return {tuple(word for step in chosen for word in step) for chosen in product(*steps)}

    def asked(self, words: tuple[str, ...]) -> list[str]:
        """Which of its options a dotted name means: all where it leads here or ends on the way, or a single one."""
        forms = self.forms()
        if any(form[: len(words)] == words for form in forms):
            return list(self.options)
        return [words[-1]] if words[:-1] in forms and words[-1] in self.options else []


def parts(settings: type[Settings] = RunSettings, place: tuple[Any, ...] = ()) -> Iterator[Part]:
    """All kinds of settings that a run's options consist of, each where it is first, and what is below them."""
    yield Part(place, settings)
    for name, field in settings.model_fields.items():
        for one in _settings_in(of_field(field)):
            if one.settings:
                yield from parts(one.settings, (*place, (name, one.kinds)))


def show(asked: str | None) -> None:
    """Print the options of a part, or of all; raises PathsearchError where there is no such part."""
    console = Console()
    for part, names in _chosen(asked):
        console.print(Text.assemble((part.title, "bold"), f": {_meaning(part.settings)}"), soft_wrap=True)
        rows = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
        for column in ("option", "default", "takes", "meaning"):
            rows.add_column(column, no_wrap=column == "option", overflow="fold")
        for name in names:
            field = part.options[name]
            rows.add_row(
                *(Text(said) for said in (name, _default(field), takes(of_field(field)), field.description or ""))
            )
        if part.settings is RunSettings:
            rows.add_row("base", "null", "a name, a file", BASE)
        console.print(rows)


def schema() -> str:
    """The JSON schema of a configuration file; one with a base may leave out whatever the base has."""
    whole = RunSettings.model_json_schema(schema_generator=_WithShortForms)
    found = {
        "$defs": whole.pop("$defs"),
        "type": "object",
        "properties": {
            "base": {"type": ["string", "null"], "description": BASE},
            **{key: {} for key in whole["properties"]},
        },
        "additionalProperties": False,
        "if": {"required": ["base"]},
        "else": whole,
    }
    return json.dumps(found, indent=2, ensure_ascii=False)


def _chosen(asked: str | None) -> list[tuple[Part, list[str]]]:
    """Parts and their options to be shown; one that is in several places is shown once."""
    words = tuple(asked.split(".")) if asked else ()
    found: dict[type[Settings], tuple[Part, list[str]]] = {}
    for part in parts():
        if names := part.asked(words) if words else list(part.options):
            found.setdefault(part.settings, (part, names))
    if not found:
        known = {".".join([*form, *more]) for part in parts() for form in part.forms() for more in _ends(part)}
        raise PathsearchError(f"no option {asked!r}{meant(asked, sorted(known))}: `pathsearch options` lists all")
    return list(found.values())


def _ends(part: Part) -> list[tuple[str, ...]]:
    return [(), *((name,) for name in part.options)]


def _settings_in(allowed: list[Member]) -> Iterator[Member]:
    for one in allowed:
        if one.settings:
            yield one
        else:
            for inner in get_args(one.type):
                yield from (item for item in members(inner) if item.settings)


def _meaning(settings: type[Settings]) -> str:
    return (settings.__doc__ or "").strip().splitlines()[0]


def _default(field: FieldInfo) -> str:
    return NEEDED if field.is_required() else _written(field.get_default(call_default_factory=True))


def _written(value: Any) -> str:
    """A default as YAML has it."""
    if isinstance(value, Settings):
        kinds = Member(type(value)).kinds
        given = {key: getattr(value, key) for key in type(value).model_fields if key in value.model_fields_set}
        given = {"name": getattr(value, "name", ""), **given} if kinds else given
        return given["name"] if kinds and len(given) == 1 else _written(given)
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}: {_written(item)}' for key, item in value.items())}}}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_written, value))}]"
    return json.dumps(value, ensure_ascii=False).strip('"')


class _WithShortForms(GenerateJsonSchema):
    """A kind's name alone stands for {name: …}."""

    def function_before_schema(self, schema: core_schema.BeforeValidatorFunctionSchema) -> dict[str, Any]:
        found = super().function_before_schema(schema)
        if schema["function"]["function"] is not named:
            return found
        mapping = found.get("discriminator", {}).get("mapping", {})
        return {"anyOf": [{"type": "string", **({"enum": list(mapping)} if mapping else {})}, found]}
