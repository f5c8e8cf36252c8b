"""What a run takes from files that are not its own: endpoints, modules that import strings name, files of tokens.

A module's hash is that of its own file, a package's that of its `__init__.py`; what they import does not count.
Nothing is imported to find them. Of a file of tokens, which may be larger than memory, the hash is of its size and its
ends. Pictures and what a user's data set reads are known by where they lie, to `minima`.
"""

import hashlib
import importlib
import sys
from importlib.machinery import PathFinder
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pathsearch import files, storage
from pathsearch.errors import PathsearchError

BLOCK = 1 << 20  # bytes read at a time, and of each end of a file of tokens

METRICS = "objective.metrics."  # how their options begin
TOKENS = "tokens"  # the kind of data

Outside = dict[str, list[str]]
"""By option: what it names, and the SHA-256 of that."""


def outside(config: dict[str, Any], folder: Path) -> Outside:
    """What a configuration names, as it is now. Files lie here, or in `folder`, the configuration's; one that is not
    found has no entry.
    """
    found: Outside = {}
    points = config.get("endpoints") or {}
    sides = [("start", points.get("start")), ("end", points.get("end"))]
    for side, point in sides + [(f"through.{n}", each) for n, each in enumerate(points.get("through", []))]:
        name = point.get("run") if isinstance(point, dict) else point
        if isinstance(name, str):
            pivot = point["pivot"] if isinstance(point, dict) else -1 if side == "end" else 0
            _add(found, f"endpoints.{side}", name, _endpoint(name, folder, pivot))
    for option, target in named(config["objective"]).items():
        file = source(target.partition(":")[0], folder)
        if file is not None:
            _add(found, option, f"{target} in {file.name}", _file(file))
    for option, name in tokens(config["objective"]).items():
        _add(found, option, name, _ends(name, folder))
    return found


def named(objective: dict[str, Any]) -> dict[str, str]:
    """The import strings of an objective, by option."""
    model, data = objective.get("model") or {}, objective.get("data") or {}
    given = {
        "objective.target": objective.get("target"),
        "objective.loss": objective.get("loss"),
        **{f"{METRICS}{name}": target for name, target in (objective.get("metrics") or {}).items()},
        "objective.model": model.get("name"),
        "objective.data": data.get("target"),
        "objective.data.collate": data.get("collate"),
    }
    return {option: target for option, target in given.items() if isinstance(target, str) and ":" in target}


def tokens(objective: dict[str, Any]) -> dict[str, str]:
    """The files of token ids that an objective names, by option."""
    data = objective.get("data") or {}
    given = (
        {f"objective.data.{name}": data.get(name) for name in ("train", "test")} if data.get("name") == TOKENS else {}
    )
    return {option: file for option, file in given.items() if isinstance(file, str)}


def changed(kept: Outside, now: Outside) -> list[str]:
    """What has changed, in words; what is gone does not count."""
    return [f"{option} ({name})" for option, (name, value) in now.items() if value != kept.get(option, ["", value])[1]]


def _add(found: Outside, option: str, said: str, value: str | None) -> None:
    if value is not None:
        found[option] = [said, value]


def _endpoint(name: str, folder: Path, pivot: int) -> str | None:
    try:
        file = files.found(name, folder)
    except PathsearchError:
        return None
    if not storage.is_run(file):
        return _file(file)
    if file.is_dir() and not (file / "path.h5").exists():
        return None
    try:  # a pivot, not the file, which says when and where it was written
        with storage.stored(file) as kept:
            value = hashlib.sha256(kept.weights[pivot].tobytes())
            for each, array in sorted(kept.buffers().items()):
                value.update(each.encode() + array.tobytes())
            for made in kept.run.made:
                value.update(f"{made.name} {made.sha256}".encode())
            return value.hexdigest()
    except (PathsearchError, IndexError):
        return "damaged"


def _file(file: Path) -> str | None:
    value = hashlib.sha256()
    try:
        with file.open("rb") as raw:
            while block := raw.read(BLOCK):
                value.update(block)
    except OSError:
        return None
    return value.hexdigest()


def _ends(name: str, folder: Path) -> str | None:
    """The SHA-256 of a long file's size, its first and its last block."""
    try:
        with files.found(name, folder).open("rb") as raw:
            size = raw.seek(0, 2)
            value = hashlib.sha256(f"{size} ".encode())
            for begin in (0, max(size - BLOCK, 0)):
                raw.seek(begin)
                value.update(raw.read(BLOCK))
    except (OSError, PathsearchError):
        return None
    return value.hexdigest()


def source(module: str, folder: Path) -> Path | None:
    """The file a module would be imported from."""
    places = [str(Path.cwd()), str(folder.resolve()), *sys.path]
    importlib.invalidate_caches()  # a module may have been written a moment ago
    spec = None
    for n, part in enumerate(module.split(".")):
        try:
            # by its last name: the whole one is searched for only among packages that are imported
            spec = PathFinder.find_spec(part, places) or (None if n else find_spec(part))
        except (ImportError, ValueError):
            return None
        if spec is None:
            return None
        places = list(spec.submodule_search_locations or [])
    file = Path(spec.origin) if spec is not None and spec.origin else None
    return file if file is not None and file.is_file() else None
