"""Wide residual networks."""

import torch
from torch import Tensor, nn

from pathsearch.objectives.models.layers import refuse_small


class WideResNet(nn.Module):
    """Wide residual networks of depth 6·blocks + 4 (Zagoruyko & Komodakis 2016): WRN-28-10.

    As Garipov et al. (2018) have it: convolutions have biases, the second of a block has the stride, and the last norm
    has a momentum of 0.9: 36,489,290 weights for ten classes.
    """

    def __init__(
        self, shape: tuple[int, ...], outputs: int, blocks: int = 4, factor: int = 10, width: int = 16
    ) -> None:
        super().__init__()
        refuse_small(f"wrn{6 * blocks + 4}-{factor}", shape, 4)
        self.stem = nn.Conv2d(shape[0], width, 3, padding=1)
        widths = [factor * width * 2**stage for stage in range(3) for _ in range(blocks)]
        strides = [2 if n and n % blocks == 0 else 1 for n in range(len(widths))]
        self.blocks = nn.Sequential(*(_Wide(*each) for each in zip([width, *widths], widths, strides)))
        self.norm, self.head = nn.BatchNorm2d(widths[-1], momentum=0.9), nn.Linear(widths[-1], outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.relu(self.norm(self.blocks(self.stem(x)))).mean(dim=(2, 3)))


class _Wide(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        first, second = nn.Conv2d(inputs, outputs, 3, padding=1), nn.Conv2d(outputs, outputs, 3, stride, padding=1)
        norms = nn.BatchNorm2d(inputs), nn.BatchNorm2d(outputs)
        self.residual = nn.Sequential(norms[0], nn.ReLU(), first, norms[1], nn.ReLU(), second)
        same = inputs == outputs and stride == 1
        self.shortcut = nn.Identity() if same else nn.Conv2d(inputs, outputs, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        return self.residual(x) + self.shortcut(x)
