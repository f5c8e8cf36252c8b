"""The loop: a generator that relaxes a path stage by stage and yields where it stands before every move."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from pathsearch.errors import NotFinite, PathsearchError
from pathsearch.holders.protocol import Holder
from pathsearch.methods.stages import Insertion, Stage
from pathsearch.numerics import insertion
from pathsearch.numerics.basis import AHEAD, BACK, GEOMETRY, Array
from pathsearch.numerics.messages import Sample, Traffic
from pathsearch.numerics.seeds import Key, derive
from pathsearch.numerics.spacing import hats, respaced
from pathsearch.optimizers import DETERMINISTIC, Memory

PROBE, SEARCH = 12, 13  # what a seed is for: the mini-batches that insertion looks at, those of a stage


@dataclass(frozen=True)
class State:
    """Where a search stands. With the pivots and the optimiser's states it is all that a search needs to go on.

    Its values are plain, so that JSON keeps them exactly. `shares` are the segments' shares of the length that
    re-spacing keeps, None for equal ones. `step` counts within the stage, `moves` and `evaluations` (gradients of
    single points) over the whole search.
    """

    pivots: int
    shares: list[float] | None = None
    stage: int = 0
    step: int = 0
    moves: int = 0
    begun: bool = False
    evaluations: int = 0
    converged: bool = False
    method: Memory = field(default_factory=dict)
    optimizer: Memory = field(default_factory=dict)


@dataclass(frozen=True)
class Step:
    """One step, before its move. A search goes on from `state` and the holder's vectors.

    losses [S] at path positions t [S]; `force` is the largest norm over the moving pivots, `length` that of the
    chain of pivots; `evaluations` counts this step's gradients too. `traffic` is what this step and the move before
    it sent.
    """

    state: State
    stage: Stage
    t: Array
    losses: Array
    force: float
    length: float
    evaluations: int
    converged: bool
    traffic: Traffic

    def __repr__(self) -> str:
        return (
            f"Step({self.stage.name}, step {self.state.step}, highest loss {self.losses.max():.4g}, "
            f"force {self.force:.3g})"
        )

    def stage_done(self) -> State:
        """The state from which the next stage begins."""
        return replace(
            self.state,
            stage=self.state.stage + 1,
            begun=False,
            evaluations=self.evaluations,
            converged=self.converged,
        )


def search(holder: Holder, stages: list[Stage], state: State, seed: int, stochastic: bool) -> Iterator[Step]:
    """Carry out the stages from `state` on; yields every step before its move.

    Raises PathsearchError where a loss or gradient is not finite, and as `refuse_random`.
    """
    refuse_random(stages, stochastic)
    while state.stage < len(stages):
        stage = stages[state.stage]
        if not state.begun:
            pivots = _place(holder, stage, state.pivots, derive(PROBE, seed, state.stage))
            state = replace(
                state,
                pivots=pivots,
                shares=_shares(holder, stage),
                step=0,
                begun=True,
                converged=False,
                method={},
                optimizer={},
            )
            holder.begin(moving_pivots(pivots), stage.optimizer.state_names())
        for step in _relax(holder, stage, state, derive(SEARCH, seed, state.stage), stochastic):
            yield step
        state = step.stage_done()


def refuse_random(stages: list[Stage], stochastic: bool) -> None:
    """Raise PathsearchError where an optimiser would compare steps of a loss that is drawn at random."""
    for stage in stages:
        if stochastic and isinstance(stage.optimizer, DETERMINISTIC):
            raise PathsearchError(
                f"optimizer {stage.optimizer.name} needs the same loss every step, but this one draws mini-batches: "
                "use optimizer sgd or adam, or objective.batch=null without augmentation and dropout"
            )


def moving_pivots(pivots: int) -> list[int]:
    """Indices of the pivots that move: all but the ends, or the only one there is."""
    return [0] if pivots == 1 else list(range(1, pivots - 1))


def _relax(holder: Holder, stage: Stage, state: State, seed: int, stochastic: bool) -> Iterator[Step]:
    method, moving = stage.method, moving_pivots(state.pivots)
    fixed = isinstance(stage.optimizer, DETERMINISTIC)
    while True:
        step = state.step
        sample = method.sample(state.pivots, moving, seed, step, fixed)
        losses, gram = holder.evaluate(sample)
        _check_finite(losses, gram, sample, moving, f"step {step} of {stage.name}", holder.place)
        forces = method.forces(losses, gram[:, :GEOMETRY, :GEOMETRY], state.method, stochastic)

        evaluations = state.evaluations + int(np.count_nonzero(sample.with_gradient))
        force = float(forces.norms.max())
        # the force of a random draw may be small by chance: it says nothing about convergence
        drawn = stochastic or not sample.fixed
        converged = stage.tolerance is not None and not drawn and force <= stage.tolerance
        length = float(np.sqrt(gram[:, BACK, BACK]).sum() + np.sqrt(gram[-1, AHEAD, AHEAD]))
        yield Step(state, stage, sample.t, losses, force, length, evaluations, converged, holder.traffic())
        if converged or step >= stage.steps:
            return

        plan, memory = stage.optimizer.advance(forces.force, gram, state.optimizer, step / stage.steps)
        holder.update(plan)
        if method.respaced:
            anchor = None if forces.climber is None else moving[forces.climber]
            holder.mix(respaced(holder.lengths(), state.shares, anchor))
        state = replace(
            state,
            step=step + 1,
            moves=state.moves + 1,
            evaluations=evaluations,
            method=forces.memory,
            optimizer=memory,
        )


def _place(holder: Holder, stage: Stage, pivots: int, seed: int) -> int:
    """Put pivots where the stage begins from; returns how many there are then."""
    if stage.interior is not None:
        wanted = insertion.equal(holder.lengths(), stage.interior + 2)
    elif stage.insertion is not None:
        wanted = _inserted(holder, stage.insertion, pivots, seed)
    else:
        return pivots
    holder.mix(hats(wanted, pivots))
    return len(wanted)


def _shares(holder: Holder, stage: Stage) -> list[float] | None:
    """The segments' shares of the length that re-spacing keeps, where inserted pivots stay where they were put."""
    if stage.insertion is None or not insertion.RULES[stage.insertion.rule].stays:
        return None
    lengths = holder.lengths()
    return list((lengths / lengths.sum()).tolist())


def _inserted(holder: Holder, how: Insertion, pivots: int, seed: int) -> Array:
    """Positions, on the chain of `pivots`, of those and the ones that are added."""
    keys = [Key(seed, batch) for batch in range(how.batches)]

    def losses(positions: Array) -> Array:
        return np.array(holder.ask("loss", hats(positions, pivots), keys))

    chain = insertion.Chain(pivots, holder.lengths, losses)
    return insertion.RULES[how.rule].positions(chain, how.count, how.threshold)


def _check_finite(
    losses: Array, gram: Array, sample: Sample, moving: list[int], when: str, place: Callable[[int], str]
) -> None:
    if not np.isfinite(losses).all():
        bad = int(np.flatnonzero(~np.isfinite(losses))[0])
        where, what = f"image {bad} (t = {sample.t[bad]:.4g})", f"loss is {losses[bad]}"
    elif not np.isfinite(gram).all():
        row = moving[int(np.flatnonzero(~np.isfinite(gram).all(axis=(1, 2)))[0])]
        used = np.flatnonzero(sample.back[:, row])  # none where random t missed it
        bad = int(used[0]) if len(used) else -1
        where, what = f"image {row}", "weights or gradient are not finite"
    else:
        return
    where += place(bad) if bad >= 0 else ""
    raise NotFinite(f"{what} at {where}, {when}: try a smaller optimizer.lr or optimizer.max_step")
