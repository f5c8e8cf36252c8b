"""A small language model."""

import torch
from torch import Tensor, nn

from pathsearch.errors import PathsearchError
from pathsearch.objectives.models.layers import Attention, refuse_none


class Gpt(nn.Module):
    """Ids [b, T] to logits [b, T, outputs]; an id is read and written by one table (Radford et al. 2019)."""

    def __init__(self, shape: tuple[int, ...], outputs: int, width: int = 128, depth: int = 4, heads: int = 4) -> None:
        super().__init__()
        refuse_none("gpt", heads=heads)
        if len(shape) != 1 or width % heads:
            raise PathsearchError(
                f"gpt takes windows of token ids, and a width that its heads divide; here inputs have shape {shape}, "
                f"the width is {width}, heads are {heads}"
            )
        self.tokens, self.positions = nn.Embedding(outputs, width), nn.Embedding(shape[0], width)
        self.blocks = nn.Sequential(*(Attention(width, heads, causal=True) for _ in range(depth)))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, outputs, bias=False)
        for each in (self.tokens, self.positions):
            nn.init.normal_(each.weight, std=0.02)
        self.head.weight = self.tokens.weight

    def forward(self, ids: Tensor) -> Tensor:
        if ids.is_floating_point():
            raise PathsearchError(
                "gpt takes token ids, which are whole numbers, and the inputs here are real ones: name data of tokens, "
                "or another network"
            )
        places = torch.arange(ids.shape[1], device=ids.device)
        return self.head(self.norm(self.blocks(self.tokens(ids) + self.positions(places))))
