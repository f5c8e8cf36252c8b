"""Data sets, read whole into tensors; a kind of data is one class and one entry of the union here.

Their declarations import nothing heavy, as those of `objectives`.
"""

from typing import TYPE_CHECKING, Annotated, Union

from pydantic import Field

from pathsearch.lazy import elsewhere
from pathsearch.objectives.data.builtin import Digits, Moons, RandomImages, Torchvision
from pathsearch.objectives.data.custom import Custom
from pathsearch.objectives.data.folder import Folder

if TYPE_CHECKING:
    from pathsearch.objectives.data.checks import checked
    from pathsearch.objectives.data.reading import read
    from pathsearch.objectives.data.sets import Data, Split

DataSettings = Annotated[Union[Digits, Moons, Torchvision, Folder, Custom, RandomImages], Field(discriminator="name")]

__all__ = [
    "Custom",
    "Data",
    "DataSettings",
    "Digits",
    "Folder",
    "Moons",
    "RandomImages",
    "Split",
    "Torchvision",
    "checked",
    "read",
]

__getattr__ = elsewhere(__name__, {"checked": "checks", "read": "reading", "Data": "sets", "Split": "sets"})
