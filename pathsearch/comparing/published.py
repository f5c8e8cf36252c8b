"""Published figures, and the runs that they may stand beside."""

from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any


@dataclass(frozen=True)
class Published:
    """A row of a paper: where it is, which runs it fits, its figures as (value, standard deviation or None).

    fits: values by dotted option, `data`, any of several names, and how many `parameters` the network has. Figures go
    by `metric.figure`.
    """

    paper: str
    place: str
    fits: dict[str, Any]
    figures: dict[str, tuple[float, float | None]]

    def beside(self, options: dict[str, Any], data: str, parameters: float) -> bool:
        """Whether it fits runs with these options, by dotted key, on data of this name, of so many parameters.

        The papers' minima are joined as they come: a run that aligns them, or passes others, is another experiment.
        """
        wanted = {key: value for key, value in self.fits.items() if key not in ("data", "parameters")}
        as_they_come = options.get("endpoints.align.name", "none") == "none"
        through = any(key.startswith("endpoints.through") for key in options)
        same = data in self.fits["data"] and parameters == self.fits.get("parameters", parameters)
        return same and as_they_come and not through and all(options.get(key) == wanted[key] for key in wanted)

    def __str__(self) -> str:
        said = [*self.fits["data"][:1], *(str(value) for key, value in self.fits.items() if key.endswith(".name"))]
        return f"{self.paper} ({', '.join(said)})"


@cache
def papers() -> tuple[Published, ...]:
    """The rows of Garipov et al. (2018) and Draxler et al. (2018)."""
    import yaml

    text = (resources.files("pathsearch.comparing") / "published.yaml").read_text("utf-8")
    return tuple(
        Published(row["paper"], row["place"], row["fits"], _figures(row["figures"])) for row in yaml.safe_load(text)
    )


TABLES = {"papers": papers}
"""What figures may be put beside, by the names that users give."""


def _figures(metrics: dict[str, dict[str, Any]]) -> dict[str, tuple[float, float | None]]:
    """Figures by `metric.figure`; `ends` is the mean of start and end where both are given."""
    found: dict[str, tuple[float, float | None]] = {}
    for metric, values in metrics.items():
        pairs = {name: tuple(value) if isinstance(value, list) else (value, None) for name, value in values.items()}
        if {"start", "end"} <= pairs.keys():
            pairs["ends"] = (0.5 * (values["start"] + values["end"]), None)
        found |= {f"{metric}.{name}": (pair[0], pair[1]) for name, pair in pairs.items()}
    return found
