"""Holders own the vectors: the same verbs in this process or, later, on many machines."""

from pathsearch.holders.protocol import Holder
from pathsearch.holders.serial import SerialHolder

__all__ = ["Holder", "SerialHolder"]
