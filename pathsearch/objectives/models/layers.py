"""Layers that several built-in networks have."""

from torch import nn


def convolution(inputs: int, outputs: int, kernel: int = 3, stride: int = 1, norm: bool = True) -> list[nn.Module]:
    """A padded convolution with He's initial weights, and batch norm or a bias."""
    layer = nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=not norm)
    nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
    return [layer, nn.BatchNorm2d(outputs)] if norm else [layer]
