"""What a run's folder holds already, and whether that is the run asked for. Torch is not needed for it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from pathsearch import storage
from pathsearch.errors import PathsearchError
from pathsearch.methods import Train
from pathsearch.methods.stages import Stage
from pathsearch.run.config import differences, validated
from pathsearch.run.outside import METRICS, changed, outside
from pathsearch.run.settings import UNCOMPARED, RunSettings
from pathsearch.run.until import another
from pathsearch.storage.glance import glance

ELSEWHERE = "name another folder with --out, or move this one away"

OPENED = ("objective.", "endpoints.", "optimizer.", "until")
"""Beginnings of options that show only in what is opened whether they can be used."""


def past(file: Path, settings: RunSettings, folder: Path, stretch: bool = False) -> storage.Run | None:
    """The run that `file` holds, if it is the one with these settings; None where there is no file.

    `folder` is the configuration's. The last stage may have more steps, or a smaller tolerance, than what is kept: see
    `beyond`. stretch: also where its learning rates follow from the number of steps, and `until` may differ. Raises
    PathsearchError where the file holds another run or is damaged, and where what it came from is no longer the same;
    but first what a new run with these settings would raise.
    """
    if not file.exists():
        return None
    kept = storage.read(file)
    if kept.halted:
        raise PathsearchError(f"{file} cannot go on: {kept.halted}; {ELSEWHERE}")
    old = _before(kept)
    unlike = differences(_compared(old), _compared(settings))
    if unlike and not _longer(old.model_copy(update={"until": settings.until}) if stretch else old, settings):
        if any(each.startswith(OPENED) for each in unlike):
            from pathsearch.run.invalid import refuse_invalid  # torch, data and network are needed for this alone

            refuse_invalid(settings, folder)  # a misspelt option is no other configuration
        hint = _of_all_cycles(old, settings, kept) or _of_another_goal(old, settings, kept)
        raise PathsearchError(
            f"{file} holds a run with another configuration: {', '.join(unlike)}; {hint or ELSEWHERE}"
        )
    if unlike and not stretch and (schedule := _stretched(old, settings, kept)):
        raise PathsearchError(
            f"{file} holds a run with another configuration: {', '.join(unlike)}, on which all learning rates of "
            f"optimizer.schedule={schedule} depend; `pathsearch extend {file.parent} steps={settings.steps}` goes on "
            f"with those of {settings.steps} steps, or {ELSEWHERE}"
        )
    if unlike and beyond(kept, settings) and not kept.last:
        raise PathsearchError(
            f"{file} was finished by an earlier pathsearch, which did not keep the optimiser's vectors: it cannot go "
            f"on; {ELSEWHERE}"
        )
    now = outside(settings.model_dump(mode="json"), folder)
    if isinstance(settings.method, Train):
        now = {option: value for option, value in now.items() if not option.startswith(METRICS)}
    other = changed(kept.outside, now)
    if other:
        raise PathsearchError(
            f"{file} holds a run from other files: {', '.join(other)} changed since it began; put back what was there, "
            f"{ELSEWHERE}"
        )
    return kept


def finished(where: Path, settings: RunSettings, folder: Path, stretch: bool = False) -> storage.Run | None:
    """The run in a folder, if it is the one with these settings and has nothing left to do; else None.

    Raises as `past` where a run of another kind is finished there; nothing is read of one that is not finished.
    """
    seen = glance(where)
    if seen is None or seen.state != "finished":
        return None
    kept = past(where / "path.h5", settings, folder, stretch)
    return kept if kept is not None and not beyond(kept, settings) else None


def beyond(kept: storage.Run, settings: RunSettings) -> bool:
    """Whether a run whose search is over is to search on: it used up its steps and there are more now, or it
    converged, to a tolerance that is smaller now, or it met its goal, and that is another one now, or none.
    """
    if kept.position["stage"] < len(kept.summary["stages"]):
        return False
    if reached := kept.summary.get("reached"):
        return another(_before(kept).until, settings.until, reached)
    old, new = _last(_before(kept)), _last(settings)
    if old is None or new is None:
        return False
    return _tighter(new, old) if kept.position["converged"] else new.steps > old.steps


def rates(kept: storage.Run, settings: RunSettings) -> str:
    """A warning that learning rates change where a run goes beyond its old last step; empty where they stay."""
    old, new = _last(_before(kept)), _last(settings)
    schedule = _stretched(_before(kept), settings, kept)
    if not schedule or old is None or new is None:
        return ""
    return f"optimizer.schedule={schedule} was for {old.steps} steps: from here on its rates are those of {new.steps}"


def _before(kept: storage.Run) -> RunSettings:
    """The settings a run was made with; options that its program did not have get their defaults."""
    config = {key: value for key, value in kept.config.items() if key not in UNCOMPARED}
    try:
        return validated(config, "its configuration")
    except PathsearchError as error:
        raise PathsearchError(f"{kept.file} is of another version of pathsearch: {error}; {ELSEWHERE}") from None


def _compared(settings: RunSettings) -> dict[str, Any]:
    said = {key: value for key, value in settings.model_dump(mode="json").items() if key not in UNCOMPARED}
    said["objective"].get("data", {}).pop("workers", None)  # whoever reads them, they are the same
    if isinstance(settings.method, Train):  # a minimum is what was trained, whatever is measured of it
        del said["measure"], said["objective"]["metrics"]
    return said


def _stages(settings: RunSettings) -> list[Stage]:
    return settings.method.stages(settings.optimizer, settings.steps, settings.tolerance)


def _last(settings: RunSettings) -> Stage | None:
    stages = _stages(settings)
    return stages[-1] if stages else None


def _longer(old: RunSettings, new: RunSettings) -> bool:
    """Whether all that differs is that the last stage has more steps or a smaller tolerance."""
    a, b = _stages(old), _stages(new)
    names = ("steps", "tolerance", "method")
    rest = [{key: value for key, value in _compared(each).items() if key not in names} for each in (old, new)]
    if not a or len(a) != len(b) or a[:-1] != b[:-1] or rest[0] != rest[1]:
        return False
    alike = replace(b[-1], steps=a[-1].steps, tolerance=a[-1].tolerance) == a[-1]
    within = b[-1].tolerance == a[-1].tolerance or _tighter(b[-1], a[-1])
    return alike and b[-1].steps >= a[-1].steps and within


def _tighter(new: Stage, old: Stage) -> bool:
    return old.tolerance is not None and (new.tolerance is None or new.tolerance < old.tolerance)


def _stretched(old: RunSettings, new: RunSettings, kept: storage.Run) -> str:
    """The schedule by which steps taken already would have had other learning rates; empty where none would."""
    a, b = _last(old), _last(new)
    begun = (kept.last or kept.position)["stage"] >= len(kept.summary["stages"]) - 1  # a goal ends any stage
    if a is None or b is None or a.steps == b.steps or not begun:
        return ""
    schedule = getattr(b.optimizer, "schedule", "constant")
    return "" if schedule == "constant" else str(schedule)


def _of_all_cycles(old: RunSettings, new: RunSettings, kept: storage.Run) -> str:
    """Advice where `steps` belong to several stages: only the last one can go on."""
    if len(_stages(old)) < 2 or new.steps <= old.steps or not _longer(old, new.model_copy(update={"steps": old.steps})):
        return ""
    return (
        f"steps are those of every cycle; `pathsearch extend {kept.file.parent} steps=+{new.steps - old.steps}` makes "
        f"the last one longer, or {ELSEWHERE}"
    )


def _of_another_goal(old: RunSettings, new: RunSettings, kept: storage.Run) -> str:
    """Advice where nothing but the goal differs."""
    if _compared(old.model_copy(update={"until": new.until})) != _compared(new):
        return ""
    goal = "null" if new.until is None else "…"
    return f"`pathsearch extend {kept.file.parent} until={goal}` goes on with another goal, or {ELSEWHERE}"
