"""What a data set is once it is read."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Split:
    """Inputs [n, …] and targets [n]: classes (int64) or values (float)."""

    inputs: Tensor
    targets: Tensor


@dataclass(frozen=True)
class Data:
    """A data set. `outputs` is the number of classes, or 1 for real-valued targets.

    `standardise`: whether images are scaled by the training set's mean and deviation. A user's own data set has scaled
    them already; the network gets its integers as integers.
    `remarks`: lines for the user.
    """

    train: Split
    test: Split
    outputs: int
    standardise: bool = True
    remarks: tuple[str, ...] = ()


def every_fifth(inputs: Tensor, targets: Tensor, outputs: int) -> Data:
    """A data set whose every fifth example is for testing."""
    test = torch.arange(len(inputs)) % 5 == 4
    return Data(Split(inputs[~test], targets[~test]), Split(inputs[test], targets[test]), outputs)
