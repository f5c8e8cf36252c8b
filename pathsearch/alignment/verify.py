"""Whether permutations leave a network's function as it is: always tried, since a wrong result would look right."""

import contextlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pathsearch.alignment.groups import Permutations, Symmetries, drawn, identity, permuted
from pathsearch.alignment.permutable import Permutable
from pathsearch.alignment.trace import Function, tensors_in
from pathsearch.alignment.wide import wide
from pathsearch.errors import PathsearchError, described

ROUNDING = 1e-9
"""How far outputs may be off, of the largest: sums in another order, in float64, are off by 1e-15 and such."""

FLOOR = 1e-6
"""Added to the largest output: what is left of large numbers that cancel is rounding."""


def verify(
    network: Permutable,
    symmetries: Symmetries,
    tensors: Mapping[str, Tensor] | None = None,
    by: Permutations | None = None,
) -> None:
    """Raise PathsearchError, which names the group, where permutations change what a network works out.

    by: by default random ones of all atoms. tensors: by default those that the network has.
    """
    by = drawn(symmetries, np.random.default_rng(0)) if by is None else by
    held = {**network.tensors, **{name: wide(each) for name, each in (tensors or {}).items()}}
    for called, function in (("", network.function), (" in training mode", network.training)):
        if function is None:
            continue
        off = _off(function, held, network.inputs, symmetries)
        far = off(by)
        if not far <= ROUNDING:
            atom = _blamed(symmetries, by, off)
            raise PathsearchError(
                f"to permute group {atom} changes what the network works out{called} by {far:.1g} of its outputs: "
                f"its symmetries were not understood; leave it as it is (pin={atom.partition(':')[0]})"
            )


def off_by(network: Permutable, symmetries: Symmetries, by: Permutations) -> float:
    """How far outputs are off with the network's tensors permuted, of the largest, in the worse mode."""
    functions = [each for each in (network.function, network.training) if each is not None]
    return max(_off(each, dict(network.tensors), network.inputs, symmetries)(by) for each in functions)


def _off(
    function: Function, held: dict[str, Tensor], inputs: list[Tensor], symmetries: Symmetries
) -> Callable[[Permutations], float]:
    """How far outputs are off with permuted tensors, of the largest."""
    wanted = outputs(function, held, inputs)
    if not any(each.numel() for each in wanted):
        raise PathsearchError(
            "the network gives no real numbers in tensors, tuples, lists, dictionaries or dataclasses: nothing shows "
            "whether a permutation leaves it as it is"
        )

    def off(by: Permutations) -> float:
        given = outputs(function, permuted(symmetries, held, by), inputs)
        if len(given) != len(wanted) or any(one.shape != other.shape for one, other in zip(given, wanted)):
            return float("inf")
        return max((_difference(one, other) for one, other in zip(given, wanted)), default=0.0)

    return off


def outputs(function: Function, tensors: Mapping[str, Tensor], inputs: list[Tensor]) -> list[Tensor]:
    """All tensors that a function gives, of copies, with random numbers from one seed."""
    copies = {name: each.clone() for name, each in tensors.items()}
    with torch.no_grad(), torch.random.fork_rng(devices=[]), contextlib.redirect_stdout(None):
        torch.manual_seed(0)
        try:
            found: Any = function(copies, [each.clone() for each in inputs])
        except PathsearchError:
            raise
        except Exception as error:  # a user's code, which a table may have kept from being traced
            raise PathsearchError(f"the network fails on the examples it is tried on: {described(error)}") from error
    parts = [torch.view_as_real(each) if each.is_complex() else each for each in tensors_in(found)]
    # whole numbers, as the class that is largest, stay the same where what they come from does not
    return [each.detach().double() for each in parts if each.is_floating_point()]


def _difference(one: Tensor, other: Tensor) -> float:
    # masks have infinities, which have to stay where they are and say nothing of the rest
    plain = torch.isfinite(other)
    odd = torch.stack([torch.nan_to_num(each[~plain], nan=0.5, posinf=1.0, neginf=-1.0) for each in (one, other)])
    if not torch.equal(torch.isfinite(one), plain) or not torch.equal(odd[0], odd[1]):
        return float("inf")
    if not plain.any():
        return 0.0
    largest = float(other[plain].abs().max())
    off = float((one[plain] - other[plain]).abs().max())
    return off / (largest + FLOOR)


def _blamed(symmetries: Symmetries, by: Permutations, off: Callable[[Permutations], float]) -> str:
    """The name of one atom whose permutation alone does harm; of the first where none does."""
    for number, atom in enumerate(symmetries.atoms):
        alone = identity(symmetries)
        alone[number] = by[number]
        if not off(alone) <= ROUNDING:
            return atom.name
    return symmetries.atoms[0].name
