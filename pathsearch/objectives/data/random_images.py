"""Noise in the shape of pictures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from pathsearch.settings import Settings

if TYPE_CHECKING:
    from pathsearch.objectives.data.sets import Data


class RandomImages(Settings):
    """Noise with random classes, for benchmarks: the speed of a real data set without its files."""

    name: Literal["random"] = "random"
    shape: tuple[int, int, int] = Field((3, 32, 32), description="channels, height and width")
    classes: int = Field(10, ge=2, description="as many as there are outputs")
    examples: int = Field(2000, ge=2, description="of training and test set together")
    augment: bool = Field(False, description="random crop after padding by 4, and random flip")

    def load(self, folder: Path = Path(), room: float = float("inf")) -> Data:
        import torch

        from pathsearch.objectives.data.sets import every_fifth

        generator = torch.Generator().manual_seed(0)
        images = torch.randint(0, 256, (self.examples, *self.shape), generator=generator, dtype=torch.uint8)
        targets = torch.randint(0, self.classes, (self.examples,), generator=generator)
        return every_fifth(images, targets, self.classes)
