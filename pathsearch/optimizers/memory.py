"""What an optimiser or a method remembers from one step to the next."""

from typing import Any

Memory = dict[str, Any]
"""Plain numbers, strings and lists, so that JSON keeps it exactly. Vectors are not in it: holders have those."""
