"""How points of a path are aligned, as options."""

from typing import Annotated, Literal, Union

from pydantic import BeforeValidator, Field

from pathsearch.settings import Settings, named

PIN = "patterns of parameters' names, as of a shell: their units stay where they are"


class NotAligned(Settings):
    """Points are taken as they come."""

    name: Literal["none"] = "none"


class ByWeights(Settings):
    """Hidden units are permuted so that the weights come as close to the start's as they can."""

    name: Literal["weights"] = "weights"
    pin: list[str] = Field(default_factory=list, description=PIN)
    starts: int = Field(4, ge=0, description="random orders of the groups that are tried besides the best first one")
    seed: int = Field(0, description="of these orders")
    table: dict[str, list[int | str | None]] | None = Field(
        None,
        description="groups by hand, where the network cannot be traced: {parameter: [a group's name or null, for each "
        "axis]}, with products and sums as hidden*49 or one + other",
    )


class ByActivations(Settings):
    """Hidden units are permuted so that what they put out on the training set goes with the start's the most."""

    name: Literal["activations"] = "activations"
    pin: list[str] = Field(default_factory=list, description=PIN)


Align = Annotated[
    Annotated[Union[NotAligned, ByWeights, ByActivations], Field(discriminator="name")], BeforeValidator(named)
]
"""One of these, or its name alone."""
