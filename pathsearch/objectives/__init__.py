"""Objectives: what is minimised. A declaration of each kind, and `open`, which makes the live one.

Declarations import nothing heavy: a configuration is read and refused without torch, which takes seconds to import.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union

from pydantic import BeforeValidator, Field, field_validator

from pathsearch.objectives.data import DataSettings
from pathsearch.settings import Settings, named, one_of

if TYPE_CHECKING:
    import torch

    from pathsearch.objectives.device import device_of
    from pathsearch.objectives.imports import importable
    from pathsearch.objectives.protocol import Objective
    from pathsearch.objectives.surfaces import SURFACES

Dtype = Literal["float32", "float64"]
Precision = Annotated[
    Literal["float32", "tf32"],
    Field(description="of float32 products on a GPU; tf32 is faster, and rounds their factors to 11 bits"),
]
BUILT_IN = ("mlp", "cnn", "resnet8", "resnet20", "resnet32", "resnet44", "resnet56")
"""Networks of `objectives.models`."""


class CallableSettings(Settings):
    """Any torch function `weights [M] -> loss []` by import string."""

    name: Literal["callable"] = "callable"
    target: str = Field(description="package.module:function")
    dtype: Dtype = Field("float64", description="of the weights")
    precision: Precision = "float32"

    def open(self, size: int | None, device: torch.device) -> Objective:
        import torch

        from pathsearch.errors import PathsearchError
        from pathsearch.objectives.device import prepare
        from pathsearch.objectives.function import FunctionObjective
        from pathsearch.objectives.imports import imported

        prepare(self.precision)
        if size is None:
            raise PathsearchError("a callable has no weights of its own: give endpoints.start and endpoints.end")
        return FunctionObjective(imported(self.target), size, getattr(torch, self.dtype), device)


class SurfaceSettings(Settings):
    """An analytic surface with known minima, which are its default endpoints."""

    name: Literal["muller-brown", "circle", "leps-harmonic", "two-modes-1d", "two-modes"]
    dtype: Dtype = Field("float64", description="of the weights")

    def open(self, size: int | None, device: torch.device) -> Objective:
        import torch

        from pathsearch.objectives.device import prepare
        from pathsearch.objectives.function import FunctionObjective
        from pathsearch.objectives.surfaces import SURFACES

        prepare("float32")
        surface = SURFACES[self.name]
        return FunctionObjective(surface.function, len(surface.start), getattr(torch, self.dtype), device)


class ModelSettings(Settings):
    """A network: a built-in name or an import string, and its constructor's arguments."""

    name: str = Field(description=f"one of {', '.join(BUILT_IN)}, or package.module:Class")
    args: dict[str, Any] = Field(default_factory=dict, description="built-ins take norm; mlp, cnn: width; mlp: depth")

    @field_validator("name")
    @classmethod
    def _known(cls, name: str) -> str:
        if ":" not in name and name not in BUILT_IN:
            raise ValueError(f"no built-in model {one_of(name, BUILT_IN)}; your own is named package.module:Class")
        return name

    def make(self, shape: tuple[int, ...], outputs: int) -> Any:
        """The network, for inputs of this shape."""
        if self.name in BUILT_IN:
            from pathsearch.objectives.models import MODELS

            return MODELS[self.name](shape=shape, outputs=outputs, **self.args)
        from pathsearch.objectives.imports import imported

        return imported(self.name)(**self.args)


class LossSettings(Settings):
    """How a network's loss on data is worked out, whatever network and data these are."""

    loss: Literal["cross_entropy", "mse"] = Field("cross_entropy", description="of one example; mse also for numbers")
    batch: int | None = Field(None, ge=1, description="examples a mini-batch; default: the whole training set")
    weight_decay: float = Field(0.0, ge=0, description="λ of ½λ|w|², part of the loss that is minimised")
    dtype: Dtype = Field("float32", description="of weights and inputs")
    precision: Precision = "float32"


class NetworkSettings(LossSettings):
    """A network on a data set."""

    name: Literal["network"] = "network"
    model: Annotated[ModelSettings, BeforeValidator(named)] = Field(description="the network")
    data: Annotated[DataSettings, BeforeValidator(named)] = Field(description="the data set")

    def open(self, size: int | None, device: torch.device) -> Objective:
        from pathsearch.objectives.blame import blamed
        from pathsearch.objectives.opening import network

        with blamed("objective.data"):
            data = self.data.load()
        return network(self, self.model.make, f"objective.model {self.model.name}", data, self.data.augment, device)


ObjectiveSettings = Annotated[Union[CallableSettings, SurfaceSettings, NetworkSettings], Field(discriminator="name")]

_ELSEWHERE = {"Objective": "protocol", "SURFACES": "surfaces", "device_of": "device", "importable": "imports"}

__all__ = [
    "SURFACES",
    "CallableSettings",
    "NetworkSettings",
    "Objective",
    "ObjectiveSettings",
    "SurfaceSettings",
    "device_of",
    "importable",
]


def __getattr__(name: str) -> Any:
    """What imports torch, when it is asked for."""
    if name not in _ELSEWHERE:
        raise AttributeError(f"module 'pathsearch.objectives' has no attribute {name!r}")
    return getattr(import_module(f"pathsearch.objectives.{_ELSEWHERE[name]}"), name)
