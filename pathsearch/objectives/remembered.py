"""A module that is called again on what it was called on before, and gives what it gave."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from pathsearch.objectives.nests import PLAIN, leaves


class _Call(NamedTuple):
    given: Any
    outputs: Any
    left: list[tuple[Tensor, int]]
    """the tensors of the outputs, and how often each was written to"""


@contextmanager
def remembered(module: nn.Module) -> Iterator[None]:
    """Let a loss and metrics of the same outputs share one pass.

    A call counts as the same if all that is given is equal, for they may have copies. Outputs that were written to
    since, or replaced, are worked out anew.
    """
    if isinstance(module, torch.jit.ScriptModule):  # has no place for another forward
        yield
        return
    forward, own = module.forward, module.__dict__.get("forward")
    calls: list[_Call] = []

    def remembering(*args: Any, **options: Any) -> Any:
        given = (args, options)
        for call in calls:
            if _untouched(call) and _equal(call.given, given):
                return call.outputs
        outputs = forward(*args, **options)
        calls[:] = [_Call(given, outputs, [(each, each._version) for each in leaves(outputs)])]
        return outputs

    module.forward = remembering
    try:
        yield
    finally:
        del module.forward
        if own is not None:
            module.forward = own


def _untouched(call: _Call) -> bool:
    now = leaves(call.outputs)
    return len(now) == len(call.left) and all(
        each is tensor and each._version == version for each, (tensor, version) in zip(now, call.left)
    )


def _equal(a: Any, b: Any) -> bool:
    """Whether two nests have the same form and the same numbers; what is no batch equals nothing."""
    if isinstance(a, Tensor) or isinstance(b, Tensor):
        same = isinstance(a, Tensor) and isinstance(b, Tensor) and a.dtype == b.dtype and a.device == b.device
        return same and torch.equal(a, b)
    if type(a) is not type(b):
        return False
    if isinstance(a, Mapping):
        return list(a) == list(b) and all(_equal(a[key], b[key]) for key in a)
    if isinstance(a, (tuple, list)):
        return len(a) == len(b) and all(map(_equal, a, b))
    if is_dataclass(a):
        return all(_equal(getattr(a, each.name), getattr(b, each.name)) for each in fields(a))
    return isinstance(a, PLAIN) and bool(a == b)
