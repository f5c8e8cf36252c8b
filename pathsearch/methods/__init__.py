"""Methods: what to sample and how gradients become forces. One line a kind in the table."""

from typing import Annotated, Union

from pydantic import Field

from pathsearch.methods.autoneb import AutoNeb
from pathsearch.methods.band import Neb, String
from pathsearch.methods.curve import Curve
from pathsearch.methods.linear import Linear
from pathsearch.methods.train import Train

Method = Annotated[Union[Linear, Curve, Neb, String, AutoNeb], Field(discriminator="name")]
"""How a path is found."""

AnyMethod = Annotated[Union[Linear, Curve, Neb, String, AutoNeb, Train], Field(discriminator="name")]
"""The same, or how a minimum is."""

__all__ = ["AnyMethod", "AutoNeb", "Curve", "Linear", "Method", "Neb", "String", "Train"]
