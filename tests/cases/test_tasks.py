"""Losses, metrics, batches and patterns of users' own that cannot work: each is one line that says what to mend."""

import textwrap
from pathlib import Path

import numpy as np
import pytest
import torch

from pathsearch.errors import PathsearchError
from pathsearch.numerics.seeds import Key
from pathsearch.run import config
from pathsearch.run.recipe import Recipe
from tests.commands import pathsearch

HEADING = """
import os, random
import numpy as np, torch, torch.nn.functional as F
from torch import nn
class Net(nn.Module):
    def __init__(self, seed=7):
        super().__init__()
        self.a, self.b = nn.Linear(64, 4), nn.Linear(4, 10)
        with torch.no_grad(): self.a.weight.copy_(torch.randn(4, 64, generator=torch.Generator().manual_seed(seed)))
        self.a.bias.data.zero_()
    def forward(self, x): return self.b(torch.relu(self.a(x.flatten(1))))
def fine(model, batch): return F.cross_entropy(model(batch[0]), batch[1], reduction="sum"), len(batch[1])
"""
RUN = """
objective: {name: network, model: "own:Net", data: digits, batch: 20, loss: "own:fine"}
endpoints: {start: {train: {seed: 0, steps: 2}}, end: {train: {seed: 1, steps: 2}}}
method: {name: neb, images: 1}
optimizer: {name: sgd, lr: 0.01}
steps: 2
measure: {points: 3, plane: 0}
device: cpu
"""


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Put a module `own` and a configuration into a working folder of their own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)

    def into(module=""):
        (tmp_path / "own.py").write_text(HEADING + textwrap.dedent(module))
        (tmp_path / "run.yaml").write_text(RUN)
        return tmp_path

    return into


def opened(*overrides):
    settings, beside = config.load("run.yaml", list(overrides))
    return Recipe(settings, None, "cpu", beside, Path.cwd()).open()


def used(*overrides):
    """Open an objective, take a gradient and measure, as the first steps of a run do."""
    objective = opened(*overrides)
    weights = objective.initial(0)
    objective.loss_and_gradient(weights, Key(0, 0))
    objective.measure(weights)


def refused(*overrides):
    """The one line that says why not."""
    with pytest.raises(PathsearchError) as caught:
        used(*overrides)
    (line,) = str(caught.value).splitlines()
    return line


RETURNED = {
    "a tensor": ("F.cross_entropy(model(batch[0]), batch[1])", "must return (sum, count)", "Tensor of shape ()"),
    "a mean": ("F.cross_entropy(model(batch[0]), batch[1]), len(batch[1])", "returned a mean", "(sum, count)"),
    "a mean of one": ("F.cross_entropy(model(batch[0]), batch[1]), 1", "returned a mean", "(sum, count)"),
    "a row": ("F.cross_entropy(model(batch[0]), batch[1], reduction='none'), len(batch[1])", "sum", "of shape (16,)"),
    "a NaN count": ("fine(model, batch)[0], float('nan')", "counted nan", "must return (sum, count)"),
    "a NaN tensor": ("fine(model, batch)[0], torch.tensor(float('nan'))", "counted nan", "must return (sum, count)"),
    "a count of zero": ("fine(model, batch)[0], 0", "counted 0 in the first examples", "must count something"),
    "a negative count": ("fine(model, batch)[0], -3", "counted -3", "must return (sum, count)"),
    "three things": ("(*fine(model, batch), 3)", "must return (sum, count)", "tuple of 3"),
    "nothing": ("None", "must return (sum, count)", "returned a NoneType"),
    "no count": ("fine(model, batch)[0], None", "count", "None"),
    "a text": ("fine(model, batch)[0], '3'", "count", "str"),
    "what has no gradient": ("(fine(model, batch)[0].detach(), len(batch[1]))", "gradient", "detach"),
    "a failure": ("fine(model, batch[2])", "IndexError", "own.py, line"),
}


@pytest.mark.parametrize("case", RETURNED)
def test_a_loss_returns(write, case):
    body, *says = RETURNED[case]
    write(f"def loss(model, batch): return {body}")
    line = refused("objective.loss=own:loss")
    for each in ("objective.loss own:loss", *says):
        assert each in line


OF_METRICS = ["a tensor", "a row", "a NaN count", "a count of zero", "a failure", "a text"]


@pytest.mark.parametrize("case", OF_METRICS)
def test_a_metric_returns(write, case):
    body, *says = RETURNED[case]
    write(f"def metric(model, batch): return {body}")
    line = refused("objective.metrics={mine: 'own:metric'}")
    for each in ("objective.metrics.mine own:metric", *says):
        assert each in line


def test_a_metric_that_is_a_mean(write):
    write("def metric(model, batch): return fine(model, batch)[0] / len(batch[1]), len(batch[1])")
    line = refused("objective.metrics={mine: 'own:metric'}")
    assert "objective.metrics.mine own:metric" in line
    assert "mean" in line


def test_a_metric_that_fails_where_a_path_is_measured_loses_no_path(write):
    folder = write("""
        def metric(model, batch):
            if os.environ.get("FAILS"): raise ValueError("no such thing")
            return 1, len(batch[1])
    """)
    metric = "objective.metrics={mine: 'own:metric'}"
    pathsearch("run", "run.yaml", metric, "--out", "x", cwd=folder)
    assert "objective.metrics.mine own:metric raised ValueError: no such thing" in (
        pathsearch("run", "run.yaml", metric, "--out", "y", cwd=folder, status=1, FAILS="1").stderr
    )


WRONG = {
    "a built-in that is none": (["objective.loss=crossentropy"], "objective.loss", "did you mean 'cross_entropy'"),
    "a function that is not there": (["objective.loss=own:fin"], "objective.loss own:fin", "did you mean"),
    "a class": (["objective.loss=own:Net"], "objective.loss own:Net", "(model, batch)"),
    "a metric that is none": (["objective.metrics={m: acuracy}"], "objective.metrics", "accuracy"),
    "a metric called loss": (["objective.metrics={loss: accuracy}"], "objective.metrics", "cannot be called 'loss'"),
    "a pattern of nothing": (["objective.parameters=['*.lora_*']"], "*.lora_*", "a.weight"),
    "one of two of nothing": (["objective.parameters=['b.*', 'c.*']"], "c.*", "a.weight"),
    "no pattern": (["objective.parameters=[]"], "objective.parameters", "pattern"),
}


@pytest.mark.parametrize("case", WRONG)
def test_names_that_are_wrong(write, case):
    write()
    overrides, *says = WRONG[case]
    try:
        line = refused(*overrides)
    except ValueError as error:  # of pydantic, which the command line puts into a line
        line = str(error)
    for each in says:
        assert each in line


def test_frozen_parts_that_differ(write):
    folder = write()
    import own

    for seed, name in ((7, "a"), (7, "b"), (8, "c")):
        torch.manual_seed(seed)
        torch.save(own.Net(seed).state_dict(), f"{name}.pt")
    ends = ["objective.parameters=['b.*']", "endpoints.start=a.pt"]
    said = pathsearch("run", "run.yaml", *ends, "endpoints.end=c.pt", "--out", "x", cwd=folder, status=1).stderr
    (line,) = said.splitlines()
    assert "'a.weight' of c.pt differs from the other endpoint's" in line
    assert "objective.parameters" in line


def test_a_micro_batch_in_which_nothing_counts(write):
    """A piece of a mini-batch may be padding throughout: its mini-batch counts, and the piece adds nothing."""
    write("""
        def loss(model, batch):
            known = batch[1] == 0
            return (F.cross_entropy(model(batch[0]), batch[1], reduction="none") * known).sum(), known.sum()
    """)
    whole, parts = (opened("objective.loss=own:loss", *more) for more in ([], ["objective.micro_batch=2"]))
    weights = whole.initial(0)
    for one, other in zip(*(each.loss_and_gradient(weights, Key(0, 1)) for each in (whole, parts))):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)
    one, other = (each.measure(weights) for each in (whole, parts))
    np.testing.assert_allclose(list(one.values()), list(other.values()), rtol=1e-5)


DATA = """
from PIL import Image
class Items(torch.utils.data.Dataset):
    def __init__(self, wrong="", count=40): self.wrong, self.count, self.home = wrong, count, os.getpid()
    def __len__(self): return self.count
    def __getitem__(self, n):
        if n == 17 and self.wrong == "raises": raise KeyError("no such thing")
        if n == 17 and self.wrong == "dies" and os.getppid() == HOME: os._exit(3)
        if n == 17 and self.wrong == "picture": Image.open("17.jpg").load()
        if n == 17 and self.wrong == "shape": return torch.zeros(1, 8, 7), 0
        return torch.full((1, 8, 8), float(n)), n % 10
HOME = os.getpid()
def uneven(split, seed, step, size): return torch.zeros(size, 64), torch.zeros(size + 1, dtype=torch.long)
def texts(split, seed, step, size): return ["a"] * size
def nothing(split, seed, step, size): return None
def fails(split, seed, step, size): raise ValueError("no such thing")
def lists(split, seed, step, size): return [{1, 2}, torch.zeros(size)]
def no_size(split, seed, step): return torch.zeros(20, 64), torch.zeros(20, dtype=torch.long)
def shorter(items): return torch.stack([x for x, _ in items]), torch.tensor([y for _, y in items[1:]])
def empty(items): return None
def breaks(items): return torch.stack([x for x in items])
def padded(items): return torch.stack([x for x, _ in items]), torch.tensor([y for _, y in items]), torch.zeros(3)
def padded_loss(model, batch): return fine(model, batch[:2])
"""
ITEMS = "{{name: dataset, target: 'own:Items', train_args: {{wrong: {}}}, redraw: true, workers: 1}}"
JOINED = "{{name: dataset, target: 'own:Items', collate: 'own:{}'}}"
MADE = "{{name: batches, target: 'own:{}', train_batches: 2, test_batches: 1, workers: 0}}"
FED = {
    "a worker that dies": (
        ITEMS.format("dies"),
        "item 17 of objective.data.target own:Items",
        "objective.data.workers=0",
        "leave that one out",
    ),
    "an item that fails": (ITEMS.format("raises"), "item 17 of objective.data.target own:Items", "own.py, line"),
    "a corrupt image": (ITEMS.format("picture"), "item 17 of objective.data.target own:Items"),
    "an item of another shape": (ITEMS.format("shape"), "item 17", "(1, 8, 7)"),
    "a batch of two lengths": (MADE.format("uneven"), "own:uneven", "20 inputs and 21 targets"),
    "batches of texts": (MADE.format("texts"), "objective.data.target own:texts", "tensor"),
    "no batch": (MADE.format("nothing"), "objective.data.target own:nothing", "must return a batch"),
    "batches that fail": (MADE.format("fails"), "own:fails", "'train', ", "no such thing", "own.py, line"),
    "a set in a batch": (MADE.format("lists"), "objective.data.target own:lists", "set"),
    "a function of three": (MADE.format("no_size"), "objective.data.target own:no_size", "positional arguments"),
    "a collate of two lengths": (JOINED.format("shorter"), "own:shorter", "40 inputs and 39 targets"),
    "a collate of nothing": (JOINED.format("empty"), "objective.data.collate own:empty", "batch"),
    "a collate that fails": (JOINED.format("breaks"), "objective.data.collate own:breaks", "items", "own.py, line"),
}


@pytest.mark.parametrize("case", FED)
def test_data_that_cannot_be_used(write, case):
    folder = write(DATA)
    (folder / "17.jpg").write_bytes(b"\xff\xd8\xff\xe0 not a picture")
    data, *says = FED[case]
    # a loss of one's own may take tensors of several lengths, the built-in ones do not
    loss = "cross_entropy" if "lengths" in case else "own:fine"
    line = refused(f"objective.data={data}", f"objective.loss={loss}")
    for each in says:
        assert each in line


def test_a_batch_whose_tensors_differ_in_length_is_parted_by_its_items(write):
    """A collate makes each piece of a mini-batch, so nothing is cut that cannot be."""
    write(DATA)
    data = [f"objective.data={JOINED.format('padded')}", "objective.loss=own:padded_loss", "objective.batch=20"]
    whole, parts = (opened(*data, *more) for more in ([], ["objective.micro_batch=7", "measure.chunk=3"]))
    weights = whole.initial(0)
    for one, other in zip(*(each.loss_and_gradient(weights, Key(0, 1)) for each in (whole, parts))):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)
    one, other = (each.measure(weights) for each in (whole, parts))
    np.testing.assert_allclose(list(one.values()), list(other.values()), rtol=1e-5)


GPT = "def Gpt(): return nn.Sequential(nn.Embedding(10, 4), nn.Linear(4, 10))"
IDS = {
    "beyond the vocabulary": ({"vocabulary": 10}, [*range(10), 12, 3], "train.bin", "token id 12", "position 10", "13"),
    "beyond the network": ({}, [*range(10), 12, 3], "10 outputs for 13 token ids"),
    "below zero": ({"dtype": "int32"}, [0, 1, -5, 3], "train.bin", "token id -5", "position 2"),
    "of another type": ({"dtype": "int32"}, [1, 2, 3], "train.bin", "objective.data.dtype"),
    "fewer than a window": ({}, [1, 2], "train.bin", "objective.data.context"),
    "no file": ({"train": "nothing.bin"}, [1, 2, 3, 4], "nothing.bin"),
}


@pytest.mark.parametrize("case", IDS)
def test_token_ids(write, case):
    folder = write(GPT)
    options, ids, *says = IDS[case]
    kind = "int16" if case == "of another type" else "int32" if "dtype" in options else "uint16"
    for name in ("train.bin", "test.bin"):
        np.array(ids, kind).tofile(folder / name)
    given = {"name": "tokens", "train": "train.bin", "test": "test.bin", "context": 2, **options}
    line = refused(
        f"objective.data={given}", "objective.loss=next_token", "objective.model=own:Gpt", "objective.batch=1"
    )
    for each in says:
        assert each in line
