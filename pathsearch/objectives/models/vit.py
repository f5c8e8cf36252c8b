"""A small vision transformer."""

import torch
from torch import Tensor, nn

from pathsearch.errors import PathsearchError
from pathsearch.objectives.models.layers import Attention, refuse_none, refuse_small


class Vit(nn.Module):
    """Pictures in square patches, read off at a token that comes before them (Dosovitskiy et al. 2021)."""

    def __init__(
        self, shape: tuple[int, ...], outputs: int, patch: int = 4, width: int = 128, depth: int = 6, heads: int = 4
    ) -> None:
        super().__init__()
        refuse_none("vit", patch=patch, heads=heads)
        refuse_small("vit", shape, patch)
        if any(side % patch for side in shape[1:]) or width % heads:
            raise PathsearchError(
                f"vit: patches of {patch} pixels are to divide pictures of {shape[1]} × {shape[2]}, and {heads} heads "
                f"a width of {width}: set objective.model.args.patch, width or heads"
            )
        self.patches = nn.Conv2d(shape[0], width, patch, patch)
        self.first = nn.Parameter(torch.zeros(1, 1, width))
        count = (shape[1] // patch) * (shape[2] // patch)
        self.places = nn.Parameter(0.02 * torch.randn(1, 1 + count, width))
        self.blocks = nn.Sequential(*(Attention(width, heads, causal=False) for _ in range(depth)))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, outputs)

    def forward(self, x: Tensor) -> Tensor:
        patches = self.patches(x).flatten(2).transpose(1, 2)  # [b, patches, width]
        tokens = torch.cat([self.first.expand(len(x), -1, -1), patches], dim=1) + self.places
        return self.head(self.norm(self.blocks(tokens))[:, 0])
