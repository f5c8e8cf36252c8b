"""A quick look at how a run stands: a few small arrays of `path.h5`, its checksum not worked out."""

import json
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from pathsearch.storage.schema import FORMAT


@dataclass(frozen=True)
class Glance:
    """moves of `steps` at most, training included; the highest loss of the path and how far it stands out.

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
        with h5py.File(run / "path.h5", "r") as h5:
            return _glance(h5) if h5.attrs.get("format") == FORMAT else None
    except (OSError, KeyError, ValueError):
        return None


def _glance(h5: h5py.File) -> Glance:
    position, summary = (json.loads(h5.attrs[name]) for name in ("position", "summary"))
    stages, profiles = summary["stages"], h5.get("profiles", {})
    searched = position["stage"] < len(stages)
    loss = barrier = None
    if "path" in profiles:
        values = next(item[()] for name, item in profiles["path"].items() if name not in ("t", "arc_length"))
        loss, barrier = float(values.max()), float(values.max() - max(values[0], values[-1]))
    elif len(h5["history/loss"]):
        at, values = h5["history/t"][-1], h5["history/loss"][-1]
        loss = float(np.nanmax(values))
        ends = values[(at == 0.0) | (at == 1.0)]
        training = h5["history/stage"][-1] < summary["training"]
        barrier = float(loss - ends.max()) if len(ends) == 2 and not training else None
    return Glance(
        state=str(h5.attrs["state"]),
        stage=stages[position["stage"]] if searched else "measuring" if h5.attrs["state"] == "running" else "done",
        moves=position["moves"],
        steps=sum(summary.get("steps", [])),
        loss=loss,
        barrier=barrier,
        measured=len(profiles) + (len(h5["measured/mixture"]) if "measured" in h5 else 0),
    )
