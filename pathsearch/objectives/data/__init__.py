"""Data sets, read whole into tensors: a kind of data is one file and one member of the union here.

A kind is a class of settings with a `name`, `augment`, and `load(folder)`, which reads the data; relative file names
start from the working folder or from `folder`, the configuration's. Its file imports nothing heavy before `load`.
"""

from typing import TYPE_CHECKING, Annotated, Union

from pydantic import Field

from pathsearch.lazy import elsewhere
from pathsearch.objectives.data.custom import Custom
from pathsearch.objectives.data.digits import Digits
from pathsearch.objectives.data.folder import Folder
from pathsearch.objectives.data.moons import Moons
from pathsearch.objectives.data.random_images import RandomImages
from pathsearch.objectives.data.torchvision import Torchvision

if TYPE_CHECKING:
    from pathsearch.objectives.data.checks import checked as checked
    from pathsearch.objectives.data.reading import read as read
    from pathsearch.objectives.data.sets import Data as Data
    from pathsearch.objectives.data.sets import Split as Split

DataSettings = Annotated[Union[Digits, Moons, Torchvision, Folder, Custom, RandomImages], Field(discriminator="name")]

__getattr__ = elsewhere(__name__, {"checked": "checks", "read": "reading", "Data": "sets", "Split": "sets"})
