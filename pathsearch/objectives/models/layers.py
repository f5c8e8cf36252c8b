"""Layers that several built-in networks have."""

import torch.nn.functional as F
from torch import Tensor, nn

from pathsearch.errors import PathsearchError


def padded(inputs: int, outputs: int, kernel: int = 3, stride: int = 1, bias: bool = False) -> nn.Conv2d:
    """A padded convolution with He's initial weights, of variance 2/fan-out."""
    layer = nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=bias)
    nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
    return layer


def convolution(inputs: int, outputs: int, kernel: int = 3, stride: int = 1, norm: bool = True) -> list[nn.Module]:
    """A padded convolution, and batch norm or a bias."""
    layer = padded(inputs, outputs, kernel, stride, bias=not norm)
    return [layer, nn.BatchNorm2d(outputs)] if norm else [layer]


def drawn_by_inputs(module: nn.Module) -> None:
    """Initial weights of convolutions and linear layers as PyTorch-AutoNEB has them: N(0, 1/fan-in), biases 0."""
    for part in module.modules():
        if isinstance(part, (nn.Conv2d, nn.Linear)):
            nn.init.kaiming_normal_(part.weight, nonlinearity="linear")
            if part.bias is not None:
                nn.init.zeros_(part.bias)


def refuse_small(name: str, shape: tuple[int, ...], side: int) -> None:
    """Raise PathsearchError unless inputs of a shape are pictures whose sides have so many pixels."""
    if len(shape) != 3 or min(shape[1:]) < side:
        raise PathsearchError(
            f"{name} takes pictures of at least {side} × {side}, the data's inputs have shape {shape}: name another "
            "network, or resize them (objective.data.size of a folder)"
        )


def refuse_none(name: str, **counts: int) -> None:
    """Raise PathsearchError where a network is to have none of something."""
    for what, count in counts.items():
        if count < 1:
            raise PathsearchError(f"{name} has at least one of {what}, not {count}: set objective.model.args.{what}")


class Attention(nn.Module):
    """A transformer's layer on tokens [b, T, width]: attention, then a layer on each token, both added to what they
    read, with layer norm before each (Radford et al. 2019). causal: whether a token sees those before it only."""

    def __init__(self, width: int, heads: int, causal: bool) -> None:
        super().__init__()
        self.heads, self.causal = heads, causal
        self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = self.qkv(self.before(x)).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        seen = F.scaled_dot_product_attention(query, key, value, is_causal=self.causal)
        x = x + self.out(seen.transpose(1, 2).flatten(2))
        return x + self.down(F.gelu(self.up(self.between(x))))
