"""Operations of a run against a count by hand."""

import numpy as np
import pytest
from PIL import Image

from pathsearch.cost.estimate import estimate, operations
from pathsearch.run.config import load

MLP = [
    "objective.model={name: mlp, args: {width: 16, depth: 1}}",
    "objective.batch=50",
    "steps=100",
    "endpoints.start.train.steps=10",
    "endpoints.end.train.steps=10",
    "method={name: neb, images: 3}",
    "measure={points: 5, plane: 0}",
]


def test_operations_of_an_mlp():
    settings, folder = load("digits", MLP)
    counted = operations(settings, folder)
    forward = 2 * (64 * 16 + 16 * 10)  # an example's: multiplications and additions
    # backward: of the weights everywhere, of the inputs not in the first layer
    backward = forward + 2 * 16 * 10
    assert counted.gradient == 50 * (forward + backward)
    assert counted.point == (2 * 1438 + 359) * forward


OWN = """
import torch
from torch import nn

class Mixer(nn.Module):
    def __init__(self):
        super().__init__(); self.table, self.mix, self.out = nn.Embedding(11, 16), nn.Linear(16, 16), nn.Linear(16, 11)
    def forward(self, x): return self.out(torch.relu(self.mix(self.table(x))))

def pairs(split, seed, step, size):
    draw = torch.Generator().manual_seed(step)
    return {"left": torch.randn(size, 16, generator=draw), "right": torch.randn(size, 16, generator=draw)}

class Tower(nn.Linear):
    def __init__(self): super().__init__(16, 4)

def loss(model, batch):
    a, b = model(batch["left"]), model(batch["right"])
    return ((a - b) ** 2).sum(), len(a)
"""


def test_operations_of_any_task(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.py").write_text(OWN)
    for name, count in (("train", 400), ("test", 80)):
        (tmp_path / f"{name}.bin").write_bytes(np.arange(count, dtype="u2").__mod__(11).tobytes())
    tokens = "objective.data={name: tokens, train: train.bin, test: test.bin, context: 5}"
    ids = ["objective.model=own:Mixer", tokens, "objective.loss=next_token"]
    some = ["objective.batch=6", "objective.micro_batch=4", "measure={points: 5, plane: 0, examples: 10}"]
    drawn = "objective.data={name: batches, target: 'own:pairs', train_batches: 3, test_batches: 2}"
    towers = ["objective.model=own:Tower", drawn, "objective.loss=own:loss", "objective.batch=12"]
    cases = {  # forward of an example, backward of one, examples of a step, examples measured at a point
        "tokens": (ids + some, 5 * 2 * (16 * 16 + 16 * 11), 2, 6, 2 * 10 + 10),
        "pairs": (towers, 2 * 2 * 16 * 4, 1, 12, (2 * 3 + 2) * 12),
    }
    for overrides, forward, backward, batch, examples in cases.values():
        counted = operations(*load("digits", [*MLP, *overrides]))
        assert counted.gradient == batch * (1 + backward) * forward
        assert counted.point == examples * forward


def test_pictures_that_are_read_as_they_are_drawn_are_not_all_decoded(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for part in ("train", "test"):
        for kind in ("cat", "dog"):
            (tmp_path / part / kind).mkdir(parents=True)
            Image.new("RGB", (4, 4)).save(tmp_path / part / kind / "0.png")
    drawn = f"objective.data={{name: folder, root: {tmp_path}}}"
    settings = load("digits", [*MLP, drawn])
    held = operations(*settings)
    monkeypatch.setattr("pathsearch.cost.estimate.room", lambda device: 0)
    monkeypatch.setattr("pathsearch.objectives.streamed.moments", None)  # of all pictures
    assert operations(*settings) == held


def test_the_estimate_is_the_sum_over_steps_and_points():
    settings, folder = load("digits", MLP)
    counted = operations(settings, folder)
    one, four = (estimate(settings, counted, gpus, 1e-6) for gpus in (1, 4))
    gradients = 2 * 10 + 3 * 100
    assert one.operations >= gradients * counted.gradient + 10 * counted.point
    assert one.operations == pytest.approx(gradients * counted.gradient + 10 * counted.point, rel=0.5)  # losses of ends
    assert one.gpu_hours == pytest.approx(one.operations / 1e6 / 3600)
    assert four.wall_hours < one.wall_hours <= one.gpu_hours <= four.gpu_hours


def test_only_networks_are_counted():
    assert operations(*load("muller-brown", [])) is None
