"""The reference holder: all vectors in this process, on one device."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pathsearch.holders import vectors
from pathsearch.methods.sampling import Sample
from pathsearch.numerics.basis import Array
from pathsearch.numerics.seeds import Key
from pathsearch.objectives.protocol import Objective
from pathsearch.optimizers.rules import Plan


class SerialHolder:
    """Pivots [N, M], gradients and registers [n, M] as torch tensors; verbs as in `Holder`."""

    def __init__(self, objective: Objective) -> None:
        self.objective = objective
        self._pivots = vectors.zeros(0, objective.size, objective.dtype, objective.device)
        self._rows: list[int] = []
        self._gradients = self._pivots
        self._registers: dict[str, torch.Tensor] = {}

    def load(self, pivots: NDArray[Any], rows: list[int], registers: dict[str, NDArray[Any]]) -> None:
        self._pivots = self._tensor(pivots)
        self.begin(rows, tuple(registers))
        for name, values in registers.items():
            self._registers[name] = self._tensor(values)

    def begin(self, rows: list[int], registers: tuple[str, ...]) -> None:
        self._rows = rows
        self._gradients = self._zeros(len(rows))
        self._registers = {name: self._zeros(len(rows)) for name in registers}

    def evaluate(self, sample: Sample) -> tuple[Array, Array]:
        losses: list[torch.Tensor] = []
        touched = np.zeros(len(self._rows), dtype=bool)
        for mixture, back, key in zip(sample.mix, sample.back, sample.keys):
            point = self._point(mixture)
            if not back.any():
                losses.append(self.objective.loss(point, key))
                continue
            loss, gradient = self.objective.loss_and_gradient(point, key)
            losses.append(loss)
            for n, row in enumerate(self._rows):
                if back[row] == 0.0:
                    continue
                if touched[n]:
                    self._gradients[n].add_(gradient, alpha=back[row])
                else:
                    torch.mul(gradient, back[row], out=self._gradients[n])
                    touched[n] = True
        self._gradients[~torch.from_numpy(touched)] = 0.0
        gram = vectors.gram(self._pivots, self._rows, self._gradients, list(self._registers.values()))
        return vectors.array(torch.stack(losses).double()), gram

    def update(self, plan: Plan) -> None:
        vectors.update(self._pivots, self._rows, self._gradients, self._registers, plan)

    def mix(self, mixture: Array) -> None:
        rows = np.asarray(self._rows)
        if len(mixture) == len(self._pivots):
            along = mixture[np.ix_(rows, rows)]
            self._registers = {name: vectors.mixed(along, old) for name, old in self._registers.items()}
        else:
            self._registers = {}
        self._pivots = vectors.mixed(mixture, self._pivots)

    def losses(self, mixture: Array, keys: list[Key]) -> Array:
        points = (self._point(row) for row in mixture)
        losses = [torch.stack([self.objective.loss(point, key) for key in keys]).double().mean() for point in points]
        return vectors.array(torch.stack(losses))

    def lengths(self) -> Array:
        return vectors.lengths(self._pivots)

    def chords(self) -> Array:
        return vectors.chords(self._pivots)

    def measure(self, mixture: Array) -> dict[str, Array]:
        measured = [self.objective.measure(self._point(row)) for row in mixture]
        return {name: np.array([point[name] for point in measured]) for name in self.objective.metrics}

    def predictions(self, mixture: Array) -> NDArray[np.int64] | None:
        predicted = [self.objective.predictions(self._point(row)) for row in mixture]
        return None if any(p is None for p in predicted) else np.stack(predicted)  # type: ignore[arg-type]

    def pivots(self) -> NDArray[Any]:
        return self._pivots.cpu().numpy().copy()

    def registers(self) -> dict[str, NDArray[Any]]:
        return {name: values.cpu().numpy().copy() for name, values in self._registers.items()}

    def _tensor(self, array: NDArray[Any]) -> torch.Tensor:
        return self._zeros(len(array)).copy_(torch.from_numpy(np.asarray(array)))

    def _zeros(self, rows: int) -> torch.Tensor:
        return vectors.zeros(rows, self.objective.size, self.objective.dtype, self.objective.device)

    def _point(self, mixture: Array) -> torch.Tensor:
        (used,) = np.nonzero(mixture)
        if len(used) == 1 and mixture[used[0]] == 1.0:
            return self._pivots[int(used[0])]
        return vectors.mixed(mixture[None], self._pivots)[0]
