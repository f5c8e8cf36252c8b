"""What a job asks of a cluster: a profile in YAML (see slurm/), with the command line's options over it."""

import re
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field, ValidationError, ValidationInfo, field_validator, model_validator

from pathsearch.errors import PathsearchError, one_line
from pathsearch.files import expanded, user_folder
from pathsearch.jobs import sbatch
from pathsearch.jobs.records import LOCAL
from pathsearch.refusals import refused
from pathsearch.settings import Settings


class ClusterProfile(Settings):
    """How jobs are submitted to a cluster; keys are named as in sbatch. Lists are lines of the job's script."""

    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    constraint: str | None = None
    nodes: int = Field(1, ge=1)
    gpus_per_node: int = Field(0, ge=0)
    cpus_per_node: int | None = Field(None, ge=1, description="default: cpus_per_gpu for each GPU")
    cpus_per_gpu: int = Field(1, ge=1)
    mem: str | None = Field(None, description="memory a node, as 64GB")
    time: str = Field("1:00:00", description="as sbatch takes it: minutes, H:M:S or D-H")
    warning: int = Field(120, ge=1, description="seconds before the end, or a preemption, that are left to stop in")
    parallel: int = Field(64, ge=1, description="jobs of a sweep that run at the same time, at most")
    modules: list[str] = Field(default_factory=list, description="to load")
    prologue: list[str] = Field(default_factory=list, description="shell lines before the run")
    sbatch: dict[str, str | int | bool] = Field(default_factory=dict, description="any other options of sbatch")
    tflops: float | None = Field(None, gt=0, description="10¹² operations a second that a GPU gets done, for estimates")

    @field_validator("time", mode="before")
    @classmethod
    def _time(cls, value: Any) -> str:
        minutes(str(value))
        return str(value)

    @field_validator("sbatch")
    @classmethod
    def _sbatch(cls, options: dict[str, str | int | bool]) -> dict[str, str | int | bool]:
        return sbatch.checked(options)

    @field_validator("partition", "account", "qos", "constraint", "mem")
    @classmethod
    def _nothing_to_a_shell(cls, value: str | None, info: ValidationInfo) -> str | None:
        sbatch.safe(str(info.field_name), value)
        return value

    @model_validator(mode="after")
    def _warned_in_time(self) -> "ClusterProfile":
        if self.warning >= 60 * minutes(self.time):
            raise ValueError(f"time: all of it is the {self.warning} s of `warning`: give it more")
        return self

    @property
    def cpus(self) -> int:
        """Cores a node."""
        return self.cpus_per_node or self.cpus_per_gpu * max(self.gpus_per_node, 1)

    @property
    def gpu_hours(self) -> float:
        """The GPU-hours that an attempt can take at most."""
        return self.nodes * self.gpus_per_node * minutes(self.time) / 60


def load(name: str | None, options: dict[str, Any]) -> ClusterProfile:
    """A profile from a YAML file, with options over it. Raises PathsearchError that names what is wrong.

    name: the file, or NAME for slurm/NAME.yaml or pathsearch/NAME.yaml in the user's folder of configurations.
    """
    given = {key: value for key, value in options.items() if value is not None}
    if name is None or name == LOCAL:
        return cluster_profile({} if name is None else {"time": "365-0"}, given, "options")
    file = _found(name)
    try:
        values = yaml.safe_load(file.read_text("utf-8")) or {}
    except (OSError, yaml.YAMLError) as error:
        raise PathsearchError(f"{file}: {one_line(error)}") from error
    if not isinstance(values, dict):
        raise PathsearchError(f"{file} is not a mapping of options")
    return cluster_profile(values, given, str(file))


def cluster_profile(values: dict[str, Any], options: dict[str, Any], source: str) -> ClusterProfile:
    """A profile from plain values; raises PathsearchError that names every wrong key."""
    try:
        return ClusterProfile.model_validate({**values, **options})
    except ValidationError as error:
        raise PathsearchError(f"{source}: {refused(error, ClusterProfile)}") from None


def minutes(said: str) -> int:
    """Minutes of a time as sbatch takes it, rounded up: M, M:S, H:M:S, D-H, D-H:M, D-H:M:S. Raises ValueError."""
    found = re.fullmatch(r"(?:(\d+)-)?(\d+)(?::(\d+))?(?::(\d+))?", said.strip())
    if found is None:
        raise ValueError(f"{said!r} is no time: write minutes, H:M:S or D-H")
    days, *rest = (int(part) for part in found.groups(default="0"))
    if found[1] is not None or found[4] is not None:
        hours, mins, seconds = rest
    else:
        hours, mins, seconds = 0, rest[0], rest[1]
    total = 60 * (24 * days + hours) + mins + (seconds > 0)
    if total == 0:
        raise ValueError("no time at all: write minutes, H:M:S or D-H")
    return total


def _found(name: str) -> Path:
    places = [expanded(name)] if name.endswith((".yaml", ".yml")) else []
    folders = (Path("slurm"), user_folder("config"))
    places += [folder / f"{name}.yaml" for folder in folders if folder is not None]
    for place in places:
        if place.is_file():
            return place
    raise PathsearchError(
        f"no cluster profile {name!r}: looked for {', '.join(map(str, places))} "
        "(--cluster local needs none, nor does a SLURM whose defaults will do)"
    )
