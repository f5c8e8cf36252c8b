"""A network on what is measured of data sets, un-augmented and in evaluation mode."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from pathsearch.objectives.carrier import Carrier
from pathsearch.objectives.counted import Counted
from pathsearch.objectives.losses import IGNORED, Guessing
from pathsearch.objectives.mean import nothing_counted
from pathsearch.objectives.nests import Batch
from pathsearch.objectives.remembered import remembered
from pathsearch.objectives.tensors import State


def scores(
    carrier: Carrier, functions: Mapping[str, Counted], weights: Tensor, state: State, chunks: Iterable[Batch]
) -> dict[str, float]:
    """The mean of each function over all that it counts."""
    sums = {name: torch.zeros((), dtype=torch.float64, device=weights.device) for name in functions}
    counts = dict.fromkeys(functions, 0.0)
    for number, batch in enumerate(chunks):
        with _measuring(carrier, weights, state), remembered(carrier.module):
            for name, function in functions.items():
                total, count = carrier.measured(function, batch, number)
                sums[name] += total
                counts[name] += float(count)
    for name, function in functions.items():
        if not counts[name]:
            raise nothing_counted(function.called, "all that is measured")
    return {name: function.finish(float(sums[name]) / counts[name]) for name, function in functions.items()}


def predictions(carrier: Carrier, guessing: Guessing, weights: Tensor, state: State, chunks: Iterable[Batch]) -> Tensor:
    """The predicted class of every example."""
    found = []
    for number, batch in enumerate(chunks):
        with _measuring(carrier, weights, state):
            found.append(carrier.measured(guessing, batch, number)[0].reshape(-1))
    return torch.cat(found)


def outputs(
    carrier: Carrier, ranking: Guessing, points: Sequence[tuple[Tensor, State]], batch: Batch, number: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """At one point after another the outputs [n, classes] for a batch, and the classes [n] that they are to predict."""
    for weights, state in points:
        with _measuring(carrier, weights, state):
            found, targets, _ = carrier.measured(ranking, batch, number)
        classes = targets.reshape(-1)
        kept = classes != IGNORED
        yield found.movedim(1, -1).reshape(-1, found.shape[1])[kept], classes[kept]


@contextmanager
def _measuring(carrier: Carrier, weights: Tensor, state: State) -> Iterator[None]:
    with carrier.holding(weights, state), carrier.evaluating():
        yield
