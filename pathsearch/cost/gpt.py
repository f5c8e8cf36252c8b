"""A GPT of GPT-2's smallest size (Radford et al. 2019), on tokens drawn at random."""

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pathsearch.objectives import LossSettings, opening
from pathsearch.objectives.data import Data, Split
from pathsearch.objectives.network import NetworkObjective

VOCABULARY, POSITIONS, LAYERS, HEADS, WIDTH = 50_257, 1024, 12, 12, 768
CONTEXT, EXAMPLES = 64, 2
CPU = torch.device("cpu")


class Layer(nn.Module):
    """Causal attention and two layers on each token, both added to what they read."""

    def __init__(self) -> None:
        super().__init__()
        self.before, self.attention = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 3 * WIDTH)
        self.projection, self.between = nn.Linear(WIDTH, WIDTH), nn.LayerNorm(WIDTH)
        self.wide = nn.Sequential(nn.Linear(WIDTH, 4 * WIDTH), nn.GELU("tanh"), nn.Linear(4 * WIDTH, WIDTH))

    def forward(self, states: Tensor) -> Tensor:
        parts = self.attention(self.before(states)).chunk(3, dim=-1)
        query, key, value = (part.unflatten(-1, (HEADS, -1)).transpose(1, 2) for part in parts)
        seen = F.scaled_dot_product_attention(query, key, value, is_causal=True)
        states = states + self.projection(seen.transpose(1, 2).flatten(2))
        return states + self.wide(self.between(states))


class Gpt(nn.Module):
    """Token ids [b, T] -> logits [b, T, vocabulary], by the embedding's own weights."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens, self.positions = nn.Embedding(VOCABULARY, WIDTH), nn.Embedding(POSITIONS, WIDTH)
        nn.init.normal_(self.tokens.weight, std=0.02)
        self.layers, self.last = nn.Sequential(*(Layer() for _ in range(LAYERS))), nn.LayerNorm(WIDTH)

    def forward(self, ids: Tensor) -> Tensor:
        states = self.tokens(ids) + self.positions(torch.arange(ids.shape[1], device=ids.device))
        return F.linear(self.last(self.layers(states)), self.tokens.weight)


def size() -> int:
    """How many weights it has."""
    with torch.device("meta"):
        return sum(each.numel() for each in Gpt().parameters())


def tokens() -> Tensor:
    """Random ids [n, T + 1]."""
    return torch.randint(VOCABULARY, (EXAMPLES, CONTEXT + 1), generator=torch.Generator().manual_seed(0))


def opened() -> NetworkObjective:
    """Its loss, the next token's, on a CPU."""
    both = Split(tokens())
    options = LossSettings(loss="next_token", batch=1)
    return opening.network(options, opening.given(Gpt), Data(both, both, VOCABULARY), False, CPU, Path())


def once() -> None:
    """One plain forward and backward of the bare model."""
    model, ids = Gpt(), tokens()[:1]
    logits = model(ids)[:, :-1]
    F.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten()).backward()
