"""Names of a package that are imported when they are asked for: torch takes seconds, and not all need it."""

from collections.abc import Callable
from importlib import import_module
from typing import Any


def elsewhere(package: str, places: dict[str, str]) -> Callable[[str], Any]:
    """A package's `__getattr__`; `places`: a name, and the module of the package that has it."""

    def found(name: str) -> Any:
        if name not in places:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(f"{package}.{places[name]}"), name)

    return found
