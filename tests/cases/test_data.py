"""What people's data sets, pictures and modules are like, and what the program makes of them."""

import random
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pathsearch.errors import PathsearchError
from pathsearch.numerics.seeds import Key
from pathsearch.objectives.data import Custom, Folder, Torchvision
from pathsearch.objectives.network import NetworkObjective
from pathsearch.run import config
from pathsearch.run.recipe import Recipe
from tests.commands import pathsearch
from tests.objectives.data.test_torchvision import write_idx

RUN = """
objective: {name: network, model: "net:Net", data: digits, batch: 20}
endpoints: {start: {train: {seed: 0, steps: 2}}, end: {train: {seed: 1, steps: 2}}}
method: {name: neb, images: 1}
optimizer: {name: sgd, lr: 0.01}
steps: 2
measure: {points: 3, plane: 0}
device: cpu
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """An empty working folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(sys, "path", list(sys.path))
    return tmp_path


def opened(*overrides: str, file: str = "run.yaml") -> NetworkObjective:
    """The objective of a configuration file, as a run of it has it."""
    if not Path(file).exists():
        Path(file).write_text(RUN)
    settings, beside = config.load(file, list(overrides))
    objective = Recipe(settings, None, "cpu", beside, Path.cwd()).open()
    assert isinstance(objective, NetworkObjective)
    return objective


def gradient(objective: NetworkObjective) -> torch.Tensor:
    return objective.loss_and_gradient(objective.initial(0), Key(0, 0))[1]


TOKENS = """
import torch
from torch import nn
class Reviews(torch.utils.data.Dataset):
    def __init__(self, count, dtype="int64"):
        self.x = torch.randint(0, 50, (count, 12), generator=torch.Generator().manual_seed(count))
        self.y = (self.x.sum(1) > 300).long()
        self.x = self.x > 25 if dtype == "bool" else self.x.to(getattr(torch, dtype))
    def __len__(self): return len(self.x)
    def __getitem__(self, i): return self.x[i], int(self.y[i])
class Embedding(nn.Module):
    def __init__(self): super().__init__(); self.e, self.o = nn.Embedding(50, 8), nn.Linear(8, 2)
    def forward(self, x): return self.o(self.e(x).mean(1))
class OneHot(nn.Module):
    def __init__(self): super().__init__(); self.o = nn.Linear(50, 2)
    def forward(self, x): return self.o(nn.functional.one_hot(x, 50).to(self.o.weight).mean(1))
class Mask(nn.Module):
    def __init__(self): super().__init__(); self.w, self.o = nn.Parameter(torch.ones(12)), nn.Linear(12, 2)
    def forward(self, x): return self.o(torch.where(x, self.w, 0))
class Plain(nn.Linear):
    def __init__(self): super().__init__(12, 2)
"""


def reviews(dtype: str) -> str:
    part = lambda count: f"{{count: {count}, dtype: {dtype}}}"
    return f'objective.data={{name: dataset, target: "net:Reviews", train_args: {part(60)}, test_args: {part(20)}}}'


@pytest.mark.parametrize(
    ("model", "dtype"), [("Embedding", "int64"), ("Embedding", "int32"), ("OneHot", "int64"), ("Mask", "bool")]
)
def test_case_05_tokens(model, dtype, folder):
    (folder / "net.py").write_text(TOKENS)
    objective = opened(reviews(dtype), f"objective.model=net:{model}")
    assert objective.train.first(3)[0].dtype == getattr(torch, dtype)
    assert gradient(objective).abs().sum() > 0
    assert set(objective.measure(objective.initial(0))) == set(objective.metrics)


def test_case_05_integers_that_a_network_does_not_take_are_named(folder):
    (folder / "net.py").write_text(TOKENS)
    with pytest.raises(PathsearchError, match=r"net:Plain raised .* dtype.* of shape \(16, 12\), int64$"):
        opened(reviews("int64"), "objective.model=net:Plain")


def test_case_05_built_in_networks_take_integers(folder):
    (folder / "net.py").write_text(TOKENS)
    as_integers, as_reals = (opened(reviews(dtype), "objective.model=mlp") for dtype in ("uint8", "float32"))
    torch.testing.assert_close(gradient(as_integers), gradient(as_reals), rtol=0, atol=0)


def put(file: str, content: bytes = b"", value: int = 0) -> None:
    """A picture of 32 × 32 pixels, or other content."""
    Path(file).parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(value).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    Image.fromarray(noise).save(file)
    if content:
        Path(file).write_bytes(content)


def cat_and_dog(suffix: str = "png") -> None:
    for part in ("train", "test"):
        for n, kind in enumerate(("cat", "dog")):
            put(f"pics/{part}/{kind}/1.{suffix}", value=n)
            put(f"pics/{part}/{kind}/2.{suffix}", value=n + 2)


def cut(file: str, to: int) -> None:
    Path(file).write_bytes(Path(file).read_bytes()[:to])


@pytest.mark.parametrize("suffix", ["jpg", "png", "html", "bomb"])
def test_case_06_picture_name(suffix, monkeypatch):
    known = suffix if suffix in ("jpg", "png") else "png"
    cat_and_dog(known)
    bad = f"pics/train/dog/2.{known}"
    if suffix == "html":
        put(bad, b"<html>404</html>")
    elif suffix == "bomb":
        Image.new("RGB", (400, 400)).save(bad)
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 50_000)
    else:
        cut(bad, 700)
    with pytest.raises(PathsearchError, match=rf"picture {bad} of objective.data raised \w+Error: \w"):
        opened("objective.model=cnn", "objective.data={name: folder, root: pics}")


@pytest.mark.parametrize("suffix", ["png", "pgm", "tif"])
@pytest.mark.parametrize("order", ["<", ">"])
def test_case_07_sixteen_bit(suffix, order):
    values = np.array([[0, 128, 129, 257], [2000, 30000, 32896, 65535]], dtype=np.uint16)
    for part in ("train", "test"):
        file = Path("pics", part, "a", f"1.{suffix}")
        file.parent.mkdir(parents=True)
        image = Image.fromarray(values)
        if suffix == "tif" and order == ">":
            image = Image.frombytes("I;16B", (4, 2), values.astype(">u2").tobytes())
        image.save(file)
    wanted = torch.tensor([[0, 0, 1, 1], [8, 117, 128, 255]], dtype=torch.uint8)
    for channel in Folder(root="pics").load().train.inputs[0]:
        torch.testing.assert_close(channel, wanted)


@pytest.mark.parametrize(("dtype", "kind"), [(np.float32, "real numbers"), (np.int32, "signed or 32-bit integers")])
def test_case_07_pixels_without_a_white_are_refused(dtype, kind):
    for part in ("train", "test"):
        file = Path("pics", part, "a", "1.tif")
        file.parent.mkdir(parents=True)
        Image.fromarray(np.arange(12).reshape(3, 4).astype(dtype)).save(file)
    with pytest.raises(PathsearchError, match=rf"pics/train/a/1\.tif are {kind}, .*: save it with 8 or 16 bits"):
        Folder(root="pics").load()


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK"])
def test_case_07_modes_of_8_bits_are_read_as_before(mode):
    for part in ("train", "test"):
        file = Path("pics", part, "a", "1.tif")
        file.parent.mkdir(parents=True)
        Image.fromarray(np.full((3, 4, 3), 255, np.uint8)).convert(mode).save(file)
    assert Folder(root="pics").load().train.inputs.unique().tolist() == [255]


def test_case_07_pictures_that_are_all_the_same_are_remarked():
    for part, kind in (("train", "a"), ("train", "b"), ("test", "a"), ("test", "b")):
        put(f"pics/{part}/{kind}/1.png", value=int(part == "test"))
    objective = opened("objective.model=mlp", "objective.data={name: folder, root: pics}")
    assert objective.remarks == ["warning: all 2 training inputs are the same: no network can tell them apart"]
    put("pics/train/a/1.png", value=3)
    assert opened("objective.model=mlp", "objective.data={name: folder, root: pics}").remarks == []


NOISY = """
import random
import numpy as np, torch
class Noisy(torch.utils.data.Dataset):
    def __init__(self, by): self.by, self.shift = by, self.draw(by)
    def __len__(self): return 5
    def draw(self, by):
        return {"random": random.random, "numpy": np.random.randn, "torch": lambda: float(torch.randn(()))}[by]()
    def __getitem__(self, i): return torch.tensor([self.draw(self.by), self.shift]), i % 2
"""


@pytest.mark.parametrize("by", ["random", "numpy", "torch"])
def test_case_12_transforms(by, folder):
    (folder / "noisy.py").write_text(NOISY)
    settings = Custom(target="noisy:Noisy", train_args={"by": by}, test_args={"by": by})
    read = []
    for seed in (1, 2):
        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)
        after = [random.random(), np.random.randn(), float(torch.randn(()))]
        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)
        read.append(settings.load())
        assert [random.random(), np.random.randn(), float(torch.randn(()))] == after
    torch.testing.assert_close(read[0].train.inputs, read[1].train.inputs, rtol=0, atol=0)
    assert len(read[0].train.inputs.unique()) == 6
    assert not torch.equal(read[0].train.inputs, read[0].test.inputs)


def test_case_18_tilde(folder):
    (folder / "home").mkdir()
    for name, x in (("a", -1.0), ("b", 1.0)):
        np.save(folder / "home" / f"{name}.npy", np.array([x, 0.0]))
    ends = ["endpoints.start=~/a.npy", "endpoints.end=~/b.npy"]
    options = ["method=linear", "measure={points: 3, plane: 0}"]
    pathsearch("run", "two-modes", *ends, *options, "--out", "x", cwd=folder, HOME=str(folder / "home"))
    points = ["endpoints.start={run: ~/../x, pivot: 0}", "endpoints.end={run: ~/../x, pivot: -1}"]
    pathsearch("run", "two-modes", *points, *options, "--out", "y", cwd=folder, HOME=str(folder / "home"))


def test_case_18_roots_of_data(folder, monkeypatch):
    monkeypatch.setenv("HOME", str(folder))
    cat_and_dog()
    assert len(Folder(root="~/pics").load().train.inputs) == 4
    mnist(folder / "sets")
    assert len(Torchvision(name="mnist", root="~/sets").load().train.inputs) == 12


def mnist(root: Path) -> None:
    raw = root / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for stem, count in (("train", 12), ("t10k", 5)):
        write_idx(raw / f"{stem}-images-idx3-ubyte", np.zeros((count, 28, 28), np.uint8))
        write_idx(raw / f"{stem}-labels-idx1-ubyte", np.arange(count, dtype=np.uint8) % 10)


HOLES = """
import torch
class Holes(torch.utils.data.Dataset):
    def __init__(self, count, where="", value="nan"):
        self.x = torch.rand(count, 8, generator=torch.Generator().manual_seed(count)).double(); self.y = self.x.sum(1)
        if where == "input": self.x[17, 3] = self.x[19, 2] = float(value)
        if where == "target": self.y[17] = float(value)
    def __len__(self): return len(self.x)
    def __getitem__(self, i): return self.x[i], float(self.y[i])
"""


@pytest.mark.parametrize("value", ["nan", "inf", "1e300"])
@pytest.mark.parametrize(("part", "name"), [("train", "training"), ("test", "test")])
@pytest.mark.parametrize(("where", "says"), [("input", "2 of the 20 {} examples have an"), ("target", "1 of .* has a")])
def test_case_20_nan_data(where, says, part, name, value, folder):
    (folder / "holes.py").write_text(HOLES)
    bad = f", where: {where}, value: '{value}'"
    arguments = {"train": "", "test": "", part: bad}
    data = (
        'objective.data={name: dataset, target: "holes:Holes", '
        f"train_args: {{count: 20{arguments['train']}}}, test_args: {{count: 20{arguments['test']}}}}}"
    )
    wanted = says.format(name) + rf" {where} that is not finite in float32, the first is example 17"
    with pytest.raises(PathsearchError, match=wanted):
        opened(data, "objective.loss=mse", "objective.model=mlp")


MODULES = {
    "parses": (
        "import argparse\nargparse.ArgumentParser().parse_args(['x'])",
        r"raised SystemExit: 2: its module does the work of a program",
    ),
    "syntax": ("x = (1,\n\ndef loss(w) return 1", r"raised SyntaxError: .*syntax\.py, line \d"),
    "inner": ("\nimport nothere", r"raised ModuleNotFoundError: No module named 'nothere' \(.*inner\.py, line 2\)"),
    "fails": ("1 / 0", r"raised ZeroDivisionError: division by zero \(.*fails\.py, line 1\)"),
    "silent": ("raise MemoryError", r"raised MemoryError: there is not enough memory"),
    "lacks": ("def losses(w): pass", r"module 'lacks' \(.*lacks\.py\) has no 'loss': did you mean 'losses'\?"),
    "number": ("loss = 3", r"is to be a class or a function, it is of type int"),
    "lazy": ("def __getattr__(name): raise KeyError", r"raised KeyError \(.*lazy\.py, line 1\)"),
}


@pytest.mark.parametrize("option", ["objective.target", "objective.model", "objective.data.target"])
@pytest.mark.parametrize("module", MODULES)
def test_case_22_import_time(module, option, folder):
    source, says = MODULES[module]
    (folder / f"{module}.py").write_text(source)
    target = f"{module}:loss"
    changes = {
        "objective.target": [f"objective={{name: callable, target: '{target}'}}", "endpoints={start: [0], end: [1]}"],
        "objective.model": [f"objective.model={target}"],
        "objective.data.target": [f"objective.data={{name: dataset, target: '{target}'}}"],
    }
    Path("run.yaml").write_text(RUN)
    settings, beside = config.load("run.yaml", changes[option])
    with pytest.raises(PathsearchError, match=rf"{option} {target}.*{says}") as caught:
        Recipe(settings, 1, "cpu", beside, Path.cwd()).open()
    assert len(str(caught.value).splitlines()) == 1


def test_case_22_the_program_says_whose_command_line_it_is(folder):
    (folder / "own.py").write_text(MODULES["parses"][0])
    run = ["run", "two-modes", "objective={name: callable, target: 'own:loss'}"]
    said = pathsearch(*run, "endpoints={start: [0], end: [1]}", cwd=folder, status=1).stderr.splitlines()[-1]
    assert said.startswith("pathsearch: objective.target own:loss raised SystemExit: 2")


def test_case_22_arrays_of_another_byte_order(folder):
    np.save(folder / "a.npy", np.array([1.0, 0.0], dtype=">f8"))
    options = ["method=linear", "measure={points: 3, plane: 0}", "endpoints={start: a.npy, end: [-1.0, 0.5]}"]
    pathsearch("run", "two-modes", *options, "--out", "x", cwd=folder)


def damage(kind: str, file: Path) -> None:
    content = bytearray(file.read_bytes())
    if kind == "cut":
        file.write_bytes(content[:3000])
    elif kind == "empty":
        file.write_bytes(b"")
    elif kind == "a bit":
        content[-100] ^= 4
        file.write_bytes(content)
    elif kind == "zeros":
        file.write_bytes(bytes(len(content)))
    elif kind == "folder":
        file.unlink()
        file.mkdir()
    else:
        np.save(file, np.zeros((2, 3, 32, 32), kind))


@pytest.mark.parametrize("kind", ["cut", "empty", "a bit", "zeros", "folder", "uint8", "float64"])
def test_case_23_cache(kind, folder):
    cat_and_dog()
    wanted = Folder(root="pics").load().train.inputs
    for file in (folder / "cache" / "pathsearch").glob("*.npy"):
        damage(kind, file)
    torch.testing.assert_close(Folder(root="pics").load().train.inputs, wanted)
    if kind != "folder":  # the next run has it again
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("pathsearch.objectives.data.pictures.Pictures.decoded", None)
            torch.testing.assert_close(Folder(root="pics").load().train.inputs, wanted)


MODULE = "from torch import nn\ndef net(): return nn.Sequential(nn.Flatten(), nn.Linear({}, 10))\n"


def test_case_27_working_folder(folder):
    for place, inputs in (("models", 64), ("configs/beside", 64), ("both", 64), ("configs/both", 3)):
        (folder / place).mkdir(parents=True)
        (folder / place / "__init__.py").write_text(MODULE.format(inputs))
    for name in ("models", "beside", "both"):
        assert opened(f"objective.model={name}:net", file="configs/run.yaml").size == 650
    with pytest.raises(PathsearchError) as caught:
        opened("objective.model=neither:net", file="configs/run.yaml")
    assert f"here in {folder} or beside the configuration in {folder / 'configs'}" in str(caught.value)


def test_case_27_data_are_looked_for_in_the_same_places(folder):
    cat_and_dog()
    mnist(folder / "sets")
    for name in ("pics", "sets"):
        (folder / "configs").mkdir(exist_ok=True)
        (folder / name).rename(folder / "configs" / name)
    (folder / "pics").mkdir()  # an empty folder of that name is not what is meant
    for data, count in (("{name: folder, root: pics}", 4), ("{name: mnist, root: sets}", 12)):
        objective = opened("objective.model=mlp", f"objective.data={data}", file="configs/run.yaml")
        assert len(objective.train) == count
    with pytest.raises(PathsearchError, match=r"no folders nowhere/train .* here in .* or beside the configuration"):
        opened("objective.data={name: folder, root: nowhere}", file="configs/run.yaml")


def test_case_27_a_process_elsewhere_looks_in_the_same_places(folder, monkeypatch):
    (folder / "configs").mkdir()
    (folder / "here.py").write_text(MODULE.format(64))
    (folder / "configs" / "beside.py").write_text(MODULE.format(64))
    (folder / "configs" / "run.yaml").write_text(RUN)
    for name in ("here", "beside"):
        settings, beside = config.load("configs/run.yaml", [f"objective.model={name}:net"])
        recipe = Recipe(settings, None, "cpu", beside, folder)
        monkeypatch.chdir("/")
        assert recipe.elsewhere().size == 650
