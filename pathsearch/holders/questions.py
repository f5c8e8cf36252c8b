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
from pathsearch.objectives.symmetric import matched_on_data

Question = Callable[..., Any]


def loss(objective: Objective, point: torch.Tensor, keys: list[Key]) -> float:
    """The loss that is minimised, averaged over mini-batches."""
    return float(torch.stack([objective.loss(point, key) for key in keys]).double().mean())


def measure(objective: Objective, point: torch.Tensor, *examples: int | None) -> dict[str, float]:
    """Every metric on all that is measured of the data, in the order of the objective's `metrics`.

    examples: on so many of each set, in place of all.
    """
    found = objective.measure(point, *examples)
    return {name: found[name] for name in objective.metrics}


def measure_with(objective: Any, point: torch.Tensor, buffers: dict[str, NDArray[Any]]) -> dict[str, float]:
    """Every metric of a network, with given buffers in place of re-estimated ones."""
    found: dict[str, float] = objective.measure_with(point, buffers)
    return found


def predictions(objective: Objective, point: torch.Tensor) -> NDArray[np.int64] | None:
    """Predicted classes [n_test], or None where the objective predicts nothing."""
    return objective.predictions(point)


def activations(objective: Any, point: torch.Tensor, other: NDArray[Any]) -> Any:
    """How to permute the units of another network [M] by what they put out: see `matched_on_data`."""
    vector = torch.tensor(np.asarray(other), dtype=point.dtype, device=point.device)
    return matched_on_data(objective, point, vector)


QUESTIONS: dict[str, Question] = {
    "loss": loss,
    "activations": activations,
    "measure": measure,
    "measure_with": measure_with,
    "predictions": predictions,
}
