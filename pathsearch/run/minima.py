"""Minima: networks trained by themselves, kept in a store that many runs share.

A minimum is a run of one pivot (method `train`) in a folder of its own, whose name says which it is and ends in a
digest of everything that decides it: configuration, the user's modules, where the data lie. Imports no torch.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from pathsearch.alignment.settings import ByActivations, NotAligned
from pathsearch.atomic import replacing
from pathsearch.errors import Interrupted, PathsearchError
from pathsearch.files import candidates, there
from pathsearch.holders.settings import HolderSettings
from pathsearch.methods import Train
from pathsearch.objectives import NetworkSettings
from pathsearch.run.outside import METRICS, outside, tokens
from pathsearch.run.past import finished
from pathsearch.run.settings import Measured, Measurement, RunSettings, Trained, Training
from pathsearch.run.stop import Stop
from pathsearch.settings import Settings
from pathsearch.storage.glance import Glance, glance

DIGITS = 10  # of the digest in a folder's name
NOTE = "minima.txt"  # in a run's folder: those that it joins, a line each
SAME = ("auto", "loop")  # ways to work out gradients that give a single network the same bits


@dataclass(frozen=True)
class Minimum:
    """A network to be trained by `settings`, kept in `folder`."""

    settings: RunSettings
    folder: Path

    @property
    def name(self) -> str:
        return self.folder.name


def beside(run: Path) -> Path:
    """The store that a run uses unless another is named: the folder `minima` beside the run's own."""
    return run.parent / "minima"


def needed(settings: RunSettings, folder: Path, store: Path) -> dict[str, Minimum]:
    """The minima that a run trains, by the side of the path they are at; `folder` is the configuration's.

    Raises PathsearchError where both ends are the same.
    """
    points = settings.endpoints
    sides = {"start": points.start, "end": points.end} if points else {}
    found = {
        side: minimum(settings, end.train, folder, store) for side, end in sides.items() if isinstance(end, Trained)
    }
    if len(found) == 2 and found["start"] == found["end"]:
        raise PathsearchError("both endpoints are trained from the same seed: set endpoints.end.train.seed to another")
    return found


def minimum(settings: RunSettings, training: Training, folder: Path, store: Path) -> Minimum:
    """What training the network of a configuration comes to, and its place in the store."""
    objective = settings.objective
    if not isinstance(objective, NetworkSettings):
        raise PathsearchError(f"objective {objective.name} cannot be trained from a seed: only a network can")
    batch, micro = training.batch or objective.batch, objective.micro_batch
    cut = micro is not None and (batch is None or micro < batch)  # else a mini-batch is one pass, with the same bits
    own = RunSettings(
        objective=objective.model_copy(update={"batch": batch, "micro_batch": micro if cut else None}),
        method=Train(seed=training.seed),
        optimizer=training.optimizer,
        steps=training.steps,
        checkpoint=settings.checkpoint,
        device=settings.device,
        holder=HolderSettings(name="serial", gradients=settings.holder.gradients),
        measure=Measurement(examples=settings.measure.examples, chunk=settings.measure.chunk),
    )
    return Minimum(own, store / f"{_described(objective, training.seed)}-{digest(own, folder)}")


def digest(settings: RunSettings, folder: Path) -> str:
    """A few digits of the SHA-256 of everything that decides what a training comes to; what is measured of it does not.

    Options at their defaults are left out: a later program with more options finds the same minima.
    """
    decides = _said(settings.model_copy(update={"checkpoint": None, "holder": None, "measure": None}))
    decides["objective"].pop("metrics", None)
    decides["objective"]["data"].pop("workers", None)
    if settings.holder.gradients not in SAME:
        decides["gradients"] = settings.holder.gradients
    now = outside(settings.model_dump(mode="json"), folder)
    hashes = {option: value for option, (_, value) in now.items() if not option.startswith(METRICS)}
    text = json.dumps([decides, hashes, _places(settings.objective, folder)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:DIGITS]


def kept(wanted: Minimum, folder: Path) -> bool:
    """Whether a minimum is there, finished; raises PathsearchError where its folder holds something else."""
    return finished(wanted.folder, wanted.settings, folder) is not None


def aligned(start: Minimum, end: Minimum, settings: RunSettings) -> Path:
    """The folder of the end's minimum aligned with the start's as a run's settings ask for, in the store."""
    how = settings.endpoints.align if settings.endpoints else NotAligned()
    decides = [start.name, end.name, _said(how)]
    if isinstance(how, ByActivations):  # which are of as many examples as are measured, in batches of one size
        decides.append(_said(Measured(examples=settings.measure.examples, chunk=settings.measure.chunk)))
    text = json.dumps(decides, sort_keys=True)
    return end.folder.with_name(f"{end.name}-aligned-{hashlib.sha256(text.encode()).hexdigest()[:DIGITS]}")


def waiting(folder: Path, log: Callable[[str], None], stop: Stop, does: str = "trains") -> Callable[[], None]:
    """What to call again and again (see `locks.alone`) while another process trains a minimum, or does something else.

    It says so once, and raises Interrupted where `stop` is due.
    """
    said: list[bool] = []

    def waits() -> None:
        if not said:
            said.append(True)
            log(f"waits for {folder}, which another process {does}")
        if stop.due(1.0) and stop.number is not None:
            raise Interrupted(
                f"stopped by {stop.reason} while it waited for {folder}; run the same command again", stop.number
            )

    return waits


def note(run: Path, wanted: Iterable[Minimum]) -> None:
    """Leave in a run's folder which minima it is waiting for or training, for those who look at how it stands."""
    with suppress(OSError), replacing(run / NOTE) as partial:  # a full disk: the run itself will say
        partial.write_text("".join(f"{each.folder.resolve()}\n" for each in wanted), "utf-8")


def progress(run: Path) -> dict[Path, Glance | None]:
    """How the minima stand that `note` named, by their folders; None where nothing is written yet."""
    file = run / NOTE
    try:
        named = file.read_text("utf-8").splitlines() if file.is_file() else []
    except (OSError, ValueError):
        named = []
    return {Path(name): glance(Path(name)) for name in named[:2]}


def written(side: str, used: Minimum, weights: NDArray[Any]) -> dict[str, str]:
    """What a run's file says of a minimum that it used: where it was, and the SHA-256 of its weights [M]."""
    digest = hashlib.sha256(weights.tobytes()).hexdigest()
    return {"side": side, "folder": str(used.folder.resolve()), "sha256": digest}


def _said(value: Any) -> Any:
    """Options as plain values, without those at their defaults; a kind's name is always there."""
    if not isinstance(value, Settings):
        return value
    fields = type(value).model_fields
    return {
        name: _said(each)
        for name, each in value
        if each is not None and (name == "name" or each != fields[name].get_default(call_default_factory=True))
    }


def _described(objective: NetworkSettings, seed: int) -> str:
    """Model, data and seed in words for a folder's name."""
    model, data = objective.model.name, getattr(objective.data, "target", objective.data.name)
    words = [each.rpartition(":")[2].rpartition(".")[2] or each for each in (model, data)]
    return re.sub(r"[^\w.-]", "-", "-".join([*words, f"seed{seed}"]))


def _places(objective: Any, folder: Path) -> list[str]:
    """Where a user's modules and data lie: what has the same name elsewhere may be something else."""
    data = objective.data
    if data.name == "folder":
        names = [data.root]
    else:
        given = [objective.model.args, *(value for _, value in data if isinstance(value, dict))]
        names = [value for each in given for value in each.values() if isinstance(value, str)]
        names += tokens(objective.model_dump(mode="json")).values()
    found = [str(place.resolve()) for name in names for place in candidates(name, folder) if there(place)]
    own_code = ":" in objective.model.name or ":" in objective.loss or hasattr(data, "target")
    return [*found, str(folder.resolve())] if own_code else found
