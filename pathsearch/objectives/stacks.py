"""Ways to work out the gradients of several images on one device. One line a way in the table."""

from collections.abc import Callable, Iterable, Iterator

from torch import Tensor

from pathsearch.numerics.seeds import Key
from pathsearch.objectives.protocol import Objective

Points = Iterable[tuple[Tensor, Key]]
Gradients = Iterator[tuple[Tensor, Tensor]]


def loop(objective: Objective, points: Points) -> Gradients:
    """One after another."""
    return (objective.loss_and_gradient(point, key) for point, key in points)


STACKS: dict[str, Callable[[Objective, Points], Gradients]] = {"loop": loop}
