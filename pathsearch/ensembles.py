"""Networks on a path as an ensemble: how well they predict held-out data one by one, together, and averaged."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pathsearch.errors import PathsearchError
from pathsearch.numerics.basis import Array
from pathsearch.numerics.calibration import Figures, disagreements, figures, log_added, log_probabilities, tally
from pathsearch.objectives.losses import LOSSES, Loss

if TYPE_CHECKING:
    from torch import Tensor

    from pathsearch.objectives.network import NetworkObjective

LOWEST = -float(np.finfo(np.float16).max)

Watch = Callable[[str, int, int], None]
"""Is told what is done, how much of it, and of how much."""


@dataclass(frozen=True)
class Ensemble:
    """What networks at k points of a path predict of the test set.

    Figures are error, nll and ece, see `numerics.calibration`: of each point, of the mean of all points' probabilities
    (`predictions`), of the mean of the two ends' (`ends`), and of the network whose weights are the mean of all points'
    (`weights`). `disagreement` [k, k]: share of targets for which two points predict different classes. examples: how
    many of the test set were measured, `of` how many; each has one target or several, such as tokens.
    `kept`: what the points predict, where that was asked for.
    """

    t: Array
    points: tuple[Figures, ...]
    predictions: Figures
    ends: Figures
    weights: Figures
    disagreement: Array
    examples: int
    of: int
    targets: int
    kept: "Predictions | None" = None

    @property
    def mean(self) -> Figures:
        """The means of the points' figures."""
        return Figures(*np.mean(self.points, axis=0).tolist())


class Predictions(NamedTuple):
    """log_probabilities [k, targets, classes] of each point, in float16 and no lower than −65504, and the true classes
    `labels` [targets], both in the data set's order.
    """

    log_probabilities: NDArray[np.float16]
    labels: NDArray[np.int64]


class Taken(NamedTuple):
    """Of a chunk: tallies of the points, of their average weights, of all points' and the ends' predictions."""

    tallies: Array
    differ: NDArray[np.int64]
    log_p: NDArray[np.float16]
    labels: NDArray[np.int64]


def refuse_others(objective: Any) -> None:
    """Raise PathsearchError where a network's loss gives no probabilities of classes; objective: its options."""
    known = LOSSES.get(objective.loss)
    if known is None or known.ranking is None:
        able = ", ".join(name for name, each in LOSSES.items() if each.ranking is not None)
        raise PathsearchError(
            f"an ensemble averages probabilities of classes, and objective.loss {objective.loss} does not say what "
            f"these are: it is to be one of {able}"
        )


def ensemble(
    network: "NetworkObjective",
    t: Array,
    points: Sequence[NDArray[Any]],
    keep: bool = False,
    watch: Watch = lambda what, done, total: None,
) -> Ensemble:
    """The ensemble of a network at weights [M] of k points t [k], statistics re-estimated at each of them."""
    import torch

    from pathsearch.machine import prepare_torch

    loss: Loss = LOSSES[network.options.loss]
    assert loss.ranking is not None  # see `refuse_others`
    prepare_torch(*network.arithmetic)
    mean = reduce(np.add, (each.astype(np.float64) for each in points)) / len(points)
    vectors = [torch.from_numpy(each).to(network.device, network.dtype) for each in (*points, mean)]
    members = []
    for n, each in enumerate(vectors):
        watch("statistics", n, len(vectors))
        members.append((each, network.reestimated(each)))
    watch("statistics", len(vectors), len(vectors))
    done, total = 0, len(vectors) * -(-network.test.measured // network.chunk)

    def take(passes: "Iterator[tuple[Tensor, Tensor]]") -> Taken:
        def told() -> "Iterator[tuple[Tensor, Tensor]]":
            nonlocal done
            for each in passes:
                done += 1
                watch("predictions", done, max(done, total))  # more where memory made chunks smaller
                yield each

        return taken(told(), len(points), keep)

    watch("predictions", 0, total)
    chunks = network.outputs(members, loss.ranking, take)
    *alone, weights, predictions, ends = map(figures, np.sum([each.tallies for each in chunks], axis=0))
    labels = np.concatenate([each.labels for each in chunks])
    return Ensemble(
        np.asarray(t),
        tuple(alone),
        predictions,
        ends,
        weights,
        np.sum([each.differ for each in chunks], axis=0) / len(labels),
        network.measured["test"],
        network.measured["test_of"],
        len(labels),
        Predictions(np.concatenate([each.log_p for each in chunks], axis=1), labels) if keep else None,
    )


def taken(passes: "Iterable[tuple[Tensor, Tensor]]", count: int, keep: bool) -> Taken:
    """What is kept of a chunk: passes give outputs [n, classes] and true classes [n] at `count` points, then at their
    average weights.

    Of its probabilities those of the present point and two sums are held, for classes may be many.
    """
    tallies, guesses, kept = [], [], []
    together = ends = np.array(-np.inf)  # logarithms of sums
    for n, (outputs, classes) in enumerate(passes):
        log_p, labels = log_probabilities(outputs.cpu().numpy()), classes.cpu().numpy()
        tallies.append(tally(log_p, labels))
        if n == count:
            break
        together = log_added(together, log_p)
        if n in (0, count - 1):
            ends = log_added(ends, log_p)
        guesses.append(log_p.argmax(axis=1))
        if keep:
            kept.append(log_p.clip(LOWEST).astype(np.float16))
    tallies += [tally(together - np.log(count), labels), tally(ends - np.log(2), labels)]
    return Taken(np.stack(tallies), disagreements(np.stack(guesses)), np.array(kept), labels)
