"""Data sets, held in memory or read when they are wanted: a kind of data is one file and one member of the union here.

A kind is a class of settings with a `name`, `augment`, and `load(folder, room)`, which opens the data; relative file
names start from the working folder or from `folder`, the configuration's. What takes more bytes than `room` becomes a
source, where the kind has one. A kind's file imports nothing heavy before `load`.
"""

from typing import TYPE_CHECKING, Annotated, Union

from pydantic import Field

from pathsearch.lazy import elsewhere
from pathsearch.objectives.data.custom import Custom
from pathsearch.objectives.data.digits import Digits
from pathsearch.objectives.data.folder import Folder
from pathsearch.objectives.data.generated import Generated
from pathsearch.objectives.data.moons import Moons
from pathsearch.objectives.data.random_images import RandomImages
from pathsearch.objectives.data.tokens import Tokens
from pathsearch.objectives.data.torchvision import Torchvision

if TYPE_CHECKING:
    from pathsearch.objectives.data.checks import checked as checked
    from pathsearch.objectives.data.sets import Data as Data
    from pathsearch.objectives.data.sets import Split as Split

DataSettings = Annotated[
    Union[Digits, Moons, Torchvision, Folder, Custom, Tokens, Generated, RandomImages], Field(discriminator="name")
]

__getattr__ = elsewhere(__name__, {"checked": "checks", "Data": "sets", "Split": "sets"})
