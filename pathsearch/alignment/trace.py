"""What a network does, as a graph of torch's own operations: linear, conv2d and attention stay whole."""

import os
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn

from pathsearch.errors import PathsearchError, described

REMEDY = "say which units go together in a table of groups: see `pathsearch options endpoints.align`"

Function = Callable[[dict[str, Tensor], list[Tensor]], Any]
"""What a network does with its tensors by name, on inputs: a nest of outputs."""


def tensors_in(given: Any) -> list[Tensor]:
    """All tensors that a network gives, in tuples, lists, dictionaries and dataclasses of any depth."""
    if isinstance(given, Tensor):
        return [given]
    if isinstance(given, Mapping):
        return [each for value in given.values() for each in tensors_in(value)]
    if isinstance(given, (tuple, list)):
        return [each for value in given for each in tensors_in(value)]
    if is_dataclass(given) and not isinstance(given, type):
        return [each for part in fields(given) for each in tensors_in(getattr(given, part.name))]
    return []


def traced(function: Function, tensors: Mapping[str, Tensor], inputs: list[Tensor]) -> fx.GraphModule:
    """The graph of a function at these tensors; its placeholders are the tensors in their order, then the inputs.

    The graph holds for inputs of these shapes. Raises PathsearchError where the function cannot be traced, as where
    it branches on what it works out.
    """
    from torch.fx.experimental.proxy_tensor import make_fx  # which takes a second to import

    named = {name: each.detach() for name, each in tensors.items()}
    try:
        with torch.no_grad(), unfused():
            outputs = lambda tensors, inputs: tensors_in(function(tensors, inputs))
            graph: fx.GraphModule = make_fx(outputs, tracing_mode="real", pre_dispatch=True)(named, list(inputs))
    except PathsearchError:
        raise
    except Exception as error:  # whatever a user's code and torch's tracer raise
        why = "it branches on values that it works out" if "data-dependent" in str(error) else described(error)
        raise PathsearchError(f"the network cannot be traced: {why}{_place(error)}; {REMEDY}") from error
    return graph


def _place(error: BaseException) -> str:
    """The last line of code outside torch on the way to an error, in brackets."""
    inside = f"{os.sep}torch{os.sep}"
    frames = [each for each in traceback.extract_tb(error.__traceback__) if inside not in each.filename]
    return f" (line {frames[-1].lineno} of {frames[-1].filename})" if frames else ""


@contextmanager
def unfused() -> Iterator[None]:
    """Have torch's attention layers do what they do in parts that have rules, instead of in one of its own."""
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)


def calling(module: nn.Module) -> Function:
    """What a module's forward does with tensors by name."""
    return lambda tensors, inputs: torch.func.functional_call(module, tensors, tuple(inputs))
