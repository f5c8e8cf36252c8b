"""Holders own the vectors: the same verbs in this process or on many machines. One line a kind in the table."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING

from pathsearch.errors import needed
from pathsearch.holders.settings import HOLDERS, HolderSettings
from pathsearch.lazy import elsewhere

if TYPE_CHECKING:
    from pathsearch.holders.protocol import Holder
    from pathsearch.holders.serial import SerialHolder
    from pathsearch.objectives.protocol import Objective

Make = Callable[[], "Objective"]
Log = Callable[[str], None]


def opened(settings: HolderSettings, objective: Objective, make: Make, log: Log) -> Holder:
    """The holder of the kind that settings name, which is not auto; raises PathsearchError where it cannot be had.

    `objective` is this process's own; `make` makes one elsewhere and is pickled there; `log` hears what happens.
    """
    with needed(settings.name, f"holder={settings.name}"):
        module = import_module(HOLDERS[settings.name])
    holder: Holder = module.opened(settings, objective, make, log)
    return holder


__all__ = ["Holder", "HolderSettings", "SerialHolder", "opened"]

__getattr__ = elsewhere(__name__, {"Holder": "protocol", "SerialHolder": "serial"})
