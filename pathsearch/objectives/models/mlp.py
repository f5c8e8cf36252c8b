"""Fully connected networks."""

from math import prod

from torch import nn


class Mlp(nn.Sequential):
    """Linear layers with ReLU between them."""

    def __init__(
        self, shape: tuple[int, ...], outputs: int, norm: bool = False, width: int = 64, depth: int = 2
    ) -> None:
        layers: list[nn.Module] = [nn.Flatten()]
        inputs = prod(shape)
        for _ in range(depth):
            layers += [nn.Linear(inputs, width), *([nn.BatchNorm1d(width)] if norm else []), nn.ReLU()]
            inputs = width
        super().__init__(*layers, nn.Linear(inputs, outputs))
