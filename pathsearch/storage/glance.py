"""A quick look at how a run stands: a few small arrays of `path.h5`, its checksum not worked out."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from pathsearch.storage import version1
from pathsearch.storage.reader import arrays, attributes
from pathsearch.storage.seal import FORMAT, hdf5


@dataclass(frozen=True)
class Glance:
    """moves of `steps` at most; the highest loss of the path and how far it stands out.

    `barrier` is the measured one where there is a profile, else that of the search's last step; None where its points
    do not include the ends. `measured` counts points and profiles.
    """

    state: str
    stage: str
    moves: int
    steps: int
    loss: float | None
    barrier: float | None
    measured: int


def glance(run: Path) -> Glance | None:
    """How the run in a folder stands; None where it has written nothing that can be read."""
    try:
        with (run / "path.h5").open("rb", buffering=0) as raw, hdf5(raw) as h5:
            return _glance(h5) if h5.attrs.get("format") == FORMAT else None
    except Exception:  # whatever h5py makes of a file that is none
        return None


def last_step(history: Mapping[str, Any]) -> tuple[float | None, float | None]:
    """The highest loss of the last step in `history`, and how far it stands out, as in `Glance`."""
    if not len(history["loss"]):
        return None, None
    at, values = history["t"][-1], history["loss"][-1]
    ends = values[(at == 0.0) | (at == 1.0)]
    loss = float(np.nanmax(values))
    return loss, float(loss - ends.max()) if len(ends) == 2 else None


def _glance(h5: h5py.File) -> Glance:
    history: Mapping[str, Any] = h5["history"]  # of which the last row is read
    if h5.attrs["format_version"] == 1:
        kept, history, _ = version1.migrated(version1.attributes(h5.attrs), arrays(history))
    else:
        kept = attributes(h5)
    position, summary = kept["position"], kept["summary"]
    stages, profiles = summary["stages"], h5.get("profiles", {})
    searched = position["stage"] < len(stages)
    measured = "path" in profiles
    loss, barrier = _highest(profiles["path"]) if measured else last_step(history)
    return Glance(
        state=kept["state"],
        stage=stages[position["stage"]] if searched else "measuring" if kept["state"] == "running" else "done",
        moves=position["moves"],
        steps=sum(summary.get("steps", [])),
        loss=loss,
        barrier=barrier,
        measured=len(profiles) + (len(h5["measured/mixture"]) if "measured" in h5 else 0),
    )


def _highest(profile: h5py.Group) -> tuple[float | None, float | None]:
    """The highest loss along a measured path, and how far it stands out."""
    values = next(item[()] for name, item in profile.items() if name not in ("t", "arc_length"))
    return float(values.max()), float(values.max() - max(values[0], values[-1]))
