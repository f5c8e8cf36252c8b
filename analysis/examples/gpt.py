"""A GPT with tied embeddings on the source text of Python's standard library, byte by byte: tokens and perplexity."""

import sysconfig
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

DATA = Path(__file__).parent / "data"


class Block(nn.Module):
    """Causal attention and a layer on each token, both added to what they read."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads, self.before, self.between = heads, nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(self.before(x)).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        seen = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(seen.transpose(1, 2).flatten(2))
        return x + self.mlp(self.between(x))


class Gpt(nn.Module):
    """Ids [b, T] to logits [b, T, vocabulary]; an id is read and written by one table."""

    def __init__(self, vocabulary: int = 256, context: int = 64, width: int = 128, heads: int = 4, depth: int = 2):
        super().__init__()
        self.tokens, self.positions = nn.Embedding(vocabulary, width), nn.Embedding(context, width)
        self.blocks = nn.Sequential(*(Block(width, heads) for _ in range(depth)))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, vocabulary, bias=False)
        nn.init.normal_(self.tokens.weight, std=0.02)
        nn.init.normal_(self.positions.weight, std=0.02)
        self.head.weight = self.tokens.weight

    def forward(self, ids: Tensor) -> Tensor:
        places = torch.arange(ids.shape[1], device=ids.device)
        return self.head(self.norm(self.blocks(self.tokens(ids) + self.positions(places))))


def prepare(files: int | None = None) -> None:
    """Write the text as ids, one byte each: the first nine tenths for training."""
    sources = sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))[:files]
    text = b"".join(each.read_bytes() for each in sources)
    DATA.mkdir(exist_ok=True)
    (DATA / "text-train.bin").write_bytes(text[: len(text) * 9 // 10])
    (DATA / "text-test.bin").write_bytes(text[len(text) * 9 // 10 :])


if __name__ == "__main__":
    prepare()
