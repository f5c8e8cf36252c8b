"""Configurations: YAML files and `key=value` overrides to validated settings."""

import sys
from importlib import resources
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from pydantic import ValidationError

from pathsearch.errors import PathsearchError, one_line
from pathsearch.files import expanded
from pathsearch.refusals import refused
from pathsearch.run.settings import RunSettings
from pathsearch.settings import meant

NAMED = ("objective", "objective.model", "objective.data", "endpoints.align", "method", "optimizer", "holder")
"""Keys whose value is a kind with options; a name alone is short for {name: …}."""


GROUPS = {
    "examples": "To begin with",
    "garipov2018": "Garipov et al. (2018), curves: a day of a GPU; each as NAME-short, too: some minutes",
    "draxler2018": "Draxler et al. (2018), AutoNEB: a day of a GPU; each as NAME-short, too: some minutes",
}
"""Folders of built-in configurations, with what is said of them."""


ENDS = ("endpoints.start", "endpoints.end")
FILES = (*ENDS, *(f"{end}.run" for end in ENDS), *(f"objective.data.{name}" for name in ("root", "train", "test")))
"""Keys whose value may name a file or a folder. (Modules are found beside the configuration that is named, alone.)"""


def builtin_configs() -> dict[str, dict[str, str]]:
    """Names of the built-in configurations by group, each with its first comment line."""
    return {
        title: {name: file.read_text("utf-8").splitlines()[0].lstrip("# ") for name, file in _files(group).items()}
        for group, title in GROUPS.items()
    }


def names() -> list[str]:
    """Names of all built-in configurations."""
    return [name for group in GROUPS for name in _files(group)]


def _files(group: str) -> dict[str, Any]:
    folder = resources.files("pathsearch") / "configs" / group
    files = sorted((item for item in folder.iterdir() if item.name.endswith(".yaml")), key=lambda item: item.name)
    return {each.name.removesuffix(".yaml"): each for each in files}


def text(config: str) -> str:
    """The text of a YAML file, or of the built-in configuration of that name. Raises PathsearchError."""
    return _text(config)[0]


def load(config: str, overrides: list[str]) -> tuple[RunSettings, Path]:
    """Settings from a YAML file or a built-in name, with overrides, and the folder that its file names start from.

    Raises PathsearchError naming the key at fault.
    """
    tree, folder = _tree(config, Path(), ())
    return overridden(tree, overrides, config), folder


def _tree(config: str, beside: Path, above: tuple[Path | str, ...]) -> tuple[Any, Path]:
    """What a configuration says, over what its `base` says, and its folder; above: those that it is the base of."""
    try:
        text, folder = _text(config, beside)
        file = beside / expanded(config)
        identity = file.resolve() if file.is_file() else config
        if identity in above:
            raise PathsearchError(f"{config}: a configuration cannot be its own base")
        tree: Any = OmegaConf.create(text)
        if not OmegaConf.is_dict(tree):
            raise PathsearchError(f"{config} is not a mapping of options")
        base = tree.pop("base", None)
        if base is None:
            return tree, folder
        if not isinstance(base, str):
            raise PathsearchError(f"{config}: base is to be the name of a configuration, or a file")
        below, its = _tree(base, folder, (*above, identity))
        if its != folder:
            _place(below, its)
        return _over(below, tree), folder
    except PathsearchError:
        raise
    except Exception as error:  # YAML, OmegaConf and the file system each have their own
        raise PathsearchError(f"{config}: {one_line(error)}") from error


def _over(base: Any, tree: Any) -> Any:
    """A configuration with what another one changes: where that names another kind, the old kind's options go."""
    for key in (*NAMED, *(f"{end}.train.optimizer" for end in ENDS)):
        _name(base, key)
        _name(tree, key)
        old, new = _at(base, key), _at(tree, key)
        if OmegaConf.is_dict(old) and OmegaConf.is_dict(new) and new.get("name", old.get("name")) != old.get("name"):
            OmegaConf.update(base, key, new, merge=False)
    for key in ENDS:
        old, new = _at(base, key), _at(tree, key)
        alike = OmegaConf.is_dict(old) and OmegaConf.is_dict(new) and set(old) & set(new)  # as both are trained
        if old is not None and new is not None and not alike:
            OmegaConf.update(base, key, new, merge=False)
    return OmegaConf.merge(base, tree)


def _place(tree: Any, folder: Path) -> None:
    """Have the files that a configuration names, where they lie beside it, be found from elsewhere, too."""
    for key in FILES:
        value = _at(tree, key)
        if isinstance(value, str) and (there := folder / expanded(value)).exists():
            OmegaConf.update(tree, key, str(there))


def overridden(values: Any, overrides: list[str], source: str) -> RunSettings:
    """Settings from plain values with overrides; raises PathsearchError naming the key at fault."""
    try:
        tree = OmegaConf.create(values)
        for key in NAMED:
            _name(tree, key)
        # what replaces a whole mapping comes before what changes one option in it
        changes = [parsed(override) for override in overrides]
        for key, value in sorted(changes, key=lambda change: not _replaces(*change)):
            _override(tree, key, value)
        container = OmegaConf.to_container(tree, resolve=True)
    except PathsearchError:
        raise
    except Exception as error:
        raise PathsearchError(f"{source}: {one_line(error)}") from error
    return validated(container, source)


def validated(values: Any, source: str) -> RunSettings:
    """Settings from plain values; raises PathsearchError with one line that names every key at fault."""
    try:
        return RunSettings.model_validate(values)
    except ValidationError as error:
        raise PathsearchError(f"{source}: {refused(error, RunSettings)}") from None


def differences(old: dict[str, Any], new: dict[str, Any], prefix: str = "") -> list[str]:
    """Dotted keys at which two configurations differ, with both values."""
    found = []
    for key in sorted(old.keys() | new.keys()):
        a, b = old.get(key), new.get(key)
        if isinstance(a, dict) and isinstance(b, dict):
            found += differences(a, b, f"{prefix}{key}.")
        elif a != b:
            found.append(f"{prefix}{key} ({a!r} there, {b!r} here)")
    return found


def _text(config: str, folder: Path = Path()) -> tuple[str, Path]:
    """A configuration's text and folder; folder: where a file is looked for."""
    file, known = folder / expanded(config), {name: each for group in GROUPS for name, each in _files(group).items()}
    if file.suffix in (".yaml", ".yml") or file.is_file():
        if not file.is_file():
            beside = [item.name for item in Path(file.parent).glob("*.y*ml")] + list(known)
            raise PathsearchError(f"no configuration file {config}{meant(file.name, beside)}")
        return file.read_text("utf-8"), file.resolve().parent
    if config not in known:
        raise PathsearchError(
            f"no built-in configuration {config!r}{meant(config, known)}: `pathsearch configs` lists them; a file of "
            "your own ends in .yaml"
        )
    return known[config].read_text("utf-8"), Path.cwd()


def parsed(override: str) -> tuple[str, Any]:
    """Key and value of an override `key=value`; raises PathsearchError where it is none."""
    key, equals, value = override.partition("=")
    if not _is_text(override):
        raise PathsearchError(
            f"{override!a} has signs that this locale ({sys.getfilesystemencoding()}) has not: set LC_ALL=C.UTF-8"
        )
    if not equals or not key:
        raise PathsearchError(f"{override!r} is no override: write key=value, as in method.images=9")
    return key, OmegaConf.to_container(OmegaConf.from_dotlist([f"value={value}"]))["value"]  # type: ignore[call-overload,index]


def _is_text(said: str) -> bool:
    return not any("\ud800" <= sign <= "\udfff" for sign in said)  # bytes that stayed undecoded


def _kind(key: str, value: Any) -> tuple[str, str] | None:
    """The node and the kind it is to be, if that is what an override says: `method=neb` or `method.name=neb`."""
    if not isinstance(value, str):
        return None
    node, _, last = key.rpartition(".")
    if last == "name" and node:
        return node, value
    return (key, value) if key in NAMED else None


def _replaces(key: str, value: Any) -> bool:
    return isinstance(value, dict) or _kind(key, value) is not None


def _override(tree: Any, key: str, value: Any) -> None:
    kind = _kind(key, value)
    if kind is None:
        OmegaConf.update(tree, key, value, merge=False)
        return
    node, name = kind
    old = OmegaConf.select(tree, node)
    if not OmegaConf.is_dict(old) or old.get("name") != name:
        OmegaConf.update(tree, node, {"name": name}, merge=False)


def _at(tree: Any, key: str) -> Any:
    """What stands at a key; None where nothing does, as inside a list of weights."""
    for part in key.split("."):
        if not OmegaConf.is_dict(tree) or part not in tree:
            return None
        tree = tree[part]
    return tree


def _name(tree: Any, key: str) -> None:
    value = _at(tree, key)
    if isinstance(value, str):
        OmegaConf.update(tree, key, {"name": value}, merge=False)
