"""Memory that a band takes at its peak over that of its vectors: `python -m pathsearch.cost.memory`.

Vectors are pivots, gradients of the images, and the optimiser's states. Every case runs in a process of its own and
keeps a checkpoint at the end. The peak of a run with a hundred weights, which is that of the process itself, is
subtracted. The loss is a bowl, whose gradient takes one new vector and nothing else.

At last a band of a network, GPT-2's smallest: what one forward and backward pass of the bare model takes in a process
of its own, with that process, is subtracted.
"""

import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from pathsearch import storage
from pathsearch.cost import gpt
from pathsearch.cost.peak import peak
from pathsearch.holders import SerialHolder
from pathsearch.machine import prepare_torch
from pathsearch.methods import AutoNeb, Neb
from pathsearch.methods.stages import Stage
from pathsearch.numerics.seeds import Key
from pathsearch.objectives.function import FunctionObjective
from pathsearch.optimizers import Adam, Optimizer, Sgd
from pathsearch.run import keeping
from pathsearch.search import State, moving_pivots, search

PARAMETERS, IMAGES, STEPS = 10_000_000, 7, 3
SMALL = 100  # weights of a band that is nothing beside its process
GROWING = [{"insert": {"rule": "equal", "count": count}} for count in (IMAGES - 3, 3)]
CASES: dict[str, Callable[[], list[Stage]]] = {
    "springs, momentum": lambda: _stages(Neb(images=IMAGES, spring=1.0), Sgd(momentum=0.9)),
    "re-spaced, momentum": lambda: _stages(Neb(images=IMAGES, spring="inf"), Sgd(momentum=0.9)),
    "re-spaced, adam": lambda: _stages(Neb(images=IMAGES, spring="inf"), Adam()),
    "four images, then seven": lambda: _stages(AutoNeb.model_validate({"cycles": GROWING}), Sgd(momentum=0.9)),
}


GPT_IMAGES = 3


class _Bowl(FunctionObjective):
    def loss_and_gradient(self, weights: torch.Tensor, key: Key) -> tuple[torch.Tensor, torch.Tensor]:
        return self.loss(weights, key), 2.0 * weights


def ratio(case: str, parameters: int = PARAMETERS) -> float:
    """Peak memory of a case of CASES over that of its vectors, in fresh processes."""
    last = CASES[case]()[-1]
    vectors = IMAGES + 2 + IMAGES * (1 + len(last.optimizer.state_names()))
    return (_peak_of(case, parameters) - _peak_of(case, SMALL)) / (8 * parameters * vectors)


def _peak_of(case: str, parameters: int) -> int:
    command = [sys.executable, "-m", __spec__.name, case, str(parameters)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _run(case: str, parameters: int) -> None:
    prepare_torch("float32")
    holder = SerialHolder(_Bowl(lambda weights: weights @ weights, parameters, torch.float64, torch.device("cpu")))
    holder.load([np.full(parameters, end) for end in (0.0, 1.0)], [], {})
    stages = CASES[case]()
    for step in search(holder, stages, State(2), 0, False):
        state = step.state
    with tempfile.TemporaryDirectory(dir=".") as folder:
        storage.write(Path(folder) / "path.h5", _kept(holder, stages[-1], state.pivots))


def gpt_ratio() -> float:
    """Peak memory of a step of a GPT's band, less a pass of the bare model, over that of its vectors."""
    vectors = GPT_IMAGES + 2 + GPT_IMAGES * 2
    return (_peak_of("gpt", 0) - _peak_of("bare gpt", 0)) / (4 * gpt.size() * vectors)


def _run_gpt() -> None:
    objective = gpt.opened()
    holder = SerialHolder(objective)
    holder.load([objective.initial(seed).numpy() for seed in (0, 1)], [], {})
    stages = Neb(images=GPT_IMAGES).stages(Sgd(momentum=0.9), 1, None)
    for _ in search(holder, stages, State(2), 0, objective.stochastic):
        pass


def _bare_gpt() -> None:
    prepare_torch("float32")
    gpt.once()


GPT: dict[str, Callable[[], None]] = {"gpt": _run_gpt, "bare gpt": _bare_gpt}


def _kept(holder: SerialHolder, stage: Stage, pivots: int) -> storage.Kept:
    rows, objective = moving_pivots(pivots), holder.block.objective
    return storage.Kept(
        weights=keeping.weights(objective, holder, pivots),
        moving=rows,
        optimizer=keeping.states(objective, holder, rows, stage.optimizer.state_names()),
    )


def _stages(method: Neb | AutoNeb, optimizer: Optimizer) -> list[Stage]:
    return method.stages(optimizer, STEPS, None)


if __name__ == "__main__":
    if len(sys.argv) == 3:
        case, parameters = sys.argv[1], int(sys.argv[2])
        GPT.get(case, lambda: _run(case, parameters))()
        print(peak())
    else:
        print(f"{PARAMETERS:,} weights, {IMAGES} images: peak over pivots, gradients and optimiser state")
        for name in CASES:
            print(f"{name:28}{ratio(name):.3f}")
        print(f"GPT of {gpt.size():,} weights, {GPT_IMAGES} images, momentum: the same, less a pass of the bare model")
        print(f"{'one step':28}{gpt_ratio():.3f}")
