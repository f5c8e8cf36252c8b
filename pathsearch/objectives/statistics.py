"""Running statistics of a network at a point of a path, worked out anew over the training set.

Not only batch norm's: instance norms and layers of a user's own may keep running averages, too.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from pathsearch.objectives.carrier import Carrier
from pathsearch.objectives.counted import Function
from pathsearch.objectives.kinds import Kinds, is_torchs
from pathsearch.objectives.nests import Batch
from pathsearch.objectives.tensors import State


def reestimated(
    carrier: Carrier, loss: Function, kinds: Kinds, weights: Tensor, state: State, chunks: Iterable[Batch]
) -> State:
    """The state with statistics averaged over all chunks of what is measured, as each layer updates them in training.

    Only the layers that have statistics are in training mode, so dropout is off. torch's own batch norms average by
    themselves. Other layers start from zero at each chunk: what they then have, over their rate, is the chunk's own.
    """
    if not kinds.layers:
        return dict(state)
    current = {**state, **{name: torch.full_like(state[name], start) for name, start in kinds.averaged.items()}}
    zeros = {name: torch.zeros_like(state[name]) for name in kinds.rates}
    totals = {name: torch.zeros_like(rate) for name, rate in kinds.rates.items()}
    count = 0
    with _averaging([layer for layer in kinds.layers if is_torchs(layer)]):
        for batch in chunks:
            with carrier.holding(weights, {**current, **zeros}), carrier.evaluating(kinds.layers):
                carrier.measured(loss, batch, count)
                left = carrier.written()
            current.update({name: left[name] for name in kinds.averaged})
            for name, rate in kinds.rates.items():
                totals[name] += left[name] / rate
            count += 1
    return {**current, **{name: (total / count).to(state[name]) for name, total in totals.items()}}


@contextmanager
def _averaging(norms: Sequence[nn.Module]) -> Iterator[None]:
    """Let torch's batch norms average over all batches equally, which they do without a momentum."""
    momenta = [norm.momentum for norm in norms]
    try:
        for norm in norms:
            norm.momentum = None  # type: ignore[assignment]
        yield
    finally:
        for norm, momentum in zip(norms, momenta):
            norm.momentum = momentum
