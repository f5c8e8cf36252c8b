"""Finds a network's weights in what a foreign file holds: the dictionary of tensors that fits the network exactly.

A dictionary fits where every coordinate has an entry of its shape, every other tensor is a frozen parameter or a buffer
of the network's, and none is left over: so a deeper network's file is not taken for a shallower network's. Dictionaries
may lie at any depth under any key. Names that fit stay as they are. Else the search leaves out `_orig_mod`, which
torch.compile puts into names, and then, as often as possible, the first part that all names share (`module.`,
`model.`).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from pathsearch.errors import PathsearchError
from pathsearch.objectives.parameters import by_all_names

COMPILED = "_orig_mod"
SHOWN = 3  # names in a message


class Network:
    """The tensors of a module by all their names; `places` leads from the names that files may have to these."""

    def __init__(self, module: nn.Module) -> None:
        self.parameters, buffers = by_all_names(module)
        self.state: dict[str, Tensor] = {**self.parameters, **buffers}
        self.ordered = [name for name, _ in module.named_parameters()]
        self.places = {**{_uncompiled(name): name for name in self.state}, **{name: name for name in self.state}}
        tied: dict[int, list[str]] = {}
        for name, parameter in self.parameters.items():
            tied.setdefault(id(parameter), []).append(name)
        self.tied = list(tied.values())
        """The names of each parameter; where it has several, a file may leave out all but one."""
        self.needed = [names for names in self.tied if self.parameters[names[0]].requires_grad]
        """Those of coordinates: what is frozen need not lie beside an adapter."""


@dataclass
class Fit:
    """How the entries under a key of a file fit a network: `values` by the network's names, and what is amiss."""

    key: str
    values: dict[str, Tensor] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    entries: dict[str, tuple[Any, str | None]] = field(default_factory=dict)
    """By its own name each entry, and the network's name for it, None where it has none."""

    @property
    def exact(self) -> bool:
        return not (self.wrong or self.missing or self.left)

    @property
    def close(self) -> tuple[bool, int, int]:
        """Larger for a better fit: many values that the network wants, few others."""
        return self.exact, len(self.values), -len(self.left)


def fitted(loaded: Any, module: nn.Module, source: str) -> dict[str, Tensor]:
    """A network's tensors out of what a file or a user's dictionary holds: dense, on the CPU, by the network's names.

    All coordinates are there, and what else `loaded` has. source: its name in errors. Raises PathsearchError
    where nothing fits, several different things fit, or a value is no finite real number.
    """
    return best(loaded, module, source).values


def best(loaded: Any, module: nn.Module, source: str) -> Fit:
    """As `fitted`, with the entries that the tensors were found in."""
    network = Network(module)
    # max takes the first of several equally good readings of the names: names that fit stay as they are
    fits = [
        max((_compared(entries, named, key, network) for named in _renamings(entries)), key=lambda fit: fit.close)
        for key, entries in _dictionaries(loaded, network, "", set())
    ]
    if not fits:
        raise PathsearchError(f"{source} holds no tensors by name, it is a {type(loaded).__name__}")
    exact = [fit for fit in fits if fit.exact]
    if not exact:
        raise PathsearchError(_explained(max(fits, key=lambda fit: fit.close), source))
    for fit in exact:
        fit.values = _plain(fit.values, network, source)
    most = max(exact, key=lambda fit: len(fit.values))
    others = [
        fit.key
        for fit in exact
        if any(not torch.equal(fit.values[n], most.values[n]) for n in fit.values if n in most.values)
    ]
    if others:
        keys = _listed([each or "its top level" for each in (most.key, *others)])
        raise PathsearchError(f"{source} holds several that fit the network, {keys}: save the wanted one alone")
    return most


def _dictionaries(held: Any, network: Network, key: str, seen: set[int]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every dictionary with tensors, at any depth; lists of pairs, and of all parameters in their order, count too."""
    if id(held) in seen:  # a pickle may hold itself
        return
    seen.add(id(held))
    if isinstance(held, Mapping):
        within = entries = {str(name): value for name, value in held.items()}
    elif isinstance(held, (list, tuple)):
        within = {str(n): value for n, value in enumerate(held)}
        if all(isinstance(each, (list, tuple)) and len(each) == 2 for each in held):
            entries = {str(name): value for name, value in held}
        else:
            entries = dict(zip(network.ordered, held)) if len(held) == len(network.ordered) else within
    else:
        return
    if any(isinstance(value, Tensor) for value in entries.values()):
        yield key, entries
    for name, value in within.items():
        yield from _dictionaries(value, network, f"{key}.{name}" if key else name, seen)


def _renamings(named: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield named
    current = {_uncompiled(name): value for name, value in named.items()}
    if len(current) < len(named):
        return
    yield current
    while shared := _prefix([name for name, value in current.items() if not _counts(value)]):
        current = {name.removeprefix(shared): value for name, value in current.items()}
        yield current


def _prefix(names: list[str]) -> str:
    """The first part, with its dot, that all names begin with; empty where there is none."""
    shared = f"{names[0].partition('.')[0]}." if names else ""
    return shared if all(name.startswith(shared) for name in names) else ""


def _uncompiled(name: str) -> str:
    return ".".join(part for part in name.split(".") if part != COMPILED)


def _counts(value: Any) -> bool:
    """Whether an entry cannot be a weight: it is no tensor, or a single whole number."""
    return not isinstance(value, Tensor) or (value.ndim == 0 and not value.is_floating_point())


def _compared(entries: dict[str, Any], named: dict[str, Any], key: str, network: Network) -> Fit:
    fit, met = Fit(key), set()
    fit.entries = {own: (value, network.places.get(name)) for (own, value), name in zip(entries.items(), named)}
    for name, value in named.items():
        place = network.places.get(name)
        if place is None:
            if not _counts(value):
                fit.left.append(name)
            continue
        met.add(place)
        shape = tuple(network.state[place].shape)
        if not isinstance(value, Tensor):
            fit.wrong.append(f"{name!r} in it is a {type(value).__name__}, no tensor")
        elif value.shape != shape:
            fit.wrong.append(f"{name!r} in it has shape {tuple(value.shape)}, the network's has {shape}")
        else:
            fit.values[place] = value
    fit.missing = [names[0] for names in network.needed if met.isdisjoint(names)]
    return fit


def _plain(values: dict[str, Tensor], network: Network, source: str) -> dict[str, Tensor]:
    """The values as dense tensors on the CPU, tied ones under all their names; raises where one is no real number."""
    found = {name: dense(value, f"{name!r} in {source}") for name, value in values.items()}
    for name, value in found.items():
        what, mine, parameter = f"{name!r} in {source}", network.state[name], name in network.parameters
        if value.is_complex() and not mine.is_complex():
            raise PathsearchError(f"{what} is complex, the network's is not")
        if parameter and value.is_floating_point() != mine.is_floating_point():
            kinds = (str(each.dtype).removeprefix("torch.") for each in (value, mine))
            raise PathsearchError("{} has elements of type {}, the network's are {}".format(what, *kinds))
        if parameter and not torch.isfinite(value).all():
            raise PathsearchError(f"{what} has weights that are not finite")
        if torch.isnan(value).any():  # infinite constants are fine: masks have them
            raise PathsearchError(f"{what} is not a number everywhere")
    for names in network.tied:
        have = [name for name in names if name in found]
        for name in have[1:]:
            if not torch.equal(found[name], found[have[0]]):
                raise PathsearchError(
                    f"{have[0]!r} and {name!r} in {source} differ, in the network they are one parameter"
                )
        if have:
            found.update({name: found[have[0]] for name in names})
    return found


def dense(value: Tensor, what: str) -> Tensor:
    """A tensor of any layout and device as plain numbers on the CPU; raises PathsearchError where it has no values."""
    if value.is_meta:
        raise PathsearchError(f"{what} has a shape and no values (device meta): save it anew where it has them")
    value = value.detach()
    value = value.dequantize() if value.is_quantized else value
    value = value if value.layout == torch.strided else value.to_dense()
    if value.is_floating_point() and value.dtype.itemsize == 1:  # torch can do little with these
        value = value.float()
    return value.cpu().resolve_conj().resolve_neg().contiguous()


def _explained(fit: Fit, source: str) -> str:
    """Why the best fit does not fit, in one line."""
    said = fit.wrong[:1]
    if fit.missing:
        said.append(f"it has no parameter {_listed(fit.missing)} of the network")
    if fit.left:
        said.append(f"it has {_listed(fit.left)}, which the network has not")
    if not fit.values and (begins := _prefix(fit.left)):
        said.append(f"its names begin with {begins!r}")
    under = f", under {fit.key!r}," if fit.key else ""
    return f"{source}{under} does not fit the network: {'; '.join(said)}"


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(map(repr, names[:SHOWN])) + more
