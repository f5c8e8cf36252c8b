"""Networks whose groups of units are known, to try alignment on: of the papers' sizes, and small ones of each kind."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
import torchvision.models as published
from torch import Tensor, nn

from pathsearch.objectives.models import MODELS

PICTURES, TOKENS, WORDS = (2, 3, 32, 32), (2, 6), 11


@dataclass(frozen=True)
class Architecture:
    """What makes a network; `inputs`: their shape, of token ids where there are two; `groups`: how many it has."""

    make: Callable[[], nn.Module]
    inputs: tuple[int, ...]
    groups: int


def norm(channels: int) -> nn.Module:
    """Batch norm of pictures."""
    return nn.BatchNorm2d(channels)


def conv(inputs: int, outputs: int, kernel: int = 3, stride: int = 1, groups: int = 1) -> nn.Module:
    """A convolution that keeps the size, without a bias."""
    return nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)


def mlp(*hidden: int) -> nn.Module:
    """Layers of these widths between 8 inputs and 3 outputs."""
    widths = (8, *hidden)
    layers = [layer for pair in pairwise(widths) for layer in (nn.Linear(*pair), nn.ReLU())]
    return nn.Sequential(*layers, nn.Linear(widths[-1], 3))


class Padded(nn.Module):
    """A residual block whose shortcut takes every other place and pads channels on both sides (option A)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.stride, self.more = (1, 0) if inputs == outputs else (2, (outputs - inputs) // 2)
        self.first, self.second = conv(inputs, outputs, stride=self.stride), conv(outputs, outputs)
        self.norms = nn.ModuleList([norm(outputs), norm(outputs)])

    def forward(self, x: Tensor) -> Tensor:
        change = self.norms[1](self.second(F.relu(self.norms[0](self.first(x)))))
        short = x[:, :, :: self.stride, :: self.stride]
        return F.relu(change + F.pad(short, (0, 0, 0, 0, self.more, self.more)))


def resnet_a(blocks: int, width: int = 16) -> nn.Module:
    """The residual network of pictures of 32 × 32, with option A (He et al. 2016)."""
    widths = [width] * blocks + [2 * width] * blocks + [4 * width] * blocks
    body = [Padded(a, b) for a, b in zip([width, *widths], widths)]
    stem = [conv(3, width), norm(width), nn.ReLU()]
    return nn.Sequential(*stem, *body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4 * width, 10))


def grouped() -> nn.Module:
    """A convolution in groups and one in as many groups as channels, a group norm, and a flattened end."""
    first = [conv(3, 8, 1), norm(8), nn.ReLU(), conv(8, 12, groups=4), nn.GroupNorm(4, 12), nn.ReLU()]
    second = [conv(12, 6), nn.ReLU(), conv(6, 12, groups=6), norm(12), nn.ReLU(), conv(12, 5, 1), nn.ReLU()]
    return nn.Sequential(*first, *second, nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(20, 3))


class Gpt(nn.Module):
    """A small GPT: fused queries, keys and values, and outputs by the embedding's own weights (Radford et al. 2019)."""

    def __init__(self, width: int = 16, heads: int = 2, layers: int = 2) -> None:
        super().__init__()
        self.heads = heads
        self.tokens, self.positions = nn.Embedding(WORDS, width), nn.Embedding(TOKENS[1], width)
        parts = lambda: [nn.LayerNorm(width), nn.Linear(width, 3 * width), nn.Linear(width, width), nn.LayerNorm(width)]
        wide = lambda: [nn.Linear(width, 2 * width), nn.Linear(2 * width, width)]
        self.layers = nn.ModuleList(nn.ModuleList([*parts(), *wide()]) for _ in range(layers))
        self.last = nn.LayerNorm(width)

    def forward(self, ids: Tensor) -> Tensor:
        x = self.tokens(ids) + self.positions(torch.arange(ids.shape[1], device=ids.device))
        for layer in self.layers:
            before, fused, out, between, up, down = layer.children()
            parts = fused(before(x)).split(x.shape[-1], dim=2)
            query, key, value = (each.view(*ids.shape, self.heads, -1).transpose(1, 2) for each in parts)
            seen = F.scaled_dot_product_attention(query, key, value, is_causal=True)
            x = x + out(seen.transpose(1, 2).contiguous().view_as(x))
            x = x + down(F.gelu(up(between(x))))
        return F.linear(self.last(x), self.tokens.weight)


def vit() -> nn.Module:
    """A small vision transformer of torchvision's."""
    return published.VisionTransformer(32, 8, 2, 2, 16, 32, num_classes=5)


def own(name: str, shape: tuple[int, ...] = PICTURES[1:], **changes: Any) -> nn.Module:
    """One of this program's own."""
    found: nn.Module = MODELS[name](shape, 10, **changes)
    return found


SMALL: dict[str, Architecture] = {
    "MLP, 1 hidden layer": Architecture(partial(mlp, 6), (4, 8), 1),
    "MLP, 3 hidden layers": Architecture(partial(mlp, 6, 5, 7), (4, 8), 3),
    "CNN with flatten": Architecture(partial(own, "cnn", (1, 8, 8)), (2, 1, 8, 8), 2),
    "VGG": Architecture(partial(own, "vgg16", blocks=((4, 5), (6,)), hidden=7), PICTURES, 5),
    "ResNet, option B": Architecture(partial(own, "resnet8"), PICTURES, 6),
    "ResNet, option A": Architecture(partial(resnet_a, 1, 4), PICTURES, 8),
    "PreResNet, bottleneck": Architecture(partial(own, "preresnet164", blocks=2, width=2), PICTURES, 16),
    "WRN": Architecture(partial(own, "wrn28-10", blocks=2, factor=2, width=3), PICTURES, 10),
    "DenseNet": Architecture(partial(own, "densenet40-12", depth=10, growth=3), PICTURES, 9),
    "DenseNet-BC": Architecture(partial(own, "densenet100-12-bc", depth=16, growth=2), PICTURES, 15),
    "grouped and depthwise CNN": Architecture(grouped, PICTURES, 6),
    "ViT": Architecture(vit, PICTURES, 9),
    "GPT, tied, fused": Architecture(Gpt, TOKENS, 9),
}
"""A small one of each kind, with all its groups, inner ones among them."""

PUBLISHED: dict[str, Architecture] = {
    "resnet18": Architecture(published.resnet18, (2, 3, 64, 64), 12),
    "mobilenet_v2": Architecture(published.mobilenet_v2, (2, 3, 64, 64), 25),
    "densenet121": Architecture(published.densenet121, (2, 3, 64, 64), 120),
    "shufflenet_v2_x0_5": Architecture(published.shufflenet_v2_x0_5, (2, 3, 64, 64), 30),
    "vit": Architecture(partial(published.VisionTransformer, 64, 16, 12, 3, 192, 768), (2, 3, 64, 64), 49),
}
"""torchvision's; of its vision transformers a small one: a hundred times the smallest it names would take hours."""

LARGE: dict[str, Architecture] = {
    "VGG16": Architecture(partial(own, "vgg16"), PICTURES, 15),
    "VGG19": Architecture(partial(own, "vgg19"), PICTURES, 18),
    "ResNet-8": Architecture(partial(own, "resnet8"), PICTURES, 6),
    "ResNet-20": Architecture(partial(own, "resnet20"), PICTURES, 12),
    "ResNet-32": Architecture(partial(own, "resnet32"), PICTURES, 18),
    "ResNet-44": Architecture(partial(own, "resnet44"), PICTURES, 24),
    "ResNet-56": Architecture(partial(own, "resnet56"), PICTURES, 30),
    "ResNet-20, option A": Architecture(partial(resnet_a, 3), PICTURES, 14),
    "PreResNet-110": Architecture(partial(own, "preresnet110"), PICTURES, 76),
    "PreResNet-164": Architecture(partial(own, "preresnet164"), PICTURES, 112),
    "WRN-28-10": Architecture(partial(own, "wrn28-10"), PICTURES, 16),
    "DenseNet-40-12": Architecture(partial(own, "densenet40-12"), PICTURES, 39),
    "DenseNet-100-12-BC": Architecture(partial(own, "densenet100-12-bc"), PICTURES, 99),
    "ResNet-50": Architecture(published.resnet50, (2, 3, 64, 64), 37),
    "ViT-B/16": Architecture(partial(published.VisionTransformer, 32, 16, 12, 12, 768, 3072), PICTURES, 49),
}
"""Those whose numbers of groups are known."""


def drawn(architecture: Architecture, seed: int) -> tuple[nn.Module, list[Tensor]]:
    """A network in evaluation mode with random weights, none of them special, and inputs."""
    draw = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = architecture.make().eval()
    with torch.no_grad():
        for each in (*module.parameters(), *(b for b in module.buffers() if b.is_floating_point())):
            # of their usual size, or outputs of deep networks are lost in rounding
            scale = float(each.float().std()) if each.numel() > 1 and each.ndim > 1 else 0.0
            noise = torch.rand(each.shape, generator=draw)
            each.copy_(0.5 + noise if each.ndim == 1 else (noise - 0.5) * (3.0 * scale or 0.1))
    shape = architecture.inputs
    words = len(shape) == 2 and any(isinstance(part, nn.Embedding) for part in module.modules())
    return module, [torch.randint(WORDS, shape, generator=draw) if words else torch.randn(shape, generator=draw)]
