"""Inputs for a module of which nothing is known but itself: it is traced on them."""

import torch
from torch import Tensor, nn
from torch.func import functional_call

from pathsearch.errors import PathsearchError

EXAMPLES, TOKENS = 4, 8
SIDES = (32, 28, 64, 224, 16, 8)
"""Sizes of pictures, and of what else convolutions look at, which are tried in turn."""


def example(module: nn.Module) -> list[Tensor]:
    """Inputs that a module takes, guessed from its first layer that has weights.

    Raises PathsearchError where it takes none of these.
    """
    name = type(module).__name__
    # a module may have parameters of its own besides its layers, as a token of a vision transformer
    first = next((inputs for inputs in map(_inputs, module.modules()) if inputs), [])
    for each in first:
        if _takes(module, each):
            return [each]
    raise PathsearchError(
        f"what inputs the {name} takes cannot be told from its first layer: give example=, a tensor, or a tuple "
        "or a dictionary of them"
    )


def _inputs(layer: nn.Module) -> list[Tensor]:
    draw = torch.Generator().manual_seed(0)
    if isinstance(layer, nn.Linear):
        # of sequences where it takes no vectors
        return [torch.randn(*each, layer.in_features, generator=draw) for each in ((EXAMPLES,), (EXAMPLES, TOKENS))]
    if isinstance(layer, nn.Embedding):
        return [torch.randint(layer.num_embeddings, (EXAMPLES, TOKENS), generator=draw)]
    if isinstance(layer, nn.modules.conv._ConvNd):
        space = len(layer.kernel_size)
        return [torch.randn(EXAMPLES, layer.in_channels, *(side,) * space, generator=draw) for side in SIDES]
    return []


def _takes(module: nn.Module, given: Tensor) -> bool:
    first, training = next(module.parameters()), {part: part.training for part in module.modules()}
    buffers = {name: each.clone() for name, each in module.named_buffers()}  # a network may write to them
    like = given.to(first.device, first.dtype) if given.is_floating_point() else given.to(first.device)
    try:
        with torch.no_grad():
            functional_call(module.eval(), buffers, (like,))
    except Exception:  # whatever a module raises at what it does not take
        return False
    finally:
        for part, was in training.items():
            part.training = was
    return True
