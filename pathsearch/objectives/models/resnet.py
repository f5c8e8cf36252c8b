"""Residual networks for small pictures."""

from functools import partial

import torch
from torch import Tensor, nn

from pathsearch.objectives.models.layers import convolution


class CifarResNet(nn.Module):
    """The CIFAR residual networks of He et al. (2016), section 4.2, of depth 6·blocks + 2.

    Shortcuts that change shape are 1 × 1 convolutions, as in Draxler et al. (2018): ResNet-20 on ten classes then
    has 272,474 weights (their 274,042 counts 1,568 batch-norm buffers too). Without batch norm the last convolution
    of each block starts at zero (Zhang et al. 2019), or deep ones would not train. width: how many times as wide;
    shortcut: the kernel's side, 3 in the networks of Ainsworth et al. (2023) and Jordan et al. (2023).
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        outputs: int,
        norm: bool = True,
        width: int = 1,
        blocks: int = 3,
        shortcut: int = 1,
    ) -> None:
        super().__init__()
        first = 16 * width
        self.stem = nn.Sequential(*convolution(shape[0], first, norm=norm), nn.ReLU())
        widths = [first] * blocks + [2 * first] * blocks + [4 * first] * blocks
        self.blocks = nn.Sequential(*(_Block(a, b, norm, shortcut) for a, b in zip([first, *widths], widths)))
        self.head = nn.Linear(4 * first, outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.blocks(self.stem(x)).mean(dim=(2, 3)))


class _Block(nn.Module):
    def __init__(self, inputs: int, outputs: int, norm: bool, kernel: int) -> None:
        super().__init__()
        stride = 1 if inputs == outputs else 2
        last = convolution(outputs, outputs, norm=norm)
        if not norm:
            nn.init.zeros_(next(last[0].parameters()))
        self.residual = nn.Sequential(*convolution(inputs, outputs, stride=stride, norm=norm), nn.ReLU(), *last)
        shortcut = convolution(inputs, outputs, kernel, stride, norm) if stride == 2 else []
        self.shortcut = nn.Sequential(*shortcut)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.residual(x) + self.shortcut(x))


resnet8 = partial(CifarResNet, blocks=1)
resnet20 = partial(CifarResNet, blocks=3)
resnet32 = partial(CifarResNet, blocks=5)
resnet44 = partial(CifarResNet, blocks=7)
resnet56 = partial(CifarResNet, blocks=9)
resnet20_3x3 = partial(CifarResNet, blocks=3, shortcut=3)
