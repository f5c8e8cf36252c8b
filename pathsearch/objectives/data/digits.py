"""Handwritten digits that come with scikit-learn."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from pathsearch.settings import Settings

if TYPE_CHECKING:
    from pathsearch.objectives.data.sets import Data


class Digits(Settings):
    """1,797 handwritten digits of 8 × 8 pixels (scikit-learn); every fifth one is for testing."""

    name: Literal["digits"] = "digits"
    augment: bool = Field(False, description="random crop after padding by 4, and random flip")

    def load(self, folder: Path = Path(), room: float = float("inf")) -> Data:
        import torch
        from sklearn.datasets import load_digits

        from pathsearch.objectives.data.sets import every_fifth

        digits = load_digits()
        inputs = torch.tensor(digits.images / 16.0, dtype=torch.float32)[:, None]
        return every_fifth(inputs, torch.tensor(digits.target, dtype=torch.int64), 10)
