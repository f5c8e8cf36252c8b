"""A network on whole data sets, un-augmented and in evaluation mode."""

from collections.abc import Iterator

import torch
from torch import Tensor

from pathsearch.objectives.batches import Batches
from pathsearch.objectives.carrier import Carrier
from pathsearch.objectives.tasks import Task, predicted, wrong
from pathsearch.objectives.tensors import State


def outputs(
    carrier: Carrier, weights: Tensor, state: State, data: Batches, chunk: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Outputs and targets of all examples in order, so many at once."""
    for number, (inputs, targets) in enumerate(data.whole(chunk)):
        with carrier.holding(weights, state), carrier.evaluating():
            found = carrier.run(inputs, number)
        yield found, targets


def scores(carrier: Carrier, task: Task, weights: Tensor, state: State, data: Batches, chunk: int) -> dict[str, float]:
    """The mean of each score over all examples: `loss`, and the `error` of the predicted class."""
    counted = {"loss": task.loss, "error": wrong}
    sums = {name: torch.zeros((), dtype=torch.float64, device=data.device) for name in counted}
    for found, targets in outputs(carrier, weights, state, data, chunk):
        for name, count in counted.items():
            sums[name] += count(found, targets).double()
    return {name: float(total) / len(data) for name, total in sums.items()}


def predictions(carrier: Carrier, weights: Tensor, state: State, data: Batches, chunk: int) -> Tensor:
    """The predicted class of every example."""
    return torch.cat([predicted(found) for found, _ in outputs(carrier, weights, state, data, chunk)])
