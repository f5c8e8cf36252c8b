"""The share of a step that a device waits for pictures that are decoded ahead: `python -m pathsearch.cost.streaming`.

Steps of ResNet-20 on 20,000 JPEG files, decoded whenever they are drawn, and on the same pictures held in memory, in
turn, in blocks. The first steps of a block do not count: what they take was read while the other set had its turn.
"""

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from PIL import Image

from pathsearch.machine import device_of
from pathsearch.numerics.seeds import Key
from pathsearch.objectives import ModelSettings, NetworkSettings, opening
from pathsearch.objectives.data import Folder
from pathsearch.objectives.network import NetworkObjective
from pathsearch.objectives.streamed import Streamed

PICTURES, TESTED, SIDE, CLASSES = 20_000, 200, 32, 10
BATCH, BLOCKS, WARM, COUNTED = 128, 4, 4, 12  # examples; blocks of each set; steps of a block


@dataclass
class Times:
    """Seconds of steps, of the waits in them for pictures to be read, and of drawing their mini-batches altogether."""

    workers: int = 0
    """processes that read ahead"""
    steps: list[float] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    draws: list[float] = field(default_factory=list)

    def share(self, parts: list[float]) -> float:
        """Of all steps together, so that a rare long wait counts."""
        return sum(parts) / sum(self.steps)


def streaming(folder: Path, pictures: int = PICTURES, blocks: int = BLOCKS, counted: int = COUNTED) -> dict[str, Times]:
    """Times of the sets `held` and `streamed`, whose files are made in a folder."""
    _make(folder / "train", pictures)
    _make(folder / "test", min(TESTED, pictures))
    turns = {name: _Turn(_opened(folder, room)) for name, room in (("held", float("inf")), ("streamed", 0.0))}
    for _ in range(blocks):
        for turn in turns.values():
            turn.take(counted)
    return {name: turn.times for name, turn in turns.items()}


class _Turn:
    """Steps of one of the sets, with clocks where it draws and where it waits."""

    def __init__(self, objective: NetworkObjective) -> None:
        self.objective, self.times, self.done = objective, Times(), 0
        self.weights = objective.initial(0)
        self.waited, self.drawn = [0.0], [0.0]
        train: Any = objective.train
        draw = train.draw
        train.draw = _clocked(lambda key: list(draw(key)), self.drawn)
        if isinstance(train, Streamed):
            self.times.workers = train.ahead.workers
            train.ahead.read = _clocked(train.ahead.read, self.waited)  # type: ignore[method-assign]

    def take(self, counted: int) -> None:
        for n in range(WARM + counted):
            self.waited[0] = self.drawn[0] = 0.0
            begun = time.perf_counter()
            loss, gradient = self.objective.loss_and_gradient(self.weights, Key(0, self.done))
            self.done += 1
            float(loss + gradient[0])  # a GPU has come to the end of the step
            if n >= WARM:
                self.times.steps.append(time.perf_counter() - begun)
                self.times.waits.append(self.waited[0])
                self.times.draws.append(self.drawn[0])


def _clocked(function: Callable[..., Any], seconds: list[float]) -> Callable[..., Any]:
    """A function that adds up the seconds it takes."""

    def timed(*arguments: Any) -> Any:
        begun = time.perf_counter()
        try:
            return function(*arguments)
        finally:
            seconds[0] += time.perf_counter() - begun

    return timed


def _opened(folder: Path, room: float) -> NetworkObjective:
    data = Folder(root=str(folder), augment=True)
    settings = NetworkSettings(model=ModelSettings(name="resnet20"), data=data, batch=BATCH)
    model = opening.model_of(settings.model, folder)
    return opening.network(settings, model, data.load(folder, room), data.augment, device_of("auto"))


def _make(folder: Path, pictures: int) -> None:
    """Smooth pictures with some noise: they are compressed about as photographs are."""
    rng = np.random.default_rng(0)
    for n in range(pictures):
        if n < CLASSES:
            (folder / str(n)).mkdir(parents=True)
        coarse = Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8))
        pixels = np.asarray(coarse.resize((SIDE, SIDE), Image.Resampling.BICUBIC), dtype=np.int16)
        noisy = (pixels + rng.integers(-12, 13, pixels.shape)).clip(0, 255).astype(np.uint8)
        Image.fromarray(noisy).save(folder / str(n % CLASSES) / f"{n}.jpg", quality=90)


def table(found: dict[str, Times]) -> list[str]:
    """What was found, in lines."""
    by = found["streamed"].workers
    lines = [
        f"ResNet-20, mini-batches of {BATCH}, threads of torch: {torch.get_num_threads()}, processes that decode: {by}",
        f"{'':12}{'step, ms':>12}{'wait':>10}{'draw':>10}",
    ]
    for name, times in found.items():
        shares = "".join(f"{100 * times.share(parts):9.2f}%" for parts in (times.waits, times.draws))
        lines.append(f"{name:12}{1e3 * median(times.steps):12.1f}{shares}")
    ratio = median(found["streamed"].steps) / median(found["held"].steps)
    return [*lines, f"a step on streamed pictures takes {ratio:.3f} × one on held pictures (medians)"]


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        print("\n".join(table(streaming(Path(place)))))
