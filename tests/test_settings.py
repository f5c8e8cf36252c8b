"""Options whose values a table holds are options like a Literal's: errors, help, schema, kinds of a union."""

from typing import Annotated, Any, Literal, Union

import pytest
from pydantic import Field, ValidationError

from pathsearch.declared import of_field, takes
from pathsearch.refusals import refused
from pathsearch.settings import Settings, choice

TABLE = {"ant": 1, "bee": 2}


class Chosen(Settings):
    name: Annotated[str, choice(TABLE)]
    kind: Annotated[str, choice(TABLE)] = Field("ant", description="one")
    maybe: Annotated[str, choice(TABLE)] | None = None


class Spelled(Settings):
    name: Literal["ant", "bee"]
    kind: Literal["ant", "bee"] = Field("ant", description="one")
    maybe: Literal["ant", "bee"] | None = None


class Other(Settings):
    name: Literal["other"] = "other"


class ChosenRun(Settings):
    part: Annotated[Union[Chosen, Other], Field(discriminator="name")]


class SpelledRun(Settings):
    part: Annotated[Union[Spelled, Other], Field(discriminator="name")]


def message(run: type[Settings], part: dict[str, Any]) -> str:
    with pytest.raises(ValidationError) as caught:
        run.model_validate({"part": part})
    return refused(caught.value, run)


def test_a_value_of_the_table_is_taken() -> None:
    part = ChosenRun.model_validate({"part": {"name": "bee", "maybe": "ant"}}).part
    assert (part.name, part.kind, part.maybe) == ("bee", "ant", "ant")


def test_another_value_is_refused_with_those_there_are() -> None:
    assert message(ChosenRun, {"name": "bee", "kind": "bea"}) == (
        "part.kind: no 'bea' (did you mean 'bee'?): there are ant, bee"
    )


@pytest.mark.parametrize(
    "part", [{"name": "wasp"}, {"name": "ant", "kind": "wasp"}, {"name": "ant", "maybe": 3}, {"kind": "ant"}]
)
def test_errors_are_those_of_a_literal(part: dict[str, Any]) -> None:
    assert message(ChosenRun, part) == message(SpelledRun, part)


def test_help_and_schema_are_those_of_a_literal() -> None:
    for name in Chosen.model_fields:
        chosen, spelled = (of_field(kind.model_fields[name]) for kind in (Chosen, Spelled))
        assert takes(chosen) == takes(spelled) == "ant | bee" + (" or null" if name == "maybe" else "")
    kinds = [[member.kinds for member in of_field(run.model_fields["part"])] for run in (ChosenRun, SpelledRun)]
    assert kinds[0] == kinds[1] == [("ant", "bee"), ("other",)]
    assert Chosen.model_json_schema()["properties"] == Spelled.model_json_schema()["properties"]
