"""Objectives: what is minimised. A declaration of each kind, and `open`, which makes the live one."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, Union

import torch
from pydantic import BeforeValidator, Field

from pathsearch.errors import PathsearchError
from pathsearch.objectives.blame import blamed
from pathsearch.objectives.data import Data, DataSettings, Split, checked
from pathsearch.objectives.function import FunctionObjective
from pathsearch.objectives.imports import import_from, importable, imported
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

    def open(self, size: int | None, device: torch.device, folder: Path = Path()) -> Objective:
        if size is None:
            raise PathsearchError("a callable has no weights of its own: give endpoints.start and endpoints.end")
        function = imported(self.target, "objective.target", folder)
        return FunctionObjective(
            function, size, getattr(torch, self.dtype), device, called=f"objective.target {self.target}"
        )


class SurfaceSettings(Settings):
    """An analytic surface with known minima, which are its default endpoints."""

    name: Literal["muller-brown", "circle", "leps-harmonic", "two-modes-1d", "two-modes"]
    dtype: Dtype = "float64"

    def open(self, size: int | None, device: torch.device, folder: Path = Path()) -> Objective:
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

    def open(self, size: int | None, device: torch.device, folder: Path = Path()) -> Objective:
        """The live objective; modules and files are looked for here and in `folder`, the configuration's."""
        dtype = getattr(torch, self.dtype)
        with importable(folder):
            with blamed("objective.data", passing=()):
                data = checked(self.data.load(folder), self.loss, dtype)
            if self.data.augment and data.train.inputs.ndim != 4:
                shape = tuple(data.train.inputs.shape[1:])
                raise PathsearchError(
                    f"objective.data.augment crops images, the inputs have shape {shape}: leave it out"
                )
            make, called = self._model(data, folder)
            if self.model.name in MODELS:
                data = _real(data, dtype)
            with blamed(called):
                objective = NetworkObjective(
                    make,
                    data,
                    self.loss,
                    self.batch,
                    self.data.augment,
                    self.weight_decay,
                    dtype,
                    device,
                    self.model.name in MODELS,
                    called,
                )
        objective.remarks += data.remarks
        return objective

    def _model(self, data: Data, folder: Path) -> tuple[Callable[[], Any], str]:
        """What makes the network anew, and how errors name it."""
        name = self.model.name
        called = f"objective.model {name}"
        if name in MODELS:
            outputs = 1 if self.loss == "mse" and data.outputs <= 2 else data.outputs
            return partial(
                MODELS[name], shape=tuple(data.train.inputs.shape[1:]), outputs=outputs, **self.model.args
            ), called
        if ":" not in name:
            raise PathsearchError(
                f"no built-in model {name!r}: there are {', '.join(MODELS)}; your own is named package.module:Class"
            )
        if not data.train.inputs.is_floating_point():
            called += f", whose inputs are {data.train.inputs.dtype} as the data set gives them,"
        return partial(imported(name, "objective.model", folder), **self.model.args), called


def _real(data: Data, dtype: torch.dtype) -> Data:
    """The same data with the integers of a user's data set as real numbers, which the built-in networks want."""
    if data.standardise or data.train.inputs.is_floating_point():
        return data
    train, test = (Split(split.inputs.to(dtype), split.targets) for split in (data.train, data.test))
    return replace(data, train=train, test=test)


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
    "import_from",
    "importable",
]
