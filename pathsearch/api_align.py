"""Aligning two networks from Python: the units of one permuted so that it lies as close to the other as it can."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from os import PathLike, fspath
from pathlib import Path as File
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pathsearch import storage
from pathsearch.alignment import aligned as alignment
from pathsearch.alignment.example import example as guessed
from pathsearch.alignment.groups import Symmetries
from pathsearch.alignment.permutable import Permutable, permutable, refuse_unreal
from pathsearch.alignment.trace import tensors_in
from pathsearch.alignment.wide import wide
from pathsearch.errors import PathsearchError
from pathsearch.files import expanded, found
from pathsearch.objectives import checkpoints, opening
from pathsearch.objectives.fitting import best
from pathsearch.objectives.network import NetworkObjective
from pathsearch.objectives.parameters import by_all_names, coordinates
from pathsearch.objectives.symmetric import matched_on_data, symmetric
from pathsearch.objectives.tensors import same
from pathsearch.settings import one_of

Say = Callable[[str], None]
WAYS = ("weights", "activations")


@dataclass(frozen=True)
class Aligned:
    """The second network with its units permuted; distance: ‖A − B‖ before and after.

    state_dict: its tensors, with the names, order, types and devices that it came with. permutations: by group, which
    unit of the second network comes to each place. same: whether both were one network with its units in another order.
    """

    state_dict: dict[str, Tensor]
    permutations: dict[str, NDArray[np.int64]]
    distance: tuple[float, float]
    moved: int
    same: bool
    symmetries: Symmetries

    def __repr__(self) -> str:
        before, after = self.distance
        kind = ", the same network" if self.same else ""
        moved = f"{len(self.permutations)} groups, {self.moved:,} units moved"
        return f"Aligned({moved}, distance {before:.4g} → {after:.4g}{kind})"


def align(
    module: Any,
    a: Any,
    b: Any,
    *,
    by: str = "weights",
    example: Any = None,
    table: Mapping[str, Any] | None = None,
    pin: str | Sequence[str] = (),
    starts: int = 4,
    seed: int = 0,
    say: Say = lambda line: None,
) -> Aligned:
    """Permute the hidden units of network b so that it comes as close to network a as it can; its function stays.

    module: an nn.Module of their structure, or what `network` gives. a, b: a state_dict, a module, a vector [M], or a
    file of one of these, or a run, of which a's first pivot counts and b's last. by: weights, or activations, which
    needs what `network` gives. example: inputs that the module takes, a tensor, a tuple, or a dictionary:
    inputs by name, or the one input; guessed from the module's first layer where left out. table: groups written by
    hand, see `alignment.table`. pin: a pattern of parameters whose units stay, or several. starts, seed: random orders
    that are tried, and their seed. Raises PathsearchError where the networks do not fit, and where nothing can be
    permuted.
    """
    live = opening.bare(module)
    held = live.module if isinstance(live, NetworkObjective) else live
    if not isinstance(held, nn.Module):
        raise PathsearchError(
            f"align: module is to be an nn.Module, or what network gives, not a {type(module).__name__}"
        )
    if by not in WAYS:
        raise PathsearchError(f"align: by is no way to match {one_of(by, WAYS)}")
    refuse_unreal(dict(held.named_parameters()))
    pin = [pin] if isinstance(pin, str) else pin
    (ours, _), (theirs, entries) = (_tensors(point, held, side) for point, side in ((a, "a"), (b, "b")))
    if isinstance(live, NetworkObjective):
        for values, side in ((ours, "a"), (theirs, "b")):
            live.adopt(values, side)
    network = permutable_of(live, example, theirs)
    if not isinstance(live, NetworkObjective):  # what a file has not, others may have in their order
        free = tuple(name for name in network.free if name in ours and name in theirs)
        network = replace(network, free=free, statistics=tuple(name for name in network.statistics if name in theirs))
    _refuse_other(network, ours, theirs)
    every = alignment.symmetries_of(network, table, say)
    own = {**{name: each for name, each in network.tensors.items() if name not in theirs}, **theirs}
    match = alignment.by_weights(ours, own, starts, seed, say)
    if by == "activations":
        if table is not None or not isinstance(live, NetworkObjective):
            raise PathsearchError(
                "align: activations are worked out on data, by the network's traced operations: give what "
                "pathsearch.network(model=…, data=…) makes (--data), and no table"
            )
        one, other = (live.flat(dict(each)).to(live.device) for each in (ours, theirs))
        match = alignment.by_activations(every, pin, lambda: matched_on_data(live, one, other), say)
    done = alignment.aligned(network, alignment.without(every, pin), ours, own, match)
    moved = done.of(theirs)
    state = {name: _as(value, moved.get(place)) for name, (value, place) in entries.items()}
    permutations = dict(zip(names(done.symmetries), done.permutations))
    return Aligned(state, permutations, done.distance, done.moved, done.same, done.symmetries)


def permutable_of(live: Any, example: Any = None, tensors: Mapping[str, Tensor] | None = None) -> Permutable:
    """A module, or a network objective, ready to be traced; tensors: by default its own."""
    network = symmetric(live) if isinstance(live, NetworkObjective) else permutable(live, _inputs(live, example))
    new = {name: each for name, each in (tensors or {}).items() if name in network.tensors}
    return replace(network, tensors={**network.tensors, **{name: wide(each) for name, each in new.items()}})


Entries = dict[str, tuple[Any, str]]
"""What a network came as: by its own name each entry, and the module's first name for it; empty where it has none."""


def _tensors(point: Any, module: nn.Module, side: str) -> tuple[dict[str, Tensor], Entries]:
    """Tensors of what stands for a network, tied ones once, by the first of their names; and its entries."""
    source, held = f"the {type(point).__name__} at {side}", point
    if isinstance(point, (str, PathLike)):
        file = found(expanded(fspath(point)), File())
        source, held = str(file), None
        if storage.is_run(file):
            held = torch.from_numpy(storage.read_vectors(file)[0][0 if side == "a" else -1])
        else:
            held = checkpoints.loaded(file)
    elif isinstance(point, nn.Module):
        held = dict(opening.bare(point).state_dict())
    elif isinstance(point, np.ndarray):
        held = torch.from_numpy(np.array(point))
    if isinstance(held, Tensor):
        held = _of_vector(held, module, source)
    fit = best(held, module, source)
    first: dict[int, str] = {}
    every = {name: each for named in by_all_names(module) for name, each in named.items()}
    own = {name: first.setdefault(id(each), name) for name, each in every.items()}
    entries = {name: (value, "" if place is None else own[place]) for name, (value, place) in fit.entries.items()}
    return {name: each for name, each in fit.values.items() if own[name] == name}, entries


def _as(entry: Any, value: Tensor | None) -> Any:
    """A value as what it takes the place of: of its type, on its device."""
    if value is None or not isinstance(entry, Tensor) or entry.is_quantized:
        return entry if value is None else value
    return value.to(entry.device, entry.dtype)


def _of_vector(vector: Tensor, module: nn.Module, source: str) -> dict[str, Tensor]:
    places = coordinates({name: each for name, each in module.named_parameters() if each.requires_grad})
    if vector.shape != (places.size,):
        raise PathsearchError(
            f"{source} has shape {tuple(vector.shape)}, the network's weights have shape ({places.size},)"
        )
    return {name: part.clone() for name, part in zip(places.names, places.parts(vector))}


def _inputs(module: nn.Module, given: Any) -> Any:
    if given is None:
        return guessed(module)
    if not tensors_in(given):
        raise PathsearchError(
            "align: example is to be a tensor, or a tuple or a dictionary of tensors, as the module takes them"
        )
    return given


def _refuse_other(network: Permutable, ours: Mapping[str, Tensor], theirs: Mapping[str, Tensor]) -> None:
    """Raise PathsearchError where the networks differ in what is neither permuted nor counted."""
    for name, each in network.tensors.items():
        counts = not each.is_floating_point() and each.ndim == 0
        both = name in ours and name in theirs
        if name in (*network.free, *network.statistics) or counts or not both:
            continue
        if not same(ours[name], theirs[name]):
            raise PathsearchError(
                f"{name!r} is frozen (requires_grad=False) or a buffer, and differs: the networks have to share it"
            )


def names(symmetries: Symmetries) -> list[str]:
    """A name for each group: its first parameter and axis, with a number where several have the same."""
    found: dict[str, int] = {}
    listed = []
    for atom in symmetries.atoms:
        found[atom.name] = count = found.get(atom.name, 0) + 1
        listed.append(atom.name if count == 1 else f"{atom.name}#{count}")
    return listed
