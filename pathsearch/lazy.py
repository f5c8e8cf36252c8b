"""Names that are imported when they are asked for: torch takes seconds to import, and not all commands need it."""

from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from typing import Any


def elsewhere(package: str, places: dict[str, str]) -> Callable[[str], Any]:
    """A package's `__getattr__`; `places`: a name, and the module of the package that has it."""

    def found(name: str) -> Any:
        if name not in places:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(f"{package}.{places[name]}"), name)

    return found


class Table(Mapping[str, Any]):
    """Objects of a package by names for users; `places`: a name, and `module:object` below the package.

    The names are known at once. An object's module is imported when the object is asked for.
    """

    def __init__(self, package: str, places: dict[str, str]) -> None:
        self._package, self._places = package, places

    def __getitem__(self, name: str) -> Any:
        module, _, attribute = self._places[name].partition(":")
        return getattr(import_module(f"{self._package}.{module}"), attribute)

    def __contains__(self, name: object) -> bool:
        return name in self._places  # Mapping's own would import the module

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)
