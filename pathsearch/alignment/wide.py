"""Code that names or makes a narrower type of numbers, done in float64 all the same: rounding would hide a mistake."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils import _pytree as pytree

from pathsearch.alignment.trace import Function

NARROW = (torch.float32, torch.float16, torch.bfloat16)
CASTS = {Tensor.float: Tensor.double, Tensor.half: Tensor.double, Tensor.bfloat16: Tensor.double}


def wide(tensor: Tensor) -> Tensor:
    """A tensor on the CPU, real numbers in float64; integers, truth values and complex numbers as they are."""
    tensor = tensor.detach().cpu()
    return tensor.to(torch.float64) if tensor.is_floating_point() else tensor


def in_float64(function: Function) -> Function:
    """The function with every narrower type of numbers that its code names, and every tensor that has one, widened."""

    def called(tensors: dict[str, Tensor], inputs: list[Tensor]) -> Any:
        with _Wide():
            return function(tensors, inputs)

    return called


class _Wide(TorchFunctionMode):
    """Calls of torch with float64 in place of narrower types, those that tensors have among them."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        args, kwargs = pytree.tree_map(_named, (args, kwargs or {}))
        name = getattr(func, "__name__", "")
        if not name.endswith("_") and name != "__get__":  # what is written to, or asked for its own type, stays
            args, kwargs = pytree.tree_map(_widened, (args, kwargs))
        found = CASTS.get(func, func)(*args, **kwargs)
        return _widened(found) if isinstance(found, Tensor) and not _has_tensor((args, kwargs)) else found


def _named(each: Any) -> Any:
    return torch.float64 if isinstance(each, torch.dtype) and each in NARROW else each


def _widened(each: Any) -> Any:
    return each.to(torch.float64) if isinstance(each, Tensor) and each.dtype in NARROW else each


def _has_tensor(given: Any) -> bool:
    return any(isinstance(each, Tensor) for each in pytree.tree_leaves(given))
