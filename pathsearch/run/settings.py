"""The options of a run: one declaration for YAML, overrides, validation and documentation."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Union

from pydantic import BeforeValidator, Discriminator, Field, Tag, ValidationError, model_validator

from pathsearch.alignment.settings import Align, NotAligned
from pathsearch.holders.settings import HolderSettings
from pathsearch.methods import AnyMethod, Curve, Train
from pathsearch.objectives import Measured, NetworkSettings, ObjectiveSettings
from pathsearch.objectives.tasks import columns, metrics_of
from pathsearch.optimizers import DETERMINISTIC, Adam, Optimizer, Sgd
from pathsearch.refusals import refused
from pathsearch.settings import Settings, named, one_of


class Training(Settings):
    """How an endpoint is trained from a seed."""

    seed: int = Field(description="of the untrained weights and of the mini-batches")
    steps: int = Field(1000, ge=1, description="of the optimizer")
    batch: int | None = Field(None, ge=1, description="examples a mini-batch; default: the objective's")
    optimizer: Annotated[Sgd | Adam, Field(discriminator="name"), BeforeValidator(named)] = Field(
        Sgd(lr=0.1, schedule="cosine"), description="takes its options"
    )


class Trained(Settings):
    """An endpoint to be trained."""

    train: Training = Field(description="from which seed, and how")


class FromRun(Settings):
    """A pivot of an earlier run."""

    run: str = Field(description="its folder or path.h5")
    pivot: int = Field(description="which pivot; -1 is the last")


def _shape(value: Any) -> str | None:
    """Which member of the union below a value is meant to be."""
    if isinstance(value, (list, str)):
        return "weights" if isinstance(value, list) else "file"
    keys = value if isinstance(value, dict) else getattr(type(value), "model_fields", ())
    return "of a run" if "run" in keys else "to be trained" if "train" in keys else None


def _by_shape(say: str) -> Discriminator:
    return Discriminator(_shape, custom_error_type="endpoint", custom_error_message=f"give {say}")


Weights = Annotated[list[float], Tag("weights")]
File = Annotated[str, Tag("file")]
Earlier = Annotated[FromRun, Tag("of a run")]
Point = Annotated[Union[Weights, File, Earlier], _by_shape("a list of weights, a file, or {run: FOLDER, pivot: K}")]
"""Weights as a list, as a file (.npy, a state_dict, a path.h5), or as a pivot of an earlier run."""
End = Annotated[
    Union[Weights, File, Earlier, Annotated[Trained, Tag("to be trained")]],
    _by_shape("a list of weights, a file, {run: FOLDER, pivot: K} or {train: {seed: K}}"),
]


class Endpoints(Settings):
    """The two minima, and points that the first guess of the path passes on its way."""

    start: End = Field(description="weights, a file (.npy, state_dict, path.h5), a pivot of a run, or a training")
    end: End = Field(description="as start")
    through: list[Point] = Field(default_factory=list, description="weights, files or pivots of runs, in their order")
    align: Align = Field(
        NotAligned(), description="how the hidden units of end and through are permuted towards those of start"
    )


class Measurement(Measured):
    """How the path and the straight line are measured."""

    points: int = Field(61, ge=3, description="points along each, at least; the pivots are among them")
    tolerance: float | None = Field(
        None, gt=0, description="how well the saddle is to be known; default: a thousandth of the loss's range"
    )
    plane: int = Field(25, ge=0, description="side of the grid of losses around the path; 0 for none")


class Until(Settings):
    """A goal that ends the search: from time to time the path is measured, at fixed points on a part of the data."""

    barrier: float = Field(ge=0, description="a path whose measured barrier is at most this is good enough")
    metric: str | None = Field(
        None, description="whose barrier, as test_error; default: train_loss, of a function loss"
    )
    every: int = Field(
        200, ge=1, description="steps from one look to the next; the first is at step 0, the last at the end"
    )
    points: int = Field(13, ge=3, description="along the path in each look, at least; the pivots are among them")
    examples: int | None = Field(
        500, ge=2, description="of each set in a look, a fixed choice of those that are measured; null: all of these"
    )


class Checkpoints(Settings):
    """When path.h5 is written: after so many steps or minutes, whichever comes first."""

    steps: int = Field(500, ge=1, description="of training and search together")
    minutes: float = Field(5.0, gt=0, description="by the clock")


class RunSettings(Settings):
    """Everything a run needs."""

    objective: Annotated[ObjectiveSettings, BeforeValidator(named)] = Field(description="what is minimised")
    endpoints: Endpoints | None = Field(None, description="a built-in surface has its own")
    method: Annotated[AnyMethod, BeforeValidator(named)] = Field(
        Curve(name="bezier"), description="how the path is found"
    )
    optimizer: Annotated[Optimizer, BeforeValidator(named)] = Field(
        Sgd(), description="default: lbfgs, or sgd for a network"
    )
    steps: int = Field(2000, ge=0, description="steps of the search; autoneb: of a cycle, unless it says its own")
    tolerance: float | None = Field(
        None,
        gt=0,
        description="largest projected force norm at which the search is done; default: 1e-2, none for a network",
    )
    until: Until | None = Field(None, description="a barrier at which the search ends before its steps are used up")
    seed: int = Field(0, description="of the search's mini-batches and of all else that it draws")
    measure: Measurement = Field(Measurement(), description="what is measured of the path found")
    checkpoint: Checkpoints = Field(Checkpoints(), description="when path.h5 is written")
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="auto: a GPU where there is one")
    holder: Annotated[HolderSettings, BeforeValidator(named)] = Field(
        HolderSettings(), description="who holds the vectors: this process, or Ray's actors"
    )

    @model_validator(mode="before")
    @classmethod
    def _defaults(cls, values: Any) -> Any:
        if isinstance(values, dict):
            objective = values.get("objective")
            network = isinstance(objective, dict) and objective.get("name") == "network"
            return values if network else {"optimizer": "lbfgs", "tolerance": 1e-2, **values}
        return values

    @model_validator(mode="after")
    def _consistent(self) -> "RunSettings":
        if isinstance(self.method, Train):
            self._trains()
        elif self.endpoints is None and self.objective.name in ("callable", "network"):
            raise ValueError(f"endpoints: objective {self.objective.name} has none of its own, give start and end")
        if self.endpoints is not None and not isinstance(self.objective, NetworkSettings):
            for side in ("start", "end"):
                if isinstance(getattr(self.endpoints, side), Trained):
                    raise ValueError(f"endpoints.{side}: only a network can be trained from a seed")
            if self.endpoints.align != NotAligned():
                raise ValueError("endpoints.align: only a network has hidden units that can be permuted")
        if self.endpoints is not None and self.endpoints.through and self.method.name == "linear":
            raise ValueError("endpoints.through: the straight line of method linear passes no other points")
        if self.until is not None:
            self._ends_early(self.until)
        try:
            self.method.stages(self.optimizer, self.steps, self.tolerance)
        except ValidationError as error:  # a cycle's changes do not fit the optimiser
            raise ValueError(f"method.cycles: {refused(error, type(self.optimizer), 'optimizer')}") from error
        return self

    def _ends_early(self, until: Until) -> None:
        if self.method.name in ("linear", "train"):
            raise ValueError(f"until: method {self.method.name} searches no path, leave it out")
        known: tuple[str, ...] = ("loss",)
        if isinstance(self.objective, NetworkSettings):
            known = columns(metrics_of(self.objective.loss, self.objective.metrics))
        if until.metric is not None and until.metric not in known:
            raise ValueError(f"until.metric: no {one_of(until.metric, known)}")

    def _trains(self) -> None:
        if not isinstance(self.objective, NetworkSettings):
            raise ValueError("method train: only a network can be trained from a seed")
        if self.endpoints is not None:
            raise ValueError("method train: it has no endpoints; `pathsearch train` trains those of a configuration")
        if isinstance(self.optimizer, DETERMINISTIC):
            raise ValueError(f"method train: it takes optimizer sgd or adam, not {self.optimizer.name}")


@dataclass(frozen=True)
class Asked:
    """What is to be carried out: settings, `folder` that their file names start from, `stretch` of `past.past`, and the
    `store` of minima, None for the one beside the run.
    """

    settings: RunSettings
    folder: Path
    stretch: bool = False
    store: Path | None = None


UNCOMPARED = ("checkpoint", "holder")
"""Top-level keys that do not change a run's result, so that it may continue with other values."""
