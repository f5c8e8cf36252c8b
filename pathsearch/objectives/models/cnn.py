"""A small convolutional network."""

from torch import nn

from pathsearch.objectives.models.layers import convolution


class SmallCnn(nn.Sequential):
    """Two 3 × 3 convolutions with pooling, an average over quarters, one linear layer."""

    def __init__(self, shape: tuple[int, ...], outputs: int, norm: bool = True, width: int = 16) -> None:
        super().__init__(
            *convolution(shape[0], width, norm=norm),
            nn.ReLU(),
            nn.MaxPool2d(2),
            *convolution(width, 2 * width, norm=norm),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
            nn.Linear(8 * width, outputs),
        )
