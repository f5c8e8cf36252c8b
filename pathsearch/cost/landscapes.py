"""What a tree of few paths misses: `python -m pathsearch.cost.landscapes [MINIMA]`, 6 of digits if not said.

The tree is explored as `pathsearch explore digits steps=1000` does, timed; then the pairs it left out are joined too.
With the saddles of all, exploring is played again for every budget of paths. The path of the tree's highest pair is
searched for again from other seeds: how far its saddle then goes up and down is the search's noise.
"""

import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pathsearch.cost.precisions import Quiet
from pathsearch.landscape import explore
from pathsearch.landscape.choice import every, together, tree
from pathsearch.landscape.joins import Joins, Point, between, trained
from pathsearch.numerics.tree import Pair, minimax, spanning_tree
from pathsearch.report import figures
from pathsearch.run import config, whole
from pathsearch.run.settings import Asked, RunSettings, Trained
from pathsearch.run.stop import Stop

STEPS, SEEDS = 1000, range(1, 7)


def highest(values: NDArray[np.float64], saddles: NDArray[np.float64], tolerance: float, budget: int) -> float:
    """The highest saddle of the tree of so many paths, where paths come out as in saddles [n, n]."""
    known, tried = np.full(saddles.shape, np.inf), list[Pair]()
    while pairs := together(tree, values, known, tried, tolerance, budget - len(tried)):
        tried += pairs
        for pair in pairs:
            known[pair] = known[pair[::-1]] = saddles[pair]
    return float(minimax(known).max())


def enough(by_budget: dict[int, float], noise: float) -> int:
    """The fewest paths whose tree is no higher than that of the most, but for noise."""
    return min(budget for budget, found in by_budget.items() if found <= by_budget[max(by_budget)] + noise)


def again(settings: RunSettings, start: Point, end: Point, folder: Path, store: Path, metric: str) -> list[float]:
    """The saddle of one pair, its path searched for from other seeds."""
    saddles = []
    for seed in SEEDS:
        own = between(settings, start.end, end.end).model_copy(update={"seed": seed})
        asked = Asked(own, Path.cwd(), store=store)
        run = whole.run(asked, folder / f"seed{seed}", Quiet(), Stop())
        saddles.append(float(figures(run)["path"][metric]["max"]))
    return saddles


def main(count: int) -> None:
    """Explore, and print what was found as it is."""
    settings, folder = config.load("digits", [f"steps={STEPS}", "measure.plane=0"])
    start = settings.endpoints.start if settings.endpoints else None
    assert isinstance(start, Trained)
    points = trained(start.train, range(count))
    with tempfile.TemporaryDirectory() as place:
        root, store = Path(place) / "landscape", Path(place) / "minima"
        joins = Joins(settings, folder, points, root)
        begun = time.perf_counter()
        found, _ = explore.explore(joins, tree, Quiet(), Stop(), store)
        seconds = time.perf_counter() - begun
        print(f"{count} minima, {len(found.paths)} paths of the tree, training included: {seconds:.0f} s", flush=True)
        whole_one, _ = explore.explore(joins, every, Quiet(), Stop(), store)
        saddles, values = whole_one.saddles, whole_one.values
        print(
            f"{len(whole_one.paths)} pairs; {found.metric}, minima {values.min():.5f} to {values.max():.5f}", flush=True
        )
        tolerance = explore.tolerance(whole_one)
        budgets = range(count - 1, len(whole_one.paths) + 1)
        by_budget = {budget: highest(values, saddles, tolerance, budget) for budget in budgets}
        for budget, each in by_budget.items():
            print(f"{budget:8} paths: highest saddle {each:.5f}", flush=True)
        one, other = (points[n] for n in spanning_tree(saddles)[-1])
        noise = again(settings, one, other, Path(place) / "again", store, found.metric)
        print(f"{one.name} to {other.name}, {len(noise)} seeds: {np.mean(noise):.5f} ± {np.std(noise, ddof=1):.5f}")
        fewest = enough(by_budget, float(np.std(noise, ddof=1)))
        print(f"as low as all within that spread: {fewest} paths, {len(whole_one.paths) - fewest} saved")


if __name__ == "__main__":
    main(int((*sys.argv, "6")[1]))
