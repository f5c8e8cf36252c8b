"""Configurations: YAML files and `key=value` overrides to validated settings."""

import re
from importlib import resources
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import ValidationError
from yaml import YAMLError

from pathsearch.errors import PathsearchError
from pathsearch.launch.settings import RunSettings


def builtin_configs() -> dict[str, str]:
    """Names of the built-in configurations, each with its first comment line."""
    folder = resources.files("pathsearch") / "configs"
    files = sorted((item for item in folder.iterdir() if item.name.endswith(".yaml")), key=lambda item: item.name)
    return {f.name.removesuffix(".yaml"): f.read_text().splitlines()[0].lstrip("# ") for f in files}


def load(config: str, overrides: list[str]) -> tuple[RunSettings, Path]:
    """Settings from a YAML file or a built-in name, with overrides, and the folder that its file names start from.

    Raises PathsearchError naming the key at fault.
    """
    text, folder = _text(config)
    try:
        tree = OmegaConf.create(text)
        if not OmegaConf.is_dict(tree):
            raise PathsearchError(f"{config} is not a mapping of options")
        merged = OmegaConf.merge(tree, OmegaConf.from_dotlist([_switched(tree, item) for item in overrides]))
        values = OmegaConf.to_container(merged, resolve=True)
    except (OmegaConfBaseException, YAMLError, ValueError) as error:
        raise PathsearchError(f"{config}: {_one_line(error)}") from error
    return validated(values, config), folder


def validated(values: Any, source: str) -> RunSettings:
    """Settings from plain values; raises PathsearchError with one line that names every key at fault."""
    try:
        return RunSettings.model_validate(values)
    except ValidationError as error:
        faults = {_key(fault["loc"]): _advice(fault) for fault in error.errors()}
        raise PathsearchError(f"{source}: " + "; ".join(f"{key}{text}" for key, text in faults.items())) from None


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
    file = Path(config)
    if file.suffix in (".yaml", ".yml") or file.is_file():
        if not file.is_file():
            raise PathsearchError(f"no configuration file {config}")
        return file.read_text(), file.resolve().parent
    if config not in builtin_configs():
        raise PathsearchError(
            f"no built-in configuration {config!r}: there are {', '.join(builtin_configs())}; "
            "a file of your own ends in .yaml"
        )
    return (resources.files("pathsearch") / "configs" / f"{config}.yaml").read_text(), Path.cwd()


def _switched(tree: Any, override: str) -> str:
    """Check an override's form; `method.name=…` drops the options of the kind it replaces."""
    key, equals, value = override.partition("=")
    if not equals or not key:
        raise PathsearchError(f"{override!r} is no override: write key=value, as in method.images=9")
    parts = key.split(".")
    if parts[-1] in ("name",) and len(parts) > 1:
        node = OmegaConf.select(tree, ".".join(parts[:-1]))
        if OmegaConf.is_dict(node) and node.get("name") != value:
            OmegaConf.update(tree, ".".join(parts[:-1]), {}, merge=False)
    return override


def _key(location: tuple[Any, ...]) -> str:
    # pydantic puts the kind of a union's member between the keys; users wrote only the keys
    kinds = {"neb", "string", "polygon", "bezier", "linear", "autoneb", "sgd", "adam", "fire", "lbfgs", "callable"}
    return ".".join(str(part) for i, part in enumerate(location) if i == 0 or part not in kinds)


def _advice(fault: Any) -> str:
    message = re.sub(r"\s+", " ", fault["msg"]).removeprefix("Value error, ")
    if fault["type"] == "extra_forbidden":
        return ": no such option"
    if fault["type"] == "missing":
        return " is needed"
    return f": {message}" if fault["loc"] else message


def _one_line(error: Exception) -> str:
    return re.sub(r"\s+", " ", str(error))
