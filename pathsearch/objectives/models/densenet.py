"""Densely connected networks."""

from functools import partial

import torch
from torch import Tensor, nn

from pathsearch.errors import PathsearchError
from pathsearch.objectives.models.layers import drawn_by_inputs, refuse_small


class DenseNet(nn.Sequential):
    """Three blocks of layers, each of which sees the outputs of all before it (Huang et al. 2017).

    As Draxler et al. (2018) have it: the stem has twice `growth` channels, and weights begin as N(0, 1/fan-in):
    DenseNet-40-12 has 1,059,298 of them for ten classes. bottleneck: a 1 × 1 convolution before each of 3 × 3, and
    half of the channels left between blocks (BC).
    """

    def __init__(
        self, shape: tuple[int, ...], outputs: int, depth: int = 40, growth: int = 12, bottleneck: bool = False
    ) -> None:
        refuse_small(f"densenet{depth}-{growth}", shape, 4)
        each = 6 if bottleneck else 3  # convolutions of all three blocks, beside four others
        layers, rest = divmod(depth - 4, each)
        if layers < 1 or rest or growth < 1:
            raise PathsearchError(
                f"densenet: a depth of {depth} and a growth of {growth} make no network: depth is 4 + {each}·n, "
                "growth at least 1"
            )
        channels = 2 * growth
        body: list[nn.Module] = [_conv(shape[0], channels, 3)]
        for block in range(3):
            body += [_Dense(channels + n * growth, growth, bottleneck) for n in range(layers)]
            channels += layers * growth
            body += [nn.BatchNorm2d(channels), nn.ReLU()]
            if block < 2:
                fewer = channels // 2 if bottleneck else channels
                body += [_conv(channels, fewer, 1), nn.AvgPool2d(2)]
                channels = fewer
        super().__init__(*body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, outputs))
        drawn_by_inputs(self)


class _Dense(nn.Module):
    def __init__(self, inputs: int, growth: int, bottleneck: bool) -> None:
        super().__init__()
        inner = 4 * growth if bottleneck else inputs
        first = [nn.BatchNorm2d(inputs), nn.ReLU(), _conv(inputs, inner, 1)] if bottleneck else []
        self.layer = nn.Sequential(*first, nn.BatchNorm2d(inner), nn.ReLU(), _conv(inner, growth, 3))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, self.layer(x)], 1)


def _conv(inputs: int, outputs: int, kernel: int) -> nn.Module:
    return nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False)


densenet40 = partial(DenseNet, depth=40)
densenet100_bc = partial(DenseNet, depth=100, bottleneck=True)
