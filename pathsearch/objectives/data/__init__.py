"""Data sets, read whole into tensors; a kind of data is one class and one entry of the union here."""

from typing import Annotated, Union

from pydantic import Field

from pathsearch.objectives.data.builtin import Digits, Moons, RandomImages, Torchvision
from pathsearch.objectives.data.checks import checked
from pathsearch.objectives.data.custom import Custom, read
from pathsearch.objectives.data.folder import Folder
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
