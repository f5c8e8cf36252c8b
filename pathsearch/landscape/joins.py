"""Which run joins two minima: its folder, its settings, and which of the two it starts from."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pathsearch.numerics.tree import Pair, paired
from pathsearch.run import config
from pathsearch.run.settings import RunSettings, Training

PATHS = "paths"


@dataclass(frozen=True)
class Point:
    """A minimum: its name in folders, and what an endpoint of a configuration says of it."""

    name: str
    end: Any


def trained(template: Training, seeds: Sequence[int]) -> list[Point]:
    """Minima trained from seeds."""
    return [
        Point(f"seed{seed}", {"train": template.model_copy(update={"seed": seed}).model_dump(mode="json")})
        for seed in seeds
    ]


@dataclass(frozen=True)
class Joins:
    """The runs between points, by pairs (u < v) of their numbers, in folders below `folder`.

    reference: the point that all others are aligned with, once. The paths that start from it align their ends as
    `settings` say, and all others join these ends as they lie there. None: each run aligns its own two, or none.
    """

    settings: RunSettings
    config_folder: Path
    points: Sequence[Point]
    folder: Path
    reference: int | None = None

    def ends(self, pair: Pair) -> Pair:
        """The point at the start of a pair's path, and the one at its end."""
        return (pair[1], pair[0]) if pair[1] == self.reference else pair

    def name(self, pair: Pair) -> str:
        """The names of the two, from start to end."""
        return "-".join(self.points[n].name for n in self.ends(pair))

    def place(self, pair: Pair) -> Path:
        """The folder of a pair's run."""
        return self.folder / PATHS / self.name(pair)

    def run(self, pair: Pair) -> RunSettings:
        """The settings of a pair's run; raises PathsearchError where these two cannot be joined."""
        start, end = self.ends(pair)
        if self.reference is None or self.reference in pair:
            return between(self.settings, self.points[start].end, self.points[end].end)
        # from whatever folder the program is started, and however `folder` is written, they are the same runs
        places = (self.place(paired(self.reference, n)).resolve() for n in (start, end))
        aligned = ({"run": str(place), "pivot": -1} for place in places)
        return between(self.settings, *aligned, align="none")


def between(settings: RunSettings, start: Any, end: Any, **more: Any) -> RunSettings:
    """The settings of a run from one endpoint to another."""
    values = settings.model_dump(mode="json")
    ends = {key: value for key, value in (values["endpoints"] or {}).items() if key != "through"}
    return config.validated({**values, "endpoints": {**ends, "start": start, "end": end, **more}}, "explore")
