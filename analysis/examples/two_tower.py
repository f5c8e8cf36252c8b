"""Two encoders that learn which left half of a digit belongs to which right half: a contrastive loss of one's own.

What a pair costs depends on the pairs that lie beside it in its batch. Measuring goes through the data in chunks, so
`measure.chunk` is the size of the mini-batches here: the loss along the path is then of the kind that was trained (the
last chunk is smaller, and easier). For the same reason such a loss wants no `micro_batch`, which would take it apart.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Batch = tuple[Tensor, Tensor]


def encoder(width: int, outputs: int) -> nn.Module:
    """Halves [n, 1, 8, 4] to vectors [n, outputs]."""
    return nn.Sequential(nn.Flatten(), nn.Linear(32, width), nn.ReLU(), nn.Linear(width, outputs))


class TwoTower(nn.Module):
    """An encoder for either side, whose outputs are compared by their angle."""

    def __init__(self, width: int = 128, outputs: int = 32) -> None:
        super().__init__()
        self.left, self.right = encoder(width, outputs), encoder(width, outputs)
        self.sharpness = nn.Parameter(torch.tensor(2.0))

    def forward(self, left: Tensor, right: Tensor) -> Tensor:
        """How well each left half [n] goes with each right half [n]."""
        one, other = F.normalize(self.left(left), dim=1), F.normalize(self.right(right), dim=1)
        return self.sharpness.exp() * one @ other.T


def halves(batch: Batch) -> Batch:
    """Digits [n, 1, 8, 8], cut through from top to bottom; their classes are not looked at."""
    images, _ = batch
    return images[..., :4], images[..., 4:]


def info_nce(model: nn.Module, batch: Batch) -> tuple[Tensor, int]:
    """Cross-entropy of the right partner, from left to right and from right to left."""
    scores = model(*halves(batch))
    own = torch.arange(len(scores), device=scores.device)
    both = F.cross_entropy(scores, own, reduction="sum") + F.cross_entropy(scores.T, own, reduction="sum")
    return both / 2, len(scores)


def found(model: nn.Module, batch: Batch) -> tuple[Any, int]:
    """How many left halves find their right half first."""
    scores = model(*halves(batch))
    return (scores.argmax(dim=1) == torch.arange(len(scores), device=scores.device)).sum(), len(scores)


found.higher_is_better = True  # type: ignore[attr-defined]
