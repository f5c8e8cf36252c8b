"""Who holds the vectors: the options of `holder:` in a configuration."""

from typing import Annotated

from pydantic import Field, model_validator

from pathsearch.objectives.gradients import EVALUATORS
from pathsearch.settings import Settings, choice

HOLDERS = {"serial": "pathsearch.holders.serial", "ray": "pathsearch.holders.ray"}
"""Modules that have `opened`; imported when they are wanted, since not every machine has what they need."""


class HolderSettings(Settings):
    """Serial: one device, this process. Ray: actors, each with a block of images on a device of its own."""

    name: Annotated[str, choice(("auto", *HOLDERS))] = Field(
        "auto",
        description="auto: ray where actors or an address are given, or several GPUs have enough points of a network "
        "(or of a function of many weights) to work out in a step; else serial",
    )
    actors: int | None = Field(None, ge=1, description="default: one for each GPU of the cluster, or each core")
    gpus_per_actor: float | None = Field(None, ge=0, description="may be a fraction; default: 1 where there are GPUs")
    cpus_per_actor: float = Field(1.0, gt=0, description="cores, and threads that torch uses")
    address: str | None = Field(
        None, description="of a Ray cluster, or auto; default: $RAY_ADDRESS, else `local`, one started for this run"
    )
    gradients: Annotated[str, choice(("auto", *EVALUATORS))] = Field(
        "auto", description="how gradients of several images on one device are evaluated: see objectives/gradients.py"
    )
    timeout: float = Field(600.0, gt=0, description="seconds after which an actor that does not answer is given up")

    @model_validator(mode="after")
    def _serial_has_no_actors(self) -> "HolderSettings":
        if self.name == "serial" and (self.actors or self.address or self.gpus_per_actor):
            raise ValueError(
                "the serial holder has no actors: leave out actors, gpus_per_actor and address, or use ray"
            )
        return self

    def at(self, kind: str, device: str) -> "HolderSettings":
        """The same of this kind, and without GPUs where the work is to be on the CPU."""
        gpus = 0.0 if device == "cpu" and self.gpus_per_actor is None else self.gpus_per_actor
        return self.model_copy(update={"name": kind, "gpus_per_actor": gpus})
