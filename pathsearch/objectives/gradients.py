"""How the gradients of several images are evaluated on one device. An evaluator is one function, and a line of a table.

Nothing heavy is imported here before a gradient is wanted: the table's names are the values of an option.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from typing import TYPE_CHECKING

from pathsearch.errors import PathsearchError, one_line
from pathsearch.numerics.seeds import Key

if TYPE_CHECKING:
    from torch import Tensor

    from pathsearch.objectives.protocol import Objective

Points = Iterable[tuple["Tensor", Key]]
Gradients = Iterator[tuple["Tensor", "Tensor"]]
"""The loss [] and the gradient [size] of each point, in their order."""
Evaluator = Callable[["Objective", Points], Gradients]


def loop(objective: Objective, points: Points) -> Gradients:
    """One after another: the reference, and the one that needs no memory beside one gradient."""
    for point, key in points:
        yield objective.loss_and_gradient(point, key)
        del point  # which may be a mixture of its own: it makes room for the next


def vmap(objective: Objective, points: Points) -> Gradients:
    """All that share a mini-batch at once; where they do not fit in memory, half of them, from then on."""
    from torch import OutOfMemoryError, stack

    from pathsearch.objectives.network import NetworkObjective

    if not isinstance(objective, NetworkObjective):
        yield from loop(objective, points)
        return
    for key, group in groupby(points, key=lambda point: point[1]):
        waiting = [point for point, _ in group]
        while waiting:
            some = waiting[: objective.at_once]
            try:
                losses, gradients = objective.losses_and_gradients(stack(some), key)
            except (MemoryError, OutOfMemoryError):
                if len(some) == 1:
                    raise
                objective.at_once = len(some) // 2
                continue
            yield from zip(losses, gradients)
            waiting = waiting[len(some) :]


def compiled(objective: Objective, points: Points) -> Gradients:
    """One after another, by kernels that torch.compile makes for this network, on a GPU set off as one graph.

    The compiler may choose among kernels by the clock: equal runs may differ in last bits.
    """
    from pathsearch.objectives.network import NetworkObjective

    if not isinstance(objective, NetworkObjective):
        return loop(objective, points)
    return (objective.loss_and_gradient(point, key, objective.compiled) for point, key in points)


EVALUATORS: dict[str, Evaluator] = {"loop": loop, "vmap": vmap, "compiled": compiled}


def chosen(how: str) -> str:
    """The name that `how` stands for; auto is the loop: no clock decides about bits (`pathsearch bench` times all)."""
    return "loop" if how == "auto" else how


def prepared(objective: Objective, how: str) -> Evaluator:
    """An evaluator that has evaluated gradients once: what it compiles is compiled then.

    Raises PathsearchError where this network cannot be evaluated so.
    """
    from pathsearch.objectives.network import NetworkObjective

    if how == "loop" or not isinstance(objective, NetworkObjective):
        return EVALUATORS[how]
    # losses alone are worked out one by one: they would be of other networks than the gradients of the same step
    if objective.draws:
        raise PathsearchError(
            f"holder.gradients={how}: the network draws random numbers (dropout), and this evaluator does not draw the "
            "same ones as the loop: set holder.gradients=loop"
        )
    try:
        for _ in EVALUATORS[how](objective, [(objective.initial(0), Key(0, 0))] * 2):
            pass
    except (PathsearchError, RuntimeError, MemoryError) as error:
        raise PathsearchError(
            f"holder.gradients={how} does not work for this network here ({one_line(error)}): set holder.gradients=loop"
        ) from error
    return EVALUATORS[how]
