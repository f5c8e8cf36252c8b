"""Built-in networks: a model is one class and one line of the table.

Every constructor takes `shape` (of one input, no batch), `outputs` and `norm` (batch norm or none).
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn


class Mlp(nn.Sequential):
    """Linear layers with ReLU between them."""

    def __init__(
        self, shape: tuple[int, ...], outputs: int, norm: bool = False, width: int = 64, depth: int = 2
    ) -> None:
        layers: list[nn.Module] = [nn.Flatten()]
        inputs = int(torch.tensor(shape).prod())
        for _ in range(depth):
            layers += [nn.Linear(inputs, width), *([nn.BatchNorm1d(width)] if norm else []), nn.ReLU()]
            inputs = width
        super().__init__(*layers, nn.Linear(inputs, outputs))


class SmallCnn(nn.Sequential):
    """Two 3 × 3 convolutions with pooling, an average over quarters, one linear layer."""

    def __init__(self, shape: tuple[int, ...], outputs: int, norm: bool = True, width: int = 16) -> None:
        super().__init__(
            *_convolution(shape[0], width, norm=norm),
            nn.ReLU(),
            nn.MaxPool2d(2),
            *_convolution(width, 2 * width, norm=norm),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
            nn.Linear(8 * width, outputs),
        )


class CifarResNet(nn.Module):
    """The CIFAR residual networks of He et al. (2016), section 4.2, of depth 6·blocks + 2.

    Shortcuts that change shape are 1 × 1 convolutions, as in Draxler et al. (2018): ResNet-20 on ten classes then
    has 272,474 weights (their 274,042 counts 1,568 batch-norm buffers too). Without batch norm the last convolution
    of each block starts at zero (Zhang et al. 2019), or deep ones would not train.
    """

    def __init__(self, shape: tuple[int, ...], outputs: int, norm: bool = True, blocks: int = 3) -> None:
        super().__init__()
        self.stem = nn.Sequential(*_convolution(shape[0], 16, norm=norm), nn.ReLU())
        widths = [16] * blocks + [32] * blocks + [64] * blocks
        self.blocks = nn.Sequential(*(_Block(a, b, norm) for a, b in zip([16, *widths], widths)))
        self.head = nn.Linear(64, outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.blocks(self.stem(x)).mean(dim=(2, 3)))


class _Block(nn.Module):
    def __init__(self, inputs: int, outputs: int, norm: bool) -> None:
        super().__init__()
        stride = 1 if inputs == outputs else 2
        last = _convolution(outputs, outputs, norm=norm)
        if not norm:
            nn.init.zeros_(next(last[0].parameters()))
        self.residual = nn.Sequential(*_convolution(inputs, outputs, stride=stride, norm=norm), nn.ReLU(), *last)
        shortcut = _convolution(inputs, outputs, kernel=1, stride=stride, norm=norm) if stride == 2 else []
        self.shortcut = nn.Sequential(*shortcut)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.residual(x) + self.shortcut(x))


def _convolution(inputs: int, outputs: int, kernel: int = 3, stride: int = 1, norm: bool = True) -> list[nn.Module]:
    layer = nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=not norm)
    nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
    return [layer, nn.BatchNorm2d(outputs)] if norm else [layer]


MODELS: dict[str, Callable[..., Any]] = {
    "mlp": Mlp,
    "cnn": SmallCnn,
    "resnet8": partial(CifarResNet, blocks=1),
    "resnet20": partial(CifarResNet, blocks=3),
    "resnet32": partial(CifarResNet, blocks=5),
    "resnet44": partial(CifarResNet, blocks=7),
    "resnet56": partial(CifarResNet, blocks=9),
}
