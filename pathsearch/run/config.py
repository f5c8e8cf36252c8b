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
from pathsearch.settings import meant, one_of

NAMED = ("objective", "objective.model", "objective.data", "method", "optimizer", "holder")
"""Keys whose value is a kind with options; a name alone is short for {name: …}."""


def builtin_configs() -> dict[str, str]:
    """Names of the built-in configurations, each with its first comment line."""
    folder = resources.files("pathsearch") / "configs"
    files = sorted((item for item in folder.iterdir() if item.name.endswith(".yaml")), key=lambda item: item.name)
    return {f.name.removesuffix(".yaml"): f.read_text("utf-8").splitlines()[0].lstrip("# ") for f in files}


def text(config: str) -> str:
    """The text of a YAML file, or of the built-in configuration of that name. Raises PathsearchError."""
    return _text(config)[0]


def load(config: str, overrides: list[str]) -> tuple[RunSettings, Path]:
    """Settings from a YAML file or a built-in name, with overrides, and the folder that its file names start from.

    Raises PathsearchError naming the key at fault.
    """
    try:
        text, folder = _text(config)
        tree = OmegaConf.create(text)
        if not OmegaConf.is_dict(tree):
            raise PathsearchError(f"{config} is not a mapping of options")
    except PathsearchError:
        raise
    except Exception as error:  # YAML, OmegaConf and the file system each have their own
        raise PathsearchError(f"{config}: {one_line(error)}") from error
    return overridden(tree, overrides, config), folder


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


def _text(config: str) -> tuple[str, Path]:
    file, known = expanded(config), builtin_configs()
    if file.suffix in (".yaml", ".yml") or file.is_file():
        if not file.is_file():
            beside = [item.name for item in Path(file.parent).glob("*.y*ml")] + list(known)
            raise PathsearchError(f"no configuration file {config}{meant(file.name, beside)}")
        return file.read_text("utf-8"), file.resolve().parent
    if config not in known:
        raise PathsearchError(f"no built-in configuration {one_of(config, known)}; a file of your own ends in .yaml")
    return (resources.files("pathsearch") / "configs" / f"{config}.yaml").read_text("utf-8"), Path.cwd()


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


def _name(tree: Any, key: str) -> None:
    value = OmegaConf.select(tree, key)
    if isinstance(value, str):
        OmegaConf.update(tree, key, {"name": value}, merge=False)
