"""What is kept of a job beside its run: what was submitted, and a file for every turn it had on a machine.

    RUN/job.json                 `Record`: what to run, where, and the job's id
    RUN/jobs/turn-JOB-N.json     `Turn`: the N-th time the job ran; touched every BEAT seconds while it does

The folders of all runs of a user are listed in `$XDG_STATE_HOME/pathsearch/runs`, a file each.
"""

import hashlib
import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, TypeVar

from pathsearch.errors import Interrupted, PathsearchError, Requeued, one_line
from pathsearch.files import expanded

LOCAL = "local"  # the cluster that is this machine
BEAT = 10.0  # seconds between two signs of life
OUTCOMES = ((type(None), "finished"), (Requeued, "requeued"), (Interrupted, "stopped"), (BaseException, "failed"))

Kept = TypeVar("Kept", "Record", "Turn")


@dataclass(frozen=True)
class Record:
    """A submitted run: `config` as validated, `folder` its files are relative to, `here` the working folder.

    `job` is None until the cluster has it; `profile` is a `profiles.Profile`; `log` is where the job prints. `name` is
    the job's, `logs` the folder of its script and output, from the run's: those of a sweep share both.
    """

    cluster: str
    config: dict[str, Any]
    folder: str
    here: str
    submitted: float
    profile: dict[str, Any] = field(default_factory=dict)
    job: str | None = None
    log: str | None = None
    host: str = field(default_factory=socket.gethostname)
    name: str = ""
    logs: str = "jobs"


@dataclass(frozen=True)
class Turn:
    """One stretch of a job on its machines, times as time.time(); `outcome` is "" while it goes on, and
    `reached` how many steps and points the run had when it began.
    """

    job: str
    restart: int
    host: str
    pid: int
    nodes: int
    gpus: int
    began: float
    ended: float
    reached: int = 0
    outcome: str = ""
    said: str = ""

    @property
    def gpu_hours(self) -> float:
        return self.gpus * (self.ended - self.began) / 3600


def write(file: Path, kept: Record | Turn) -> None:
    """Keep a record or a turn, in one piece."""
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_name(f".{file.name}.{os.getpid()}.tmp")
    partial.write_text(json.dumps(asdict(kept), indent=1), "utf-8")
    partial.replace(file)


def record(run: Path) -> Record | None:
    """What was submitted into a run's folder; None where nothing was."""
    return _read(run / "job.json", Record)


def turns(run: Path) -> list[Turn]:
    """The turns a run's jobs had, oldest first; one that goes on, or was cut off, ends at its last sign of life."""
    found = []
    for file in (run / "jobs").glob("turn-*.json"):
        try:
            turn = _read(file, Turn)
        except PathsearchError:  # a node crashed while it wrote: the other turns are still true
            continue
        if turn is not None:
            found.append(turn if turn.outcome else replace(turn, ended=max(turn.began, file.stat().st_mtime)))
    return sorted(found, key=lambda turn: turn.began)


def submitted(run: Path, kept: Record) -> None:
    """Keep what is submitted into a run's folder, and where that is."""
    write(run / "job.json", kept)
    known = _registry()
    name = hashlib.sha256(str(run.resolve()).encode()).hexdigest()[:16]
    with suppress(OSError):  # a home that cannot be written to on compute nodes costs the run its row in a table
        known.mkdir(parents=True, exist_ok=True)
        (known / name).write_text(str(run.resolve()), "utf-8", "surrogateescape")


def known_runs() -> list[Path]:
    """The folders of this user's runs that are still there."""
    registry = _registry()
    files = [file for file in registry.iterdir() if not file.name.startswith(".")] if registry.is_dir() else []
    return sorted(
        run
        for run in (Path(file.read_text("utf-8", "surrogateescape")) for file in files)
        if (run / "job.json").exists()
    )


def sources(config: dict[str, Any], folder: Path, here: Path) -> list[Path]:
    """The folders of runs that a run takes endpoints from, as `endpoints.found` finds them."""
    points = config.get("endpoints") or {}
    found = []
    for point in (points.get("start"), *points.get("through", []), points.get("end")):
        name = point.get("run") if isinstance(point, dict) else point
        if isinstance(name, str):
            name = expanded(name)
            place = next((base / name for base in (here, folder) if (base / name).exists()), here / name)
            found.append((place.parent if place.suffix == ".h5" else place).resolve())
    return list(dict.fromkeys(found))


@contextmanager
def turn(run: Path, begun: Turn) -> Iterator[Callable[[BaseException | None], None]]:
    """Keep a turn while it goes on; gives what ends it early, with the error it ends by."""
    file = run / "jobs" / f"turn-{begun.job}-{begun.restart}.json"
    write(file, begun)
    over = threading.Event()

    def live() -> None:
        while not over.wait(BEAT):
            with suppress(OSError):  # what is wrong with the disk the run will say
                os.utime(file)

    def end(error: BaseException | None) -> None:
        over.set()
        outcome = next(said for kind, said in OUTCOMES if isinstance(error, kind))
        said = "" if error is None else one_line(error) or type(error).__name__
        write(file, replace(begun, ended=time.time(), outcome=outcome, said=said))

    threading.Thread(target=live, daemon=True).start()
    try:
        yield end
    except BaseException as error:
        end(error)
        raise
    end(None)


def _registry() -> Path:
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "pathsearch" / "runs"


def _read(file: Path, kind: type[Kept]) -> Kept | None:
    try:
        values = json.loads(file.read_text("utf-8"))
        return kind(**{key: values[key] for key in values if key in {part.name for part in fields(kind)}})
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, TypeError) as error:
        raise PathsearchError(f"{file} is damaged: move it away, and submit the run again to go on") from error
