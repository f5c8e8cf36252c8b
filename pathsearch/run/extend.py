"""A run that goes on with more steps, a smaller tolerance or another goal."""

import os
from pathlib import Path
from typing import Any

from pathsearch import storage
from pathsearch.errors import PathsearchError
from pathsearch.run.config import overridden, parsed
from pathsearch.run.past import beyond
from pathsearch.run.settings import UNCOMPARED, Asked


def extended(folder: Path, overrides: list[str]) -> Asked:
    """What `pathsearch extend` is to carry out in a run's folder; makes the run's working folder this process's.

    `steps` is the number of the last stage, `+N` what it is to have more than when it was last finished: asked twice,
    as by a job that is put back into its queue, that is the same. Raises PathsearchError where there is nothing to do.
    """
    kept = storage.read(folder)
    config = kept.config
    steps, rest = "", []
    for override in overrides:
        key, _ = parsed(override)
        if key.partition(".")[0] not in ("steps", "tolerance", "until", *UNCOMPARED):
            raise PathsearchError(
                f"extend changes steps, tolerance, until, {' and '.join(UNCOMPARED)}, not {key}: with that it is "
                "another run, pathsearch run … --out"
            )
        if key == "steps":
            steps = override.partition("=")[2].strip()  # as written: YAML has no plus
        else:
            rest.append(override)
    if config["method"]["name"] == "train":
        raise PathsearchError(
            f"{kept.file} is a minimum, which is what its configuration says: train another one with more steps, as "
            "pathsearch train CONFIG endpoints.start.train.steps=…"
        )
    if not kept.summary["stages"]:
        raise PathsearchError(f"{kept.file}: method {config['method']['name']} searches nothing that could go on")
    if steps:
        config = _with_steps(config, _number(steps, kept))
    settings = overridden(config, rest, str(kept.file))
    over = kept.position["stage"] >= len(kept.summary["stages"])
    goal = over and settings.model_dump(mode="json")["until"] != config.get("until")
    if (kept.state == "finished" or goal) and not beyond(kept, settings):
        raise PathsearchError(f"{kept.file} is finished, {_ended(kept)}")
    here = Path(kept.place.get("here", "."))
    try:
        os.chdir(here)
    except OSError as error:
        raise PathsearchError(f"{here}, where {kept.file} was begun, cannot be used: {error.strerror}") from error
    return Asked(settings, Path(kept.place.get("folder", ".")), stretch=True)


def _ended(kept: storage.Run) -> str:
    """Why its search ended, and what would have it go on."""
    if reached := kept.summary.get("reached"):
        found = f"at step {reached['step']}, a barrier of {reached['metric']} of {reached['barrier']:.3g}"
        return f"it reached its goal {found}: give another, as until.barrier=…, or none, until=null"
    if kept.position["converged"]:
        return f"it converged at step {kept.position['step']}: give a smaller tolerance, as tolerance=…"
    return f"it had {kept.summary['steps'][-1]} steps: give more, as steps=+1000"


def _number(said: str, kept: storage.Run) -> int:
    """How many steps `500` or `+500` comes to."""
    if not said.removeprefix("+").isdecimal():
        raise PathsearchError(f"steps={said}: write the number of steps, or +N for so many more")
    had: int = kept.summary.get("extended", kept.summary["steps"][-1]) if said.startswith("+") else 0
    return had + int(said)


def _with_steps(config: dict[str, Any], steps: int) -> dict[str, Any]:
    """The configuration with so many steps of the last stage: of autoneb the last cycle, which may be one of several
    alike.
    """
    if config["method"]["name"] != "autoneb":
        return {**config, "steps": steps}
    *others, last = config["method"]["cycles"]
    if last["repeat"] > 1:
        others, last = [*others, {**last, "repeat": last["repeat"] - 1}], {}
    cycles = [*others, {**last, "steps": steps, "repeat": 1}]
    return {**config, "method": {**config["method"], "cycles": cycles}}
