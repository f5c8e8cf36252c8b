"""What is minimised: a declaration of each kind of objective, whose `open` makes the live one.

Declarations import nothing heavy: the program reads and refuses a configuration without torch, which takes seconds to
import. Names of surfaces, models, losses and data come from their tables.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union

from pydantic import BeforeValidator, Field, field_validator

from pathsearch.lazy import elsewhere
from pathsearch.objectives.data import DataSettings
from pathsearch.objectives.models import MODELS
from pathsearch.objectives.surfaces import SURFACES
from pathsearch.objectives.tasks import TASKS
from pathsearch.settings import Settings, choice, named, one_of

if TYPE_CHECKING:
    import torch

    from pathsearch.objectives.imports import import_from, importable
    from pathsearch.objectives.protocol import Objective

Dtype = Literal["float32", "float64"]
Precision = Annotated[
    Literal["float32", "tf32"],
    Field(description="of float32 products on a GPU; tf32 is faster, and rounds their factors to 11 bits"),
]


class CallableSettings(Settings):
    """Any torch function `weights [M] -> loss []` by import string."""

    name: Literal["callable"] = "callable"
    target: str = Field(description="package.module:function")
    dtype: Dtype = Field("float64", description="of the weights")
    precision: Precision = "float32"

    def open(self, size: int | None, device: torch.device, folder: Path = Path()) -> Objective:
        from pathsearch.errors import PathsearchError
        from pathsearch.objectives.imports import imported
        from pathsearch.objectives.opening import function

        if size is None:
            raise PathsearchError("a callable has no weights of its own: give endpoints.start and endpoints.end")
        loss, called = imported(self.target, "objective.target", folder), f"objective.target {self.target}"
        return function(loss, size, self.dtype, device, self.precision, called)


class SurfaceSettings(Settings):
    """An analytic surface with known minima, which are its default endpoints."""

    name: Annotated[str, choice(SURFACES)]
    dtype: Dtype = Field("float64", description="of the weights")

    def open(self, size: int | None, device: torch.device, folder: Path = Path()) -> Objective:
        from pathsearch.objectives.opening import function

        surface = SURFACES[self.name]
        return function(surface.function, len(surface.start), self.dtype, device, called=f"the surface {self.name}")


class ModelSettings(Settings):
    """A network: a built-in name or an import string, and its constructor's arguments."""

    name: str = Field(description=f"one of {', '.join(MODELS)}, or package.module:Class")
    args: dict[str, Any] = Field(default_factory=dict, description="built-ins take norm; mlp, cnn: width; mlp: depth")

    @field_validator("name")
    @classmethod
    def _known(cls, name: str) -> str:
        if ":" not in name and name not in MODELS:
            raise ValueError(f"no built-in model {one_of(name, MODELS)}; your own is named package.module:Class")
        return name


class LossSettings(Settings):
    """Options of a network's loss on data, whatever network and data these are."""

    loss: Annotated[str, choice(TASKS)] = Field("cross_entropy", description="of one example; mse also for numbers")
    batch: int | None = Field(None, ge=1, description="examples a mini-batch; default: the whole training set")
    weight_decay: float = Field(0.0, ge=0, description="λ of ½λ|w|², part of the loss that is minimised")
    dtype: Dtype = Field("float32", description="of weights and inputs")
    precision: Precision = "float32"


class NetworkSettings(LossSettings):
    """A network on a data set."""

    name: Literal["network"] = "network"
    model: Annotated[ModelSettings, BeforeValidator(named)] = Field(description="the network")
    data: Annotated[DataSettings, BeforeValidator(named)] = Field(description="the data set")

    def open(self, size: int | None, device: torch.device, folder: Path = Path()) -> Objective:
        """The live objective; modules and files lie in the working folder or in `folder`, the configuration's."""
        from pathsearch.objectives.opening import declared

        return declared(self, device, folder)


ObjectiveSettings = Annotated[Union[CallableSettings, SurfaceSettings, NetworkSettings], Field(discriminator="name")]

__all__ = [
    "SURFACES",
    "CallableSettings",
    "DataSettings",
    "LossSettings",
    "ModelSettings",
    "NetworkSettings",
    "Objective",
    "ObjectiveSettings",
    "SurfaceSettings",
    "import_from",
    "importable",
]

__getattr__ = elsewhere(
    __name__,
    {
        "Objective": "protocol",
        "import_from": "imports",
        "importable": "imports",
    },
)
