"""Which of a network's tensors all points of a path share, and which are statistics that every point has anew.

Passes over a few examples show which: what passes change and what outputs depend on decides, not names of classes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import SyncBatchNorm, _BatchNorm

from pathsearch.errors import PathsearchError
from pathsearch.objectives.probe import Probe, Seen, differ
from pathsearch.objectives.tensors import State, same

AVERAGED = {"running_mean": 0, "running_var": 1, "num_batches_tracked": 0}
"""Statistics of torch's batch norms, and the values they start from."""
SEEDS = 3  # of the passes that show what training changes: a pass may skip layers at random
PROBES: tuple[tuple[torch.dtype | None, float], ...] = ((torch.float64, 1e-9), (None, 1e-3))
"""Precisions in which an update is looked at, and how well it must be affine; None is the network's own, for networks
that allow no other."""


@dataclass(frozen=True)
class Kinds:
    """The tensors of a network that are no coordinates, by kind."""

    shared: tuple[str, ...]
    """what training leaves alone: all points of a path have the same"""
    averaged: dict[str, int]
    """statistics of torch's own batch norms in training mode, and their start"""
    rates: dict[str, Tensor]
    """statistics of other layers, which become (1 − rate)·old + rate·new in a pass"""
    layers: tuple[nn.Module, ...]
    """those that have statistics"""
    draws: bool
    """whether the output in training mode is random"""
    unwritten: frozenset[str]
    """frozen parameters that no pass writes to; they may be large, and need no copies"""


def is_torchs(layer: nn.Module) -> bool:
    """Whether a layer is a batch norm that works as torch's do."""
    return isinstance(layer, _BatchNorm) and type(layer).forward in (_BatchNorm.forward, SyncBatchNorm.forward)


def kinds(probe: Probe) -> Kinds:
    """Sort a network's tensors; raises PathsearchError that names one which no point of a path can be given."""
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
        # with a momentum of 0 the statistics stay as they are
        if is_torchs(part) and part.training and part.track_running_stats and part.momentum != 0.0:
            layers.append(part)
            averaged.update({f"{name}.{key}" if name else key: start for key, start in AVERAGED.items()})
    averaged = {name: start for name, start in averaged.items() if name in made}  # old batch norms have no counter
    others = [name for name in made if name in changed and name not in averaged]
    rates: dict[str, Tensor] = {}
    if others:
        _refuse_memory(probe, others, passes[0])
        needed = _needed(probe, others, passes[0].left, ())
        layers += [layer for layer in {id(o): o for o in map(carrier.owner, needed)}.values() if layer not in layers]
        rates = _rates(probe, needed, layers)
    shared = tuple(name for name in made if name not in changed and name not in averaged)
    # evaluation mode may write to what training leaves alone: some adapters are added to the weights there
    left = look(made, 0, ()).left
    unwritten = frozenset(name for name in carrier.frozen if name in shared and same(left[name], made[name]))
    return Kinds(shared, averaged, rates, tuple(layers), any(p.drew for p in passes), unwritten)


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
    """The names of tensors on which the output depends; layers as in `Probe.look`."""
    made = probe.carrier.made
    wanted = probe.look(made, 0, layers).outputs

    def depends(some: list[str]) -> bool:
        others = ({name: left[name] for name in some}, {name: _shifted(made[name]) for name in some})
        return any(_other(probe, {**made, **other}, layers, wanted) for other in others)

    if not depends(names):
        return []
    return [name for name in names if depends([name])] or names


def _other(probe: Probe, state: State, layers: Sequence[nn.Module] | None, wanted: list[Tensor]) -> bool:
    try:
        return differ(probe.look(state, 0, layers).outputs, wanted)
    except PathsearchError:
        return False  # a value that the network cannot use, such as an index out of range, tells nothing


def _shifted(tensor: Tensor) -> Tensor:
    """Another value of the same kind: numbers stay positive, counters become those of a long training."""
    if tensor.dtype == torch.bool:
        return ~tensor
    if tensor.is_floating_point() or tensor.is_complex():
        return 1.5 * tensor + 0.5
    return tensor + min(1_000_000, torch.iinfo(tensor.dtype).max // 2)


def _rates(probe: Probe, names: list[str], layers: list[nn.Module]) -> dict[str, Tensor]:
    """The rate of each statistic: 1 − the slope of the affine map by which a pass changes it."""
    for dtype, close in PROBES:
        try:
            slopes = [_slopes(probe, names, layers, dtype, close, half) for half in (False, True)]
        except PathsearchError:
            if dtype is None:
                raise
            continue  # the network works in its own precision only
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
    """Slopes of the statistics whose maps are affine and forget their start: two starts give it, a third checks it."""
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
