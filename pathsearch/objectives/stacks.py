"""Ways to work out the gradients of several images on one device. One line a way in the table."""

from collections.abc import Callable, Iterable, Iterator
from itertools import groupby

import torch
from torch import Tensor

from pathsearch.errors import PathsearchError, one_line
from pathsearch.numerics.seeds import Key
from pathsearch.objectives.network import NetworkObjective
from pathsearch.objectives.protocol import Objective

Points = Iterable[tuple[Tensor, Key]]
Gradients = Iterator[tuple[Tensor, Tensor]]
Way = Callable[[Objective, Points], Gradients]


def loop(objective: Objective, points: Points) -> Gradients:
    """One after another: the reference, and the one that needs no memory beside one gradient."""
    for point, key in points:
        yield objective.loss_and_gradient(point, key)
        del point  # which may be a mixture of its own: it makes room for the next


def vmap(objective: Objective, points: Points) -> Gradients:
    """All that share a mini-batch at once; where they do not fit in memory, half of them, from then on."""
    if not isinstance(objective, NetworkObjective):
        yield from loop(objective, points)
        return
    for key, group in groupby(points, key=lambda point: point[1]):
        waiting = [point for point, _ in group]
        while waiting:
            together = waiting[: objective.together]
            try:
                losses, gradients = objective.losses_and_gradients(torch.stack(together), key)
            except (MemoryError, torch.OutOfMemoryError):
                if len(together) == 1:
                    raise
                objective.together = len(together) // 2
                continue
            yield from zip(losses, gradients)
            waiting = waiting[len(together) :]


def compiled(objective: Objective, points: Points) -> Gradients:
    """One after another, by kernels that torch.compile makes for this network, on a GPU set off as one graph.

    The compiler may choose among kernels by the clock: equal runs may differ in last bits.
    """
    if not isinstance(objective, NetworkObjective):
        return loop(objective, points)
    return (objective.loss_and_gradient(point, key, objective.compiled) for point, key in points)


STACKS: dict[str, Way] = {"loop": loop, "vmap": vmap, "compiled": compiled}


def chosen(way: str) -> str:
    """The way that `way` names; auto is the loop: no clock decides about bits (`pathsearch bench` shows the others)."""
    return "loop" if way == "auto" else way


def prepared(objective: Objective, way: str, batches: Iterable[int | None]) -> Way:
    """A way from STACKS that has worked out a gradient for each size of mini-batch: what it compiles is compiled then.

    Raises PathsearchError where the way is not to be had for this network.
    """
    if way == "loop" or not isinstance(objective, NetworkObjective):
        return STACKS[way]
    # losses alone are worked out one by one: they would be of other networks than the gradients of the same step
    if objective.draws:
        raise PathsearchError(
            f"holder.stack={way}: the network draws random numbers (dropout), not the same ones in this way as in the "
            "loop: set holder.stack=loop"
        )
    try:
        weights = objective.initial(0)
        for batch in batches:
            for _ in STACKS[way](objective, [(weights, Key(0, 0, batch))] * 2):
                pass
    except (PathsearchError, RuntimeError, MemoryError) as error:
        raise PathsearchError(
            f"holder.stack={way} does not work for this network here ({one_line(error)}): set holder.stack=loop"
        ) from error
    return STACKS[way]
