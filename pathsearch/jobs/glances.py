"""A quick look at many runs. Files that have not changed since the last look are not opened again."""

import json
import os
from contextlib import suppress
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from pathsearch.errors import PathsearchError
from pathsearch.jobs import registry, textfiles
from pathsearch.storage.glance import Glance, glance

Stamp = list[int]
"""Time, size and inode of a file: one of them changes when the file does."""

Seen = dict[str, tuple[Stamp, Glance | None]]
"""Stamp and glance of each run, by its folder."""


def glances(runs: list[Path]) -> dict[Path, Glance | None]:
    """A glance at each run; None for a run that has written nothing readable yet."""
    seen, changed = _remembered(), False
    found: dict[Path, Glance | None] = {}
    for run in runs:
        stamp, key = _stamp(run / "path.h5"), str(run)
        if not stamp:
            found[run] = None
            continue
        if key not in seen or seen[key][0] != stamp:
            seen[key], changed = (stamp, glance(run)), True
        found[run] = seen[key][1]
    if changed:
        _remember({key: one for key, one in seen.items() if os.path.exists(key)})
    return found


def _stamp(file: Path) -> Stamp:
    try:
        facts = file.stat()
    except OSError:
        return []
    return [facts.st_mtime_ns, facts.st_size, facts.st_ino]


def _place() -> Path:
    return registry.place().with_name("glances.json")


def _remember(seen: Seen) -> None:
    # where nothing can be kept, the next look opens all files again
    with suppress(OSError, UnicodeError, PathsearchError):
        known = {key: [stamp, one and asdict(one)] for key, (stamp, one) in seen.items()}
        _place().parent.mkdir(parents=True, exist_ok=True)
        textfiles.write(_place(), json.dumps(known))


def _remembered() -> Seen:
    try:
        known = json.loads(textfiles.read(_place()))
        return {key: ([int(part) for part in stamp], _glance(one)) for key, (stamp, one) in known.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, PathsearchError):
        return {}


def _glance(values: Any) -> Glance | None:
    """A glance from kept values; raises ValueError, KeyError or TypeError where they are none."""
    if values is None:
        return None
    kinds = {"state": str, "stage": str, "moves": int, "steps": int, "measured": int}
    for part in fields(Glance):
        value = values[part.name]
        if not isinstance(value, kinds.get(part.name, float | int | None)):
            raise TypeError(part.name)
    return Glance(**values)
