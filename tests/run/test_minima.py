"""Minima: what decides one, and where it is kept."""

from contextlib import ExitStack
from pathlib import Path

import pytest

from pathsearch import storage
from pathsearch.errors import PathsearchError
from pathsearch.objectives import NetworkSettings
from pathsearch.run import whole
from pathsearch.run.config import load, validated
from pathsearch.run.minima import aligned, beside, kept, needed
from pathsearch.run.stop import Stop
from tests.runs import Heard

STORE = Path("store")


def start(*overrides, folder=Path(), config="digits"):
    return needed(load(config, list(overrides))[0], folder, STORE)["start"]


def test_a_folder_says_what_it_is_and_its_digest_stays():
    # stores outlive versions of this program: a change here trains everything anew
    assert start().folder == STORE / "mlp-digits-seed0-692f87a94b"
    assert start("objective.model=cnn", "endpoints.start.train.seed=12").name.startswith("cnn-digits-seed12-")
    assert start("objective.model=my.nets:Net", "objective.data=cifar10").name.startswith("Net-cifar10-seed0-")
    assert beside(Path("runs/digits")) == Path("runs/minima")


def test_an_aligned_minimum_has_a_folder_for_both_ends_and_how():
    def name(*overrides, align="weights"):
        settings = load("digits", [*overrides, f"endpoints.align={align}"])[0]
        ends = needed(settings, Path(), STORE)
        return aligned(ends["start"], ends["end"], settings).name

    assert name() == "mlp-digits-seed1-d0a9983970-aligned-4ebae257bd"  # as above
    assert name(align="{name: weights, starts: 4}") == name("method=neb", "measure.examples=50") == name()
    others = ["{name: weights, seed: 1}", "{name: weights, pin: [a]}", "activations"]
    names = [name(align=each) for each in others] + [
        name(f"endpoints.{side}.train.seed=7") for side in ("start", "end")
    ]
    # those of fewer examples are others, and so are those in other batches
    names += [name(f"measure.{which}=50", align="activations") for which in ("examples", "chunk")]
    assert len({*names, name()}) == 8


SAME = [
    "method=neb",
    "optimizer.lr=0.5",
    "steps=7",
    "seed=9",
    "measure.points=5",
    "measure.examples=50",
    "objective.metrics={top: top5}",
    "objective.loss=cross_entropy",
    "objective.micro_batch=128",  # one pass for a mini-batch
    "checkpoint.steps=3",
    "holder={name: ray, actors: 4}",
    "endpoints.end.train.seed=8",
    "endpoints.align=weights",
    "endpoints.start.train.batch=128",  # as the objective's
    "endpoints.start.train.optimizer.momentum=0.9",  # its default
]
OTHER = [
    "endpoints.start.train.seed=3",
    "endpoints.start.train.steps=1501",
    "endpoints.start.train.batch=64",
    "endpoints.start.train.optimizer.lr=0.2",
    "endpoints.start.train.optimizer={name: adam, lr: 0.1, schedule: cosine}",
    "objective.batch=32",
    "objective.weight_decay=0.0",
    "objective.dtype=float64",
    "objective.loss=mse",
    "objective.micro_batch=16",
    "objective.parameters=['0.*']",
    "objective.precision=bfloat16",
    "objective.model.args.norm=true",
    "objective.data=moons",
    "device=cpu",
]


@pytest.mark.parametrize("override", SAME)
def test_what_does_not_decide_a_minimum(override):
    assert start(override).folder == start().folder


def test_what_decides_one():
    folders = [start(override).folder for override in OTHER]
    assert len({*folders, start().folder}) == len(OTHER) + 1


def test_the_batch_of_the_training_stands_over_the_objectives():
    names = {start("endpoints.start.train.batch=64", f"objective.batch={batch}").name for batch in (128, 32, "null")}
    assert len(names) == 1


def test_a_users_modules_and_data_decide(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    own = ["objective.model=net:Net", "objective.data={name: dataset, target: 'net:Set', train_args: {file: a.npy}}"]
    names = []

    def named(folder=tmp_path):
        return start(*own, folder=folder).name

    Path("net.py").write_text("class Net: pass\n")
    names.append(named())
    assert named() == names[0]
    Path("net.py").write_text("class Net: ...\n")
    names.append(named())
    Path("a.npy").touch()  # a file of that name in another folder may hold other data
    names.append(named())
    Path("elsewhere").mkdir()
    names.append(named(tmp_path / "elsewhere"))
    assert len(set(names)) == 4


def test_what_functions_and_files_of_tokens_say_decides(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("loss", "pick", "join", "top"):
        Path(f"{name}.py").write_text("def f(*given): pass\n")
    for name in ("train.bin", "test.bin"):
        Path(name).write_bytes(bytes(3 << 20))
    tokens = "objective.data={name: tokens, train: train.bin, test: test.bin, context: 8}"
    pairs = "objective.data={name: dataset, target: 'pick:f', collate: 'join:f'}"
    drawn = "objective.data={name: batches, target: 'pick:f', train_batches: 1, test_batches: 1}"
    metric = "objective.metrics={top: 'top:f'}"
    known = {each: start("objective.loss=loss:f", each, metric).name for each in (tokens, pairs, drawn)}
    assert [name.rpartition("-")[0] for name in known.values()] == ["mlp-tokens-seed0", "mlp-f-seed0", "mlp-f-seed0"]

    def changed():
        return [n for n, each in enumerate(known) if start("objective.loss=loss:f", each, metric).name != known[each]]

    Path("top.py").write_text("def f(*given): return 1\n")  # what is measured decides nothing
    workers = start("objective.loss=loss:f", tokens, "objective.data.workers=3")
    assert changed() == []
    assert workers.name == known[tokens]
    for name, which in (("join", [1]), ("pick", [1, 2]), ("loss", [0, 1, 2])):
        before = Path(f"{name}.py").read_text()
        Path(f"{name}.py").write_text("def f(*given): ...\n")
        assert changed() == which
        Path(f"{name}.py").write_text(before)
    with Path("test.bin").open("r+b") as file:  # what lies within a file is not looked at, its ends and its size are
        for at, which in ((3 << 19, []), ((3 << 20) - 1, [0])):
            file.seek(at)
            file.write(b"x")
            file.flush()
            assert changed() == which
    Path("test.bin").write_bytes(bytes((3 << 20) + 2))
    assert changed() == [0]


def test_a_minimum_is_there_whatever_is_measured_of_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("top.py").write_text(
        "def f(model, batch): return (model(batch[0]).argmax(1) == batch[1]).sum(), len(batch[1])"
    )
    quick = ("objective.model={name: mlp, args: {width: 4}}", "endpoints.start.train.steps=2")
    some = start(*quick, "measure={examples: 40, chunk: 16}", "objective.metrics={top: 'top:f'}")
    with ExitStack() as stack:
        whole.train([some], some.settings, Path(), Heard(), Stop(), stack)
    found = storage.read(some.folder)
    assert {found.summary["measured"][each] for each in ("train", "test")} == {40}
    assert 0 <= found.summary["minimum"]["test_top"] <= 1
    Path("top.py").write_text("def f(model, batch): return 0, 1")
    for changes in (["measure.examples=50"], [], ["objective.metrics={best: 'top:f'}"]):
        assert kept(start(*quick, *changes), Path())


def test_a_folder_of_pictures_is_known_by_where_it_is(tmp_path, monkeypatch):
    names = []
    for place in ("one", "other"):
        (tmp_path / place / "pictures").mkdir(parents=True)
        monkeypatch.chdir(tmp_path / place)
        names.append(start("objective.data={name: folder, root: pictures}").name)
    assert names[0] != names[1]


def test_what_is_refused():
    with pytest.raises(PathsearchError, match=r"both endpoints are trained from the same seed: set endpoints\.end"):
        start("endpoints.end.train.seed=0")
    network = load("digits", [])[0].objective.model_dump()
    cases = {
        "only a network can be trained from a seed": {"objective": "muller-brown"},
        "it has no endpoints; `pathsearch train`": {"endpoints": {"start": [0.0], "end": [1.0]}},
        "sgd or adam, not lbfgs": {"optimizer": "lbfgs"},
    }
    for said, changes in cases.items():
        with pytest.raises(PathsearchError, match=f"method train: .*{said}"):
            validated({"objective": network, "method": "train", **changes}, "test")
    validated({"objective": network, "method": "train"}, "test")


def test_runs_without_trained_endpoints_need_none():
    assert needed(load("muller-brown", [])[0], Path(), STORE) == {}
    assert isinstance(start().settings.objective, NetworkSettings)
