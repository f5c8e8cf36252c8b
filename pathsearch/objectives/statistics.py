"""What a network's state is: what all points of a path share, and what a pass in training mode works out anew.

Found by looking at what passes change and what outputs depend on, not by names of classes.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import SyncBatchNorm, _BatchNorm

from pathsearch.errors import PathsearchError
from pathsearch.objectives.carrier import State, same
from pathsearch.objectives.probe import Probe, Seen, differ

AVERAGED = {"running_mean": 0, "running_var": 1, "num_batches_tracked": 0}
"""Statistics of torch's batch norms, and where they start: without a momentum they are averages over all batches."""
SEEDS = 3  # passes that look for what changes: layers may be skipped at random
PROBES: tuple[tuple[torch.dtype | None, float], ...] = ((torch.float64, 1e-9), (None, 1e-3))
"""Precisions in which an update is looked at, and how well it must be affine; the network's own where it allows no
other."""


Pass = Callable[[State], State]
"""A pass over a part of the training set, from the state before to the one after it."""


@dataclass(frozen=True)
class Kinds:
    """The kinds of a network's state.

    shared: what training leaves alone. averaged: statistics of torch's own batch norms in training mode. rates: those
    of other layers, which move by (1 − rate)·old + rate·new. layers: all that have such statistics. draws: whether
    the output in training mode is random.
    """

    shared: tuple[str, ...]
    averaged: dict[str, int]
    rates: dict[str, Tensor]
    layers: tuple[nn.Module, ...]
    draws: bool

    def estimated(self, state: State, passes: Iterable[Pass]) -> State:
        """The state with statistics averaged over passes, each layer's as it works them out in training mode."""
        norms: list[Any] = [layer for layer in self.layers if own(layer)]
        momenta = [norm.momentum for norm in norms]
        current = {**state, **{name: torch.full_like(state[name], value) for name, value in self.averaged.items()}}
        starts = {name: torch.zeros_like(state[name]) for name in self.rates}
        totals = {name: torch.zeros_like(rate) for name, rate in self.rates.items()}
        count = 0
        try:
            for norm in norms:
                norm.momentum = None
            for once in passes:
                count += 1
                left = once({**current, **starts})
                current.update({name: left[name] for name in self.averaged})
                for name, rate in self.rates.items():
                    totals[name] += left[name] / rate
        finally:
            for norm, momentum in zip(norms, momenta):
                norm.momentum = momentum
        return {**current, **{name: (total / count).to(state[name]) for name, total in totals.items()}}


def own(layer: nn.Module) -> bool:
    """Whether a layer is a batch norm that works as torch's own do."""
    return isinstance(layer, _BatchNorm) and type(layer).forward in (_BatchNorm.forward, SyncBatchNorm.forward)


def kinds(probe: Probe) -> Kinds:
    """Sort a network's state; raises PathsearchError naming what no point of a path could be given."""
    carrier, look, made = probe.carrier, probe.look, probe.carrier.made
    passes = [look(made, seed) for seed in range(SEEDS)]
    again = look(made, 0)
    if differ(passes[0].outputs, again.outputs):
        raise PathsearchError(
            "the network gives another output when it is called again: it must not keep anything from one call to "
            "the next but in buffers, nor draw from a generator of its own"
        )
    changed = {name for name in made for each in passes if not same(each.left[name], made[name])}
    averaged: dict[str, int] = {}
    layers: list[nn.Module] = []
    for name, part in carrier.module.named_modules():
        # a momentum of 0 leaves the statistics alone
        if own(part) and part.training and part.track_running_stats and part.momentum != 0.0:
            layers.append(part)
            averaged.update({f"{name}.{key}" if name else key: start for key, start in AVERAGED.items()})
    averaged = {name: start for name, start in averaged.items() if name in made}  # one without a counter
    others = [name for name in made if name in changed and name not in averaged]
    rates: dict[str, Tensor] = {}
    if others:
        _refuse_memory(probe, others, passes[0])
        needed = _needed(probe, others, passes[0].left, ())
        layers += [layer for layer in {id(o): o for o in map(carrier.owner, needed)}.values() if layer not in layers]
        rates = _rates(probe, needed, layers)
    shared = tuple(name for name in made if name not in changed and name not in averaged)
    return Kinds(shared, averaged, rates, tuple(layers), any(p.drew for p in passes))


def _refuse_memory(probe: Probe, names: list[str], first: Seen) -> None:
    """Raise PathsearchError where the output in training mode depends on what training itself changes."""
    needed = _needed(probe, names, first.left, None)
    if not needed:
        return
    part, which = probe.carrier.owner(needed[0]), probe.carrier.kind(needed[0])
    if any("SpectralNorm" in type(each).__name__ for each in (part, *part._forward_pre_hooks.values())):
        raise PathsearchError(
            f"{which} belongs to spectral norm, whose vectors follow the weights over many steps of training, so a "
            "point of a path has none: use weight_norm, or fold the norm into the weights by remove_parametrizations "
            "or remove_spectral_norm"
        )
    raise PathsearchError(
        f"{which} is changed by training and enters the output in training mode, so its value depends on the steps "
        "before, and a point of a path has none: leave that layer out, or keep it in evaluation mode by overriding "
        "train()"
    )


def _needed(probe: Probe, names: list[str], left: State, layers: Sequence[nn.Module] | None) -> list[str]:
    """Those of `names` on which the output depends; layers as in `Probe.look`."""
    made = probe.carrier.made
    wanted = probe.look(made, 0, layers).outputs

    def depends(some: list[str]) -> bool:
        others = ({name: left[name] for name in some}, {name: _shifted(made[name]) for name in some})
        return any(_other(probe, {**made, **other}, layers, wanted) for other in others)

    if not depends(names):
        return []
    return [name for name in names if depends([name])] or names


def _other(probe: Probe, state: State, layers: Sequence[nn.Module] | None, wanted: Tensor) -> bool:
    try:
        return differ(probe.look(state, 0, layers).outputs, wanted)
    except PathsearchError:
        return False  # a value that the network has no use for, such as an index out of range, tells nothing


def _shifted(tensor: Tensor) -> Tensor:
    """Another value of the same kind: numbers stay positive, counters become those of a network trained for long."""
    if tensor.dtype == torch.bool:
        return ~tensor
    if tensor.is_floating_point() or tensor.is_complex():
        return 1.5 * tensor + 0.5
    return tensor + min(1_000_000, torch.iinfo(tensor.dtype).max // 2)


def _rates(probe: Probe, names: list[str], layers: list[nn.Module]) -> dict[str, Tensor]:
    """How fast each statistic moves: 1 − the slope of the affine map by which a pass changes it."""
    for dtype, close in PROBES:
        try:
            slopes = [_slopes(probe, names, layers, dtype, close, half) for half in (False, True)]
        except PathsearchError:
            if dtype is None:
                raise
            continue  # the network allows no other precision than its own
        break
    for name in names:
        first, second = (each.get(name) for each in slopes)
        if first is None or second is None or not torch.allclose(first, second, rtol=0, atol=close):
            raise PathsearchError(
                f"{probe.carrier.kind(name)} is changed by training in a way that cannot be worked out at a "
                "point of a path: only averages that move by (1 − momentum)·old + momentum·new can; leave that layer "
                "out, or keep it in evaluation mode by overriding train()"
            )
    return {name: 1.0 - slopes[0][name].double() for name in names}


def _slopes(
    probe: Probe,
    names: list[str],
    layers: list[nn.Module],
    dtype: torch.dtype | None,
    close: float,
    half: bool,
) -> State:
    """Slopes of the maps that are affine and forget: found from two starts, held against a third."""
    made = probe.carrier.made
    names = [name for name in names if made[name].is_floating_point()]
    wide = {name: made[name].to(dtype or made[name].dtype) for name in names}
    random = torch.Generator().manual_seed(0)
    third = {n: torch.rand(each.shape, generator=random, dtype=each.dtype).to(each.device) for n, each in wide.items()}

    def ends(starts: State) -> State:
        return probe.look({**made, **starts}, 0, layers, dtype, half).left

    zero, one = (ends({n: torch.full_like(each, start) for n, each in wide.items()}) for start in (0.0, 1.0))
    last = ends(third)
    slopes: State = {}
    for name in names:
        if zero[name].shape != made[name].shape:
            continue
        slope = one[name] - zero[name]
        miss = (last[name] - zero[name] - slope * third[name]).abs()
        scale = 1.0 + zero[name].abs()
        if (miss <= close * scale).all() and (slope > -close).all() and (slope < 1.0 - 1e-9).all():
            slopes[name] = slope
    return slopes
