"""The convolutional networks of Draxler et al. (2018): of one to three layers, of several widths."""

from functools import partial

from torch import nn

from pathsearch.objectives.models.layers import drawn_by_inputs, refuse_small


class WideCnn(nn.Sequential):
    """5 × 5 convolutions, each with pooling, norm and ReLU, and a hidden layer of 256; weights as N(0, 1/fan-in).

    With 12 channels 790,706 weights for ten classes.
    """

    def __init__(self, shape: tuple[int, ...], outputs: int, width: int = 12, depth: int = 1) -> None:
        refuse_small(f"cnn{width}x{depth}", shape, 2**depth)
        layers: list[nn.Module] = []
        for inputs in (shape[0], *[width] * (depth - 1)):
            conv = nn.Conv2d(inputs, width, 5, padding=2)
            layers += [conv, nn.MaxPool2d(2), nn.BatchNorm2d(width), nn.ReLU()]
        flat = width * (shape[1] >> depth) * (shape[2] >> depth)
        head = [nn.Flatten(), nn.Linear(flat, 256), nn.BatchNorm1d(256), nn.ReLU(), nn.Linear(256, outputs)]
        super().__init__(*layers, *head)
        drawn_by_inputs(self)


cnn12, cnn24, cnn36, cnn48, cnn96 = (partial(WideCnn, width=width) for width in (12, 24, 36, 48, 96))
cnn48x2, cnn48x3 = (partial(WideCnn, width=48, depth=depth) for depth in (2, 3))
