"""The files about a job in its run's folder: one of what was submitted, and one for every attempt.

RUN/job.json                 `Record`: what to run, where, and the job's id
RUN/jobs/attempt-JOB-N.json  `Attempt`: the N-th time the job ran; touched every BEAT seconds while it runs
RUN/jobs/cancelled           the time of the submission that is to end, or not to begin
"""

import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import MISSING, asdict, dataclass, field, fields, replace
from os import fsencode, path, utime
from pathlib import Path
from typing import Any, TypeVar

from pathsearch.errors import Interrupted, PathsearchError, Requeued, one_line
from pathsearch.jobs import registry, textfiles

LOCAL = "local"  # the cluster that is this machine
BEAT = 10.0  # seconds between two signs of life
FILES = ("attempt-*.json", "turn-*.json")  # the latter is the name that earlier versions gave it
OUTCOMES = ((type(None), "finished"), (Requeued, "requeued"), (Interrupted, "stopped"), (BaseException, "failed"))

Kept = TypeVar("Kept", "Record", "Attempt")


@dataclass(frozen=True)
class Record:
    """A submitted run.

    `config` is validated; file names in it are relative to `folder`. `here` is the working folder. `job` is None until
    the cluster has taken it. `profile` is a `profiles.ClusterProfile`. `log` is the file that the job prints into.
    `name` is the job's name and `logs` the folder of its script and output, relative to the run's: the runs of a sweep
    share both. `run` is the run's folder: a record in another one is a copy. `minima` is the store of minima, empty for
    the one beside the run. `boot` and `started` say which process a local job is (`process.identity`). `needs` are
    folders of runs that must be finished before this one begins, besides those that its configuration names
    (`prerequisites` has both).
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
    run: str = ""
    minima: str = ""
    boot: str = ""
    started: float = 0.0
    needs: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Attempt:
    """One time that a job ran on its machines; times are as time.time().

    `outcome` is "" while the attempt goes on. `reached` counts the steps and points that the run had when it began.
    `gpus` and `cpus` are those of all nodes. `boot` and `started` say which process it is (`process.identity`). `step`
    is SLURM's job step. `last`: SLURM will not requeue the job after this attempt.
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
    cpus: int = 0
    boot: str = ""
    started: float = 0.0
    step: str = ""
    last: bool = False

    @property
    def hours(self) -> float:
        """How long it took."""
        return max(0.0, self.ended - self.began) / 3600

    @property
    def gpu_hours(self) -> float:
        return self.gpus * self.hours

    @property
    def core_hours(self) -> float:
        return self.cpus * self.hours


def write(file: Path, kept: Record | Attempt) -> None:
    """Write a record or an attempt; a reader sees the old file or the new one, never a part."""
    file.parent.mkdir(parents=True, exist_ok=True)
    textfiles.write(file, json.dumps(asdict(kept), indent=1))


def record(run: Path) -> Record | None:
    """The record in a run's folder; None where nothing was submitted. Raises PathsearchError where it is damaged."""
    return _read(run / "job.json", Record)


def attempts(run: Path) -> list[Attempt]:
    """The attempts of a run's jobs, oldest first. One that goes on or was cut off ends as its file was last touched."""
    return attempts_and_faults(run)[0]


def attempts_and_faults(run: Path) -> tuple[list[Attempt], list[str]]:
    """The attempts that can be read, and for each of the others a line that says what is wrong with its file."""
    found, faults = [], []
    for file in sorted(file for name in FILES for file in (run / "jobs").glob(name)):
        try:
            attempt = _read(file, Attempt)
            if attempt is not None:
                found.append(
                    attempt if attempt.outcome else replace(attempt, ended=max(attempt.began, file.stat().st_mtime))
                )
        except PathsearchError as error:
            faults.append(str(error))
        except OSError:
            continue  # it was replaced meanwhile
    return sorted(found, key=lambda attempt: attempt.began), faults


def submitted(run: Path, kept: Record) -> None:
    """Write the record of a run into its folder, and the folder into the user's registry."""
    write(run / "job.json", kept)
    registry.enter(run)


def cancel(run: Path, kept: Record) -> None:
    """Ask a submitted run to end, or not to begin: `work` looks at this. Raises PathsearchError where that fails."""
    try:
        (run / "jobs").mkdir(exist_ok=True)
        textfiles.write(run / "jobs" / "cancelled", repr(kept.submitted))
    except OSError as error:
        raise PathsearchError(f"{run / 'jobs'} cannot be written to: {error.strerror}") from error


def cancelled(run: Path, submitted: float) -> bool:
    """Whether the run that was submitted at that time has been asked to end, or not to begin."""
    try:
        return textfiles.read(run / "jobs" / "cancelled", 100).decode() == repr(submitted)
    except (OSError, ValueError):
        return False


def original(run: Path, kept: Record) -> Path | None:
    """The folder that this one is a copy of, to which the job belongs; None for a run in its own folder, or moved."""
    if kept.run in ("", str(run)):
        return None
    try:
        if (Path(kept.run) / "job.json").samefile(run / "job.json"):
            return None
        other = record(Path(kept.run))
    except (OSError, PathsearchError):
        return None
    same = other is not None and (other.job, other.submitted) == (kept.job, kept.submitted)
    return Path(kept.run) if same else None


def log(run: Path, kept: Record) -> Path:
    """The file that a run's job prints into; the run may have been moved since."""
    if kept.log is None:
        return run / "run.log"
    file = Path(kept.log)
    if kept.cluster != LOCAL:
        return Path(path.normpath(run / kept.logs)) / file.name
    # one process carries out all runs of a sweep; in earlier versions they shared its output
    return run / "jobs" / file.name if file.parent.name == "jobs" else run / "run.log"


def sources(config: dict[str, Any], folder: Path, here: Path) -> list[Path]:
    """The folders of runs that a configuration takes endpoints from, where `endpoints.found` finds them."""
    points = config.get("endpoints")
    points = points if isinstance(points, dict) else {}
    through = points.get("through")
    found = []
    for point in (points.get("start"), *(through if isinstance(through, list) else ()), points.get("end")):
        name = point.get("run") if isinstance(point, dict) else point
        if isinstance(name, str) and "\0" not in name:
            name = path.expanduser(name)
            place = next((base / name for base in (here, folder) if path.exists(base / name)), here / name)
            found.append(Path(path.realpath(place.parent if place.suffix == ".h5" else place)))
    return list(dict.fromkeys(found))


def prerequisites(kept: Record) -> list[Path]:
    """The folders of all runs that must be finished before this one: its `needs` and those it takes endpoints from.

    The paths are absolute and without links.
    """
    needed = [Path(path.realpath(need)) for need in kept.needs]
    return list(dict.fromkeys([*needed, *sources(kept.config, Path(kept.folder), Path(kept.here))]))


@contextmanager
def attempt(run: Path, begun: Attempt) -> Iterator[Callable[[BaseException | None], None]]:
    """Write down an attempt and its outcome. The function it gives ends the attempt early, with an error or None."""
    file = run / "jobs" / f"attempt-{begun.job}-{begun.restart}.json"
    write(file, begun)
    over = threading.Event()

    def live() -> None:
        while not over.wait(BEAT):
            with suppress(OSError):  # the run itself will say what is wrong with the disk
                utime(file)

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


def _read(file: Path, kind: type[Kept]) -> Kept | None:
    try:
        return _typed(json.loads(textfiles.read(file)), kind)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, RecursionError) as error:
        why = one_line(error.strerror if isinstance(error, OSError) and error.strerror else error)
        advice = "move it away, and submit the run again to go on" if kind is Record else "move it away"
        raise PathsearchError(f"{file} is damaged: {advice} ({textfiles.printable(why)})") from error


def _absolute(value: Any) -> bool:
    return TYPES[str](value) and path.isabs(value)


NUMBER = 1e15  # larger than any count or time here
TYPES: dict[Any, Callable[[Any], bool]] = {
    bool: lambda value: isinstance(value, bool),
    int: lambda value: type(value) is int and 0 <= value < NUMBER,
    float: lambda value: type(value) in (int, float) and 0 <= value < NUMBER,  # which NaN is not
    str: lambda value: isinstance(value, str) and "\0" not in value and _encodable(value),
    str | None: lambda value: value is None or TYPES[str](value),
    dict[str, Any]: lambda value: isinstance(value, dict),
    list[str]: lambda value: isinstance(value, list) and all(map(_absolute, value)),
}
FORMS = {
    "cluster": ".+",
    "job": r"\d{1,18}(_\d{1,9})?",  # scancel gets this, and would take `-u me` for all jobs of mine
    "logs": r"([^/]+/)*jobs[^/]*",  # submitting again closes this folder to all other users
    "step": r"(\d{1,18}\.\d{1,18})?",
}


def _encodable(text: str) -> bool:
    """Whether a file can have this name, whatever bytes it is made of."""
    try:
        fsencode(text)
    except UnicodeEncodeError:
        return False
    return True


def _typed(values: Any, kind: type[Kept]) -> Kept:
    """A record or an attempt from values that were read; raises ValueError that names the first wrong one."""
    if not isinstance(values, dict):
        raise ValueError("it is no mapping")
    known = {}
    for part in fields(kind):
        if part.name not in values:
            if part.default is MISSING and part.default_factory is MISSING:
                raise ValueError(f"it has no {part.name!r}")
            continue  # an earlier version wrote it
        value = values[part.name]
        form = FORMS.get(part.name)
        if not TYPES[part.type](value) or (form and value is not None and not re.fullmatch(form, value)):
            raise ValueError(f"{part.name!r} is none that this program wrote")
        known[part.name] = value
    return kind(**known)
