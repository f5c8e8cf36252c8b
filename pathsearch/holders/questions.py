"""What can be asked of an objective at a point of a path: one function and one line of the table a question.

A question is a function of the objective, the point's weights [M] and what `Holder.ask` is given besides. Holders
carry it out where the vectors are; the function must be one that a module has, so that it can be sent to an actor by
its name. Its answer travels to the coordinator: it has to be small, and to be picklable.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pathsearch.numerics.seeds import Key
from pathsearch.objectives.protocol import Objective

Question = Callable[..., Any]


def loss(objective: Objective, point: torch.Tensor, keys: list[Key]) -> float:
    """The loss that is minimised, averaged over mini-batches."""
    return float(torch.stack([objective.loss(point, key) for key in keys]).double().mean())


def measure(objective: Objective, point: torch.Tensor) -> dict[str, float]:
    """Every metric on the whole data set, in the order of the objective's `metrics`."""
    found = objective.measure(point)
    return {name: found[name] for name in objective.metrics}


def measure_with(objective: Any, point: torch.Tensor, buffers: dict[str, NDArray[Any]]) -> dict[str, float]:
    """Every metric of a network, with given buffers in place of re-estimated ones."""
    found: dict[str, float] = objective.measure_with(point, buffers)
    return found


def predictions(objective: Objective, point: torch.Tensor) -> NDArray[np.int64] | None:
    """Predicted classes [n_test], or None where the objective predicts nothing."""
    return objective.predictions(point)


QUESTIONS: dict[str, Question] = {
    "loss": loss,
    "measure": measure,
    "measure_with": measure_with,
    "predictions": predictions,
}
