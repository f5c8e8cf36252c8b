"""Tensors of any kind that a network may have: compared, made dense, made like one another."""

import hashlib

import numpy as np
import torch
from torch import Tensor

State = dict[str, Tensor]
"""The tensors of a module that are no coordinates, by name: parameters that are not trained, then buffers."""


def same(a: Tensor, b: Tensor) -> bool:
    """Whether two tensors hold the same numbers, of whatever kind; NaN equals NaN."""
    a, b = strided(a), strided(b)
    return a.shape == b.shape and bool(((a == b) | ((a != a) & (b != b))).all())


def digest(tensor: Tensor) -> str:
    """The SHA-256 of a tensor's elements, bit by bit."""
    return hashlib.sha256(np.ascontiguousarray(strided(tensor).detach().cpu().numpy()).data).hexdigest()


def strided(tensor: Tensor) -> Tensor:
    """A tensor with all its elements in memory, where it may be sparse."""
    return tensor if tensor.layout == torch.strided else tensor.to_dense()


def cast(value: Tensor, like: Tensor) -> Tensor:
    """A value with another tensor's precision, device and layout."""
    value = value.to(like.device, like.dtype)
    return value if like.layout == torch.strided else value.to_sparse(layout=like.layout)
