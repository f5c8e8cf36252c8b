"""Which operations of a network may give other bits each time on its device, and what is said of them."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from pathsearch.errors import one_line
from pathsearch.machine import WORKSPACE

REFUSED = re.compile(r"(.+?) does not have a deterministic implementation")
"""Begins what torch says of an operation without a deterministic kernel, as a warning or as an error."""

ON_GPU = frozenset(
    (
        "cumsum",
        "embedding_dense_backward",
        "index_add",
        "max_pool3d_with_indices_backward",
        "replication_pad1d_backward",
        "replication_pad2d_backward",
        "replication_pad3d_backward",
        "scatter_add",
        "_scaled_dot_product_cudnn_attention_backward",
        "_scaled_dot_product_efficient_attention_backward",
        "_scaled_dot_product_flash_attention_backward",
        "_efficient_attention_backward",
        "_flash_attention_backward",
    )
)
"""Operations on real numbers for which torch has a deterministic kernel on a GPU, and takes another unless asked.

Of those that torch's documentation lists under `use_deterministic_algorithms`: convolutions are left out, since
`prepare_torch` asks cuDNN for its deterministic ones, and so is what depends on the order of writes to one place only
where a network writes to it twice (index_copy, scatter, index_put).
"""

REDUCING = "scatter_reduce"
"""The same, where it adds (sum, mean)."""

ON_CPU = frozenset(("index_put", "_index_put_impl", "_unsafe_index_put", "put"))
"""Operations by which several threads of a CPU add float32 numbers in any order; `h[index]` has such a gradient."""


def not_deterministic(run: Callable[[], None]) -> list[str]:
    """Names of the operations of `run`, a forward and backward pass, that have no deterministic kernel or take another.

    `run` is called with torch's warnings, which tell of those that have none, and before that as it is, where any may
    take another. Products of matrices on a GPU are left out: cuBLAS repeats its bits on the one stream that we use.
    Raises what `run` raises.
    """
    watch = _Watch()
    if torch.cuda.is_initialized() or torch.get_num_threads() > 1:
        with watch:
            run()
    mode = torch.get_deterministic_debug_mode()
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            torch.set_deterministic_debug_mode("warn")  # unlike use_deterministic_algorithms it imports no compiler
            run()
        finally:
            torch.set_deterministic_debug_mode(mode)
    without = [found[1] for found in (REFUSED.match(one_line(each.message)) for each in warned) if found]
    return list(dict.fromkeys([*without, *watch.seen]))


def remark(names: Sequence[str], device: torch.device) -> str:
    """The line for the user about such operations."""
    some = ", ".join(names)
    return (
        f"not deterministic on {device.type}: {some}; equal runs may differ in last bits, unless "
        "objective.deterministic=true takes other kernels, or says that there are none"
    )


def refusal(error: BaseException) -> str:
    """What to do about torch's refusal of an operation where deterministic kernels are asked for; else empty."""
    said = one_line(error)
    if not isinstance(error, RuntimeError) or "torch.use_deterministic_algorithms" not in said:
        return ""
    if WORKSPACE[0] in said:
        return (
            "torch was not told in time to multiply matrices by deterministic kernels: set "
            f"{'='.join(WORKSPACE)} in the environment, or objective.deterministic=false"
        )
    name = REFUSED.match(said)
    operation = f"the operation {name[1]}" if name else f"an operation ({said.split(', but')[0]})"
    return f"{operation} has no deterministic kernel here: set objective.deterministic=false, or take another layer"


class _Watch(TorchDispatchMode):
    """Notes the operations, gradients' too, that take other kernels than their deterministic ones."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # else torch imports its compiler at the first operation, which takes seconds

    def __torch_dispatch__(
        self, func: Any, types: Iterable[type], args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        given = kwargs or {}
        found = func(*args, **given)
        if args and isinstance(args[0], Tensor):
            name = func.overloadpacket.__name__.removesuffix("_")  # which a function has that writes to its argument
            arguments = {**{each.name: value for each, value in zip(func._schema.arguments, args)}, **given}
            if _any_order(name, args[0], arguments):
                self.seen.append(name.removeprefix("_"))
        return found


def _any_order(name: str, tensor: Tensor, arguments: Mapping[str, Any]) -> bool:
    """Whether an operation on this tensor adds up in an order that differs from time to time."""
    if tensor.is_cuda:
        adds = name in ON_GPU or (name == REDUCING and arguments.get("reduce") in ("sum", "mean"))
        return adds and (tensor.is_floating_point() or tensor.is_complex())
    in_parallel = tensor.device.type == "cpu" and tensor.dtype == torch.float32 and torch.get_num_threads() > 1
    return in_parallel and name in ON_CPU and bool(arguments.get("accumulate"))
