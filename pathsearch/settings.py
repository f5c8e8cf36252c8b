"""The base of every declared option: unknown keys are refused, values do not change after reading."""

from typing import Any

from pydantic import BaseModel, ConfigDict


def named(value: Any) -> Any:
    """A kind's name alone is short for {name: …}; for use as a validator before others."""
    return {"name": value} if isinstance(value, str) else value


class Settings(BaseModel):
    """Options that YAML, overrides, validation and the documentation share."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=(), allow_inf_nan=False)

    def revised(self, changes: dict[str, Any]) -> "Settings":
        """The same settings with some values changed, validated anew."""
        return type(self).model_validate({**self.model_dump(), **changes})
