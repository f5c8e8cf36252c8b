"""What is minimised: a declaration of each kind of objective, whose `open` makes the live one.

Declarations import nothing heavy: the program reads and refuses a configuration without torch, which takes seconds to
import. Names of surfaces, models, losses and data come from their tables.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union

from pydantic import AfterValidator, BeforeValidator, Field, field_validator

from pathsearch.lazy import elsewhere
from pathsearch.objectives.data import DataSettings
from pathsearch.objectives.losses import LOSSES
from pathsearch.objectives.metrics import METRICS
from pathsearch.objectives.models import MODELS
from pathsearch.objectives.surfaces import SURFACES
from pathsearch.settings import Settings, choice, named, one_of

if TYPE_CHECKING:
    import torch

    from pathsearch.objectives.imports import import_from, importable
    from pathsearch.objectives.protocol import Objective

Dtype = Literal["float32", "float64"]
Products = Annotated[
    Literal["float32", "tf32"],
    Field(description="of float32 products on a GPU; tf32 is faster, and rounds their factors to 11 bits"),
]
Precision = Annotated[
    Literal["float32", "tf32", "bfloat16"],
    Field(
        description="of float32 products: tf32 rounds their factors to 11 bits on a GPU; bfloat16 runs the network "
        "under autocast"
    ),
]


def _known(name: str, table: Iterable[str], what: str) -> str:
    """A name of a table, or an import string."""
    if ":" not in name and name not in table:
        own = "Class" if what == "model" else "function"
        raise ValueError(f"no built-in {what} {one_of(name, table)}; your own is named package.module:{own}")
    return name


class CallableSettings(Settings):
    """Any torch function `weights [M] -> loss []` by import string."""

    name: Literal["callable"] = "callable"
    target: str = Field(description="package.module:function")
    dtype: Dtype = Field("float64", description="of the weights")
    precision: Products = "float32"

    def open(
        self, size: int | None, device: torch.device, folder: Path = Path(), measured: Measured | None = None
    ) -> Objective:
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

    def open(
        self, size: int | None, device: torch.device, folder: Path = Path(), measured: Measured | None = None
    ) -> Objective:
        from pathsearch.objectives.opening import function

        surface = SURFACES[self.name]
        return function(surface.function, len(surface.start), self.dtype, device, called=f"the surface {self.name}")


class ModelSettings(Settings):
    """A network: a built-in name or an import string, and its constructor's arguments."""

    name: str = Field(description=f"one of {', '.join(MODELS)}, or package.module:Class")
    args: dict[str, Any] = Field(default_factory=dict, description="of its constructor, as width: 4, norm: false")

    @field_validator("name")
    @classmethod
    def _known_model(cls, name: str) -> str:
        return _known(name, MODELS, "model")


def _known_metrics(names: dict[str, str]) -> dict[str, str]:
    for name, each in names.items():
        if not name.isidentifier() or name in ("loss", "loss_l2"):
            raise ValueError(f"a metric cannot be called {name!r}: take letters, digits and _, but not loss")
        _known(each, METRICS, "metric")
    return names


LossName = Annotated[str, AfterValidator(lambda name: _known(name, LOSSES, "loss"))]
Metrics = Annotated[dict[str, str], AfterValidator(_known_metrics)]


class Measured(Settings):
    """On what a network is measured."""

    examples: int | None = Field(
        None, ge=1, description="so many of each set, a fixed choice by a seed; default: all of them"
    )
    chunk: int = Field(500, ge=1, description="examples at once, as far as memory suffices")


class LossSettings(Settings):
    """Options of a network's loss on data, whatever network and data these are."""

    loss: LossName = Field(
        "cross_entropy",
        description=f"one of {', '.join(LOSSES)}, or package.module:function of (model, batch) that gives (sum, count)",
    )
    metrics: Metrics | None = Field(
        None,
        description=f"what else is measured, by name: {', '.join(METRICS)}, or functions as in loss; default: error, "
        "of next_token perplexity",
    )
    batch: int | None = Field(None, ge=1, description="examples a mini-batch; default: the whole training set")
    micro_batch: int | None = Field(
        None, ge=1, description="most examples in one pass, over which gradients are added up; default: the mini-batch"
    )
    weight_decay: float = Field(0.0, ge=0, description="λ of ½λ|w|², part of the loss that is minimised")
    parameters: list[str] | None = Field(
        None,
        description="patterns (*, ?) for names of the parameters that are coordinates, all points share the others; "
        "default: those with requires_grad",
    )
    dtype: Dtype = Field("float32", description="of weights and inputs")
    precision: Precision = "float32"
    deterministic: bool = Field(False, description="take only kernels that give the same bits every time, or refuse")


class NetworkSettings(LossSettings):
    """A network on a data set."""

    name: Literal["network"] = "network"
    model: Annotated[ModelSettings, BeforeValidator(named)] = Field(description="the network")
    data: Annotated[DataSettings, BeforeValidator(named)] = Field(description="the data set")

    def open(
        self, size: int | None, device: torch.device, folder: Path = Path(), measured: Measured | None = None
    ) -> Objective:
        """The live objective; modules and files lie in the working folder or in `folder`, the configuration's."""
        from pathsearch.objectives.opening import declared

        return declared(self, device, folder, measured)


ObjectiveSettings = Annotated[Union[CallableSettings, SurfaceSettings, NetworkSettings], Field(discriminator="name")]

__all__ = [
    "SURFACES",
    "CallableSettings",
    "DataSettings",
    "LossName",
    "LossSettings",
    "Measured",
    "Metrics",
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
