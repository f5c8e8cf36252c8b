"""A search that ends when its path is good enough: when that is looked at, and what is said of it."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pathsearch.errors import PathsearchError
from pathsearch.run.settings import Until
from pathsearch.settings import one_of

if TYPE_CHECKING:
    from pathsearch.holders import Holder
    from pathsearch.objectives import Objective
    from pathsearch.search import State, Step


def due(goal: Until, step: "Step", stages: int) -> bool:
    """Whether the path is to be looked at before a step's move: by its number alone, and where the search is over.

    Where one stage follows another that is once, before pivots are placed anew.
    """
    at = step.state
    over = at.stage == stages - 1 and (step.converged or at.step >= step.stage.steps)
    return over or (at.moves % goal.every == 0 and (at.step > 0 or at.stage == 0))


def column(goal: Until, metrics: Sequence[str]) -> str:
    """The metric whose barrier is sought; raises PathsearchError where an objective does not measure it."""
    if goal.metric is not None and goal.metric not in metrics:  # its data have no classes
        raise PathsearchError(f"until.metric: no {one_of(goal.metric, metrics)}")
    return goal.metric or metrics[0]


def look(
    goal: Until, holder: "Holder", objective: "Objective", curve: str, at: "State", heed: Callable[[], None]
) -> tuple[int, dict[str, float]]:
    """Measure the path where a search stands: at how many points, and the barrier of every metric.

    heed: called after each point. The search goes on as if nothing had been measured.
    """
    from pathsearch import measure  # it imports torch, which takes seconds: to refuse a goal takes none

    higher = measure.higher_is_better(objective)
    found = measure.measured_barriers(
        holder, curve, at.pivots, goal.points, goal.examples, higher, lambda point, answer: heed()
    )
    holder.traffic()  # is none of the search's
    return found


def reached(goal: Until, metric: str, step: "Step", barriers: Mapping[str, float]) -> dict[str, Any]:
    """What the summary says of a goal that a look before the step's move has found reached; else empty."""
    if not barriers[metric] <= goal.barrier:  # nor is one that is not a number
        return {}
    return {
        "metric": metric,
        "barrier": barriers[metric],
        "step": step.state.moves,
        "stage": step.stage.name,
        "evaluations": step.evaluations,
    }


def outcome(goal: Until, metric: str, last: Mapping[str, float], reached: bool) -> str:
    """What became of a goal when the search is over, in a line; last: the row of the last look."""
    seen = f"at step {last['moves']}, after {last['evaluations']} gradients, the barrier of {metric} is"
    if reached:
        return f"goal reached: {seen} {last[metric]:.3g}, at most {goal.barrier:g} was asked for"
    return f"goal not reached: in the last look, {seen} {last[metric]:.3g}, and {goal.barrier:g} was asked for"


def another(old: Until | None, new: Until | None, found: Mapping[str, Any]) -> bool:
    """Whether a search that ended at the goal `old`, as `reached` says, is to go on to a new one, or to its end."""
    if old is None or new is None:
        return new is None
    easier = new.model_copy(update={"barrier": old.barrier}) == old and new.barrier >= found["barrier"]
    return not easier
