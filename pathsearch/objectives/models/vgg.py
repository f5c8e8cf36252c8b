"""Plain deep convolutional networks."""

from functools import partial

from torch import nn

from pathsearch.objectives.models.layers import padded, refuse_small

VGG16 = ((64,) * 2, (128,) * 2, (256,) * 3, (512,) * 3, (512,) * 3)
VGG19 = ((64,) * 2, (128,) * 2, (256,) * 4, (512,) * 4, (512,) * 4)


class Vgg(nn.Sequential):
    """VGG for pictures of 32 × 32 (Simonyan & Zisserman 2015), with dropout before each of two hidden layers.

    As Garipov et al. (2018) have it: VGG16 has 15,245,130 weights for ten classes. Their code for batch norm leaves
    out half of the convolutions; here it is convolution, norm, ReLU.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        outputs: int,
        norm: bool = False,
        blocks: tuple[tuple[int, ...], ...] = VGG16,
        hidden: int = 512,
    ) -> None:
        refuse_small("vgg", shape, 2 ** len(blocks))
        layers: list[nn.Module] = []
        inputs = shape[0]
        for block in blocks:
            for width in block:
                layer = padded(inputs, width, bias=True)
                nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
                layers += [layer, *([nn.BatchNorm2d(width)] if norm else []), nn.ReLU()]
                inputs = width
            layers.append(nn.MaxPool2d(2))
        flat = inputs * (shape[1] >> len(blocks)) * (shape[2] >> len(blocks))
        head = [nn.Dropout(), nn.Linear(flat, hidden), nn.ReLU(), nn.Dropout(), nn.Linear(hidden, hidden), nn.ReLU()]
        super().__init__(*layers, nn.Flatten(), *head, nn.Linear(hidden, outputs))


vgg16, vgg19 = (partial(Vgg, blocks=blocks) for blocks in (VGG16, VGG19))
vgg16bn, vgg19bn = (partial(Vgg, blocks=blocks, norm=True) for blocks in (VGG16, VGG19))
