"""Half moons that scikit-learn makes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from pathsearch.settings import Settings

if TYPE_CHECKING:
    from pathsearch.objectives.data.sets import Data


class Moons(Settings):
    """Two interleaving half moons in the plane (scikit-learn); every fifth point is for testing."""

    name: Literal["moons"] = "moons"
    points: int = Field(1000, ge=10, description="of both moons")
    noise: float = Field(0.1, ge=0, description="standard deviation added to every coordinate")
    seed: int = Field(0, description="of the noise")
    augment: bool = Field(False, description="for images only")

    def load(self, folder: Path = Path(), room: float = float("inf")) -> Data:
        import torch
        from sklearn.datasets import make_moons

        from pathsearch.objectives.data.sets import every_fifth

        inputs, targets = make_moons(self.points, noise=self.noise, random_state=self.seed)
        return every_fifth(torch.tensor(inputs, dtype=torch.float32), torch.tensor(targets, dtype=torch.int64), 2)
