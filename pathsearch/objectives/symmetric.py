"""A network objective as what alignment permutes: its coordinates are free, its statistics follow them."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from pathsearch.alignment.activations import matched_by_activations, sites, summed, unseen
from pathsearch.alignment.groups import Atom, Permutations
from pathsearch.alignment.permutable import Permutable, refuse_unreal
from pathsearch.alignment.wide import in_float64
from pathsearch.alignment.wide import wide as widened
from pathsearch.errors import PathsearchError
from pathsearch.objectives import nests
from pathsearch.objectives.nests import Batch
from pathsearch.objectives.network import PROBED, NetworkObjective

EXAMPLES = PROBED[1]  # of the pass that is traced: a coordinator has no others, see `Glimpse`


class _Seen(nn.Module):
    """A network and a function of (model, batch); calls give what the network's own calls gave, and the sum.

    A built-in loss follows from what the network gives, so the sum is left out.
    """

    def __init__(self, objective: NetworkObjective, network: nn.Module, batch: Batch) -> None:
        super().__init__()
        self.network, self._task, self._batch = network, objective.task, batch

    def forward(self, *leaves: Tensor) -> Any:
        given: list[Any] = []
        # for this call only: the network may be the one that a search works with
        hook = self.network.register_forward_hook(lambda part, inputs, gave: given.append(gave))
        try:
            total = self._total(leaves)
        finally:
            hook.remove()
        return [*given, *([total] if self._task.loss.own or not given else [])]

    def _total(self, leaves: tuple[Tensor, ...]) -> Any:
        waiting = iter(leaves)
        batch = nests.mapped(self._batch, lambda each: next(waiting))
        total, _ = self._task.loss.function(self.network, batch)  # itself: to check the count would end a trace
        return total


def symmetric(objective: NetworkObjective, examples: int = EXAMPLES, wide: bool = True) -> Permutable:
    """What is traced, permuted and verified, on some examples of the training set; it has the objective's own state.

    wide: in float64 on the CPU; else as the objective works. The names of tensors are the objective's. Raises
    PathsearchError where a coordinate is no real number.
    """
    carrier, layers = objective.looked_at(wide)
    refuse_unreal(dict(carrier.trained))
    as_asked = widened if wide else torch.Tensor.detach
    batch = nests.mapped(objective.train.first(examples), as_asked)
    state = {name: as_asked(each) for name, each in objective.state.items()}
    tensors = {**{name: each.detach() for name, each in carrier.trained.items()}, **state}
    seen = _Seen(objective, carrier.module, batch)

    def called(tensors: dict[str, Tensor], leaves: list[Tensor]) -> Any:
        return functional_call(seen, {f"network.{name}": each for name, each in tensors.items()}, tuple(leaves))

    def evaluated(tensors: dict[str, Tensor], leaves: list[Tensor]) -> Any:
        with carrier.evaluating():
            return called(tensors, leaves)

    def trained(tensors: dict[str, Tensor], leaves: list[Tensor]) -> Any:
        with carrier.evaluating(layers):
            return called(tensors, leaves)

    statistics = objective.statistics
    leaves = list(nests.leaves(batch))
    one, other = (in_float64(each) if wide else each for each in (evaluated, trained))
    return Permutable(one, tensors, leaves, tuple(carrier.trained), statistics, other if statistics else None)


def matched_on_data(
    objective: NetworkObjective, weights: Tensor, other: Tensor
) -> tuple[tuple[Atom, ...], Permutations, int, list[str]]:
    """Permutations that bring the units of a network `other` [M] to those of `weights` [M], by what they put out.

    With statistics that are worked out anew for both, on what is measured of the training set, in batches of one size:
    what is left over is passed over. Returns the groups, their permutations, on how many examples, and the names of
    groups whose values nothing shows, which stay. Raises PathsearchError where no batch has the shape of the first.
    """
    pieces = -(-objective.train.measured // objective.chunk)
    count = objective.train.measured // pieces  # pieces are nearly equal
    network = symmetric(objective, count, wide=False)
    traced = network.traced()
    where = sites(traced)
    ours, theirs = (
        {**dict(zip(objective.names, objective.coordinates.parts(each))), **objective.reestimated(each)}
        for each in (weights, other)
    )
    used = 0

    def batches() -> Iterator[list[Tensor]]:
        nonlocal used
        for batch in objective.train.whole(objective.chunk):
            leaves = nests.leaves(batch)
            if len({each.shape[:1] for each in leaves}) == 1 and leaves[0].ndim and len(leaves[0]) > count:
                leaves = [each[:count] for each in leaves]
            if [each.shape for each in leaves] == [each.shape for each in network.inputs]:
                used += count
                yield leaves

    sums = summed(traced, where, ours, theirs, batches())
    if not used:
        raise PathsearchError("activations need batches of one shape, and these have several: align by weights")
    return traced.symmetries.atoms, matched_by_activations(traced, where, sums), used, unseen(traced, where)
