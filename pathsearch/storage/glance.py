"""A quick look at how a run stands: a few small arrays of `path.h5`, its checksum not worked out."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from pathsearch.storage.schema import FORMAT, hdf5


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
    position, summary = (json.loads(h5.attrs[name]) for name in ("position", "summary"))
    stages, profiles = summary["stages"], h5.get("profiles", {})
    searched = position["stage"] < len(stages)
    loss = barrier = None
    if "path" in profiles:
        values = next(item[()] for name, item in profiles["path"].items() if name not in ("t", "arc_length"))
        loss, barrier = float(values.max()), float(values.max() - max(values[0], values[-1]))
    else:
        loss, barrier = last_step(h5["history"])
    return Glance(
        state=str(h5.attrs["state"]),
        stage=stages[position["stage"]] if searched else "measuring" if h5.attrs["state"] == "running" else "done",
        moves=position["moves"],
        steps=sum(summary.get("steps", [])),
        loss=loss,
        barrier=barrier,
        measured=len(profiles) + (len(h5["measured/mixture"]) if "measured" in h5 else 0),
    )
