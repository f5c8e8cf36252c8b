"""What all points of a path share and is no coordinate: frozen parameters, constant buffers.

A network's constructor makes them again in every process. What an endpoint has brought in their place is kept and
sent, and so are small buffers: tables of sines and the like come out otherwise on another kind of processor. All else
is known by its hash, so that an adapter of a large network costs no more than the adapter.
"""

from dataclasses import dataclass, field

import numpy as np
import torch

from pathsearch.errors import PathsearchError
from pathsearch.objectives.network import NetworkObjective
from pathsearch.objectives.protocol import Objective
from pathsearch.objectives.tensors import digest
from pathsearch.storage import Arrays, Made, Stored

SMALL = 1 << 20  # bytes of a buffer that is kept


@dataclass(frozen=True)
class Shared:
    """What is kept, by name (`brought` by endpoints, or small), and known by its hash what the constructor makes."""

    brought: Arrays = field(default_factory=dict)
    made: tuple[Made, ...] = ()


def shared(objective: Objective) -> Shared:
    """What a run's points share now."""
    if not isinstance(objective, NetworkObjective):
        return Shared()
    made, known = objective.made, objective.digests
    buffers = objective.buffers
    brought: Arrays = {}
    for name, value in objective.shared.items():
        small = name in buffers and value.nbytes <= SMALL
        # bits count: a zero that was brought may have a sign
        if small or (value is not made[name] and digest(value) != known[name]):
            brought[name] = value.cpu().numpy()
    rest = tuple(Made(name, tuple(made[name].shape), known[name]) for name in made if name not in brought)
    return Shared(brought, rest)


def of_file(kept: Stored) -> Shared:
    """What the points of a kept run share. A file of an earlier program holds all of it."""
    return Shared(kept.buffers(), kept.run.made)


def adopt(kept: Shared, source: str, objective: Objective) -> None:
    """Let a network share the same as a run, `source` in errors.

    Raises PathsearchError where its constructor makes another tensor than the run's did, and as
    `NetworkObjective.adopt`.
    """
    if not isinstance(objective, NetworkObjective):
        return
    values = {name: torch.from_numpy(np.asarray(value)) for name, value in kept.brought.items()}
    made, known, now = objective.made, objective.digests, objective.shared
    for name, shape, sha256 in kept.made:
        if name not in made:
            continue
        if tuple(made[name].shape) == shape and known[name] == sha256:
            values[name] = made[name]
        elif digest(now[name]) == sha256:  # the other endpoint has brought it
            values[name] = now[name]
        else:
            raise PathsearchError(
                f"the model makes another {name!r} than when {source} was begun: put back what it is made from; what "
                "it computes may come out otherwise on another kind of machine"
            )
    objective.adopt(values, source)


def refuse_others(objective: Objective) -> None:
    """Raise PathsearchError where an endpoint has brought what a network that is trained from a seed will not share."""
    if isinstance(objective, NetworkObjective):
        objective.adopt(objective.made, "a network trained from a seed")
