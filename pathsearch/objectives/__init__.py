"""Objectives: what is minimised. A declaration of each kind, and `open`, which makes the live one."""

from typing import Annotated, Any, Literal, Union

import torch
from pydantic import BeforeValidator, Field

from pathsearch.errors import PathsearchError
from pathsearch.objectives.blame import blamed
from pathsearch.objectives.data import DataSettings, checked
from pathsearch.objectives.function import FunctionObjective
from pathsearch.objectives.imports import importable, imported
from pathsearch.objectives.models import MODELS
from pathsearch.objectives.network import NetworkObjective
from pathsearch.objectives.protocol import Objective
from pathsearch.objectives.surfaces import SURFACES
from pathsearch.settings import Settings, named

Dtype = Literal["float32", "float64"]


class CallableSettings(Settings):
    """Any torch function `weights [M] -> loss []` by import string."""

    name: Literal["callable"] = "callable"
    target: str = Field(description="package.module:function")
    dtype: Dtype = "float64"

    def open(self, size: int | None, device: torch.device) -> Objective:
        if size is None:
            raise PathsearchError("a callable has no weights of its own: give endpoints.start and endpoints.end")
        return FunctionObjective(imported(self.target), size, getattr(torch, self.dtype), device)


class SurfaceSettings(Settings):
    """An analytic surface with known minima, which are its default endpoints."""

    name: Literal["muller-brown", "circle", "leps-harmonic", "two-modes-1d", "two-modes"]
    dtype: Dtype = "float64"

    def open(self, size: int | None, device: torch.device) -> Objective:
        surface = SURFACES[self.name]
        return FunctionObjective(surface.function, len(surface.start), getattr(torch, self.dtype), device)


class ModelSettings(Settings):
    """A network: a built-in name or an import string, and its constructor's arguments."""

    name: str = Field(description=f"one of {', '.join(MODELS)}, or package.module:Class")
    args: dict[str, Any] = Field(default_factory=dict, description="built-ins take norm; mlp, cnn: width; mlp: depth")


class NetworkSettings(Settings):
    """A network on a data set."""

    name: Literal["network"] = "network"
    model: Annotated[ModelSettings, BeforeValidator(named)]
    data: Annotated[DataSettings, BeforeValidator(named)]
    loss: Literal["cross_entropy", "mse"] = "cross_entropy"
    batch: int | None = Field(None, ge=1, description="examples a mini-batch; default: the whole training set")
    weight_decay: float = Field(0.0, ge=0, description="λ of ½λ|w|², part of the loss that is minimised")
    dtype: Dtype = "float32"

    def open(self, size: int | None, device: torch.device) -> Objective:
        with blamed("objective.data"):
            data = checked(self.data.load(), self.loss)
        outputs = 1 if self.loss == "mse" and data.outputs <= 2 else data.outputs
        shape = tuple(data.train.inputs.shape[1:])

        def make() -> Any:
            if self.model.name in MODELS:
                return MODELS[self.model.name](shape=shape, outputs=outputs, **self.model.args)
            if ":" not in self.model.name:
                raise PathsearchError(
                    f"no built-in model {self.model.name!r}: there are {', '.join(MODELS)}; "
                    "your own is named package.module:Class"
                )
            return imported(self.model.name)(**self.model.args)

        dtype = getattr(torch, self.dtype)
        with blamed(f"objective.model {self.model.name}"):
            return NetworkObjective(
                make,
                data,
                self.loss,
                self.batch,
                self.data.augment,
                self.weight_decay,
                dtype,
                device,
                self.model.name in MODELS,
            )


ObjectiveSettings = Annotated[Union[CallableSettings, SurfaceSettings, NetworkSettings], Field(discriminator="name")]


def device_of(name: str) -> torch.device:
    """The device a configuration asks for; raises PathsearchError where there is no GPU to be had."""
    if name == "cuda" and not torch.cuda.is_available():
        raise PathsearchError("device=cuda, but torch sees no GPU here: use device=cpu or device=auto")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


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
