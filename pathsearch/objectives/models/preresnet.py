"""Residual networks with norm and nonlinearity before convolutions."""

from functools import partial

import torch
from torch import Tensor, nn

from pathsearch.objectives.models.layers import padded, refuse_none, refuse_small


class PreResNet(nn.Module):
    """Pre-activation networks for small pictures of bottlenecks (He et al. 2016b), of depth 9·blocks + 2.

    As Garipov et al. (2018) have them: the stem has no norm, and the first block of each stage adds a 1 × 1
    convolution of what it is given, without a norm: PreResNet-164 has 1,703,258 weights for ten classes.
    """

    def __init__(self, shape: tuple[int, ...], outputs: int, blocks: int = 18, width: int = 16) -> None:
        super().__init__()
        refuse_none("preresnet", blocks=blocks)
        refuse_small(f"preresnet{9 * blocks + 2}", shape, 4)
        self.stem = padded(shape[0], width)
        widths = [width * 2**stage for stage in range(3) for _ in range(blocks)]
        inputs = [width, *(4 * each for each in widths)]
        firsts = [n % blocks == 0 for n in range(len(widths))]
        strides = [2 if first and n else 1 for n, first in enumerate(firsts)]
        self.blocks = nn.Sequential(*(_Bottleneck(*each) for each in zip(inputs, widths, strides, firsts)))
        self.norm, self.head = nn.BatchNorm2d(16 * width), nn.Linear(16 * width, outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.relu(self.norm(self.blocks(self.stem(x)))).mean(dim=(2, 3)))


class _Bottleneck(nn.Module):
    def __init__(self, inputs: int, width: int, stride: int, first: bool) -> None:
        super().__init__()
        ends = ((inputs, width, 1, 1), (width, width, 3, stride), (width, 4 * width, 1, 1))
        parts: list[nn.Module] = []
        for before, after, kernel, step in ends:
            parts += [nn.BatchNorm2d(before), nn.ReLU(), padded(before, after, kernel, step)]
        self.residual = nn.Sequential(*parts)
        self.shortcut = padded(inputs, 4 * width, 1, stride) if first else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.residual(x) + self.shortcut(x)


preresnet110 = partial(PreResNet, blocks=12)
preresnet164 = partial(PreResNet, blocks=18)
