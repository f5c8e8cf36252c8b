"""Files of weights as people have them: each of these was once refused, misread, or read too late."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from pathsearch import storage
from pathsearch.errors import Interrupted, PathsearchError
from pathsearch.objectives import NetworkSettings
from pathsearch.run import endpoints
from tests.runs import carried_out

CONFIG = """
objective: {name: network, model: "net:Net", data: digits, batch: 100}
endpoints: {start: a.pt, end: b.pt}
method: {name: neb, images: 1}
optimizer: {name: sgd, lr: 0.01}
steps: 3
measure: {points: 3, plane: 0}
device: cpu
checkpoint: {steps: 1}
"""
NET = """
import torch
from torch import nn

def Net():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 10))

class Wrapped(nn.Module):
    def __init__(self):
        super().__init__()
        self.module = nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 10))
    def forward(self, x):
        return self.module((x - 0.5) / 0.25)
"""


@pytest.fixture
def net(tmp_path, monkeypatch):
    """A module of networks and a configuration in a folder of their own, which is the working folder."""
    (tmp_path / "net.py").write_text(NET)
    (tmp_path / "run.yaml").write_text(CONFIG)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    import net

    return net


def made(make, seed):
    torch.manual_seed(seed)
    module = make()
    module(torch.rand(50, 64))  # which moves running statistics
    return module


def brought(kept, file="a.pt", model="net:Net"):
    torch.save(kept, file)
    return read(file, model)


def read(file, model="net:Net"):
    return endpoints.brought(file, "start", opened(model), Path())


@cache
def opened(model):
    data = {"name": "random", "shape": [1, 8, 8], "examples": 20}
    settings = NetworkSettings.model_validate({"name": "network", "model": model, "data": data})
    return settings.open(None, torch.device("cpu"))


def vector(module):
    return nn.utils.parameters_to_vector(module.parameters()).detach().numpy()


def renamed(state, *prefixes):
    return {"".join(prefixes) + name: value for name, value in state.items()}


PREFIXES = [
    ("module.",),
    ("_orig_mod.",),
    ("module.", "_orig_mod."),
    ("_orig_mod.", "module."),
    ("model.",),
    ("state.", "net.0.", "_orig_mod.", "module."),
]


@pytest.mark.parametrize("prefixes", PREFIXES, ids="".join)
def test_case_01_compiled(prefixes, net):
    module = made(net.Net, 0)
    found = brought(renamed(module.state_dict(), *prefixes))
    np.testing.assert_array_equal(found.weights, vector(module))
    np.testing.assert_array_equal(found.buffers["2.running_mean"], module[2].running_mean)


def test_case_01_compiled_in_part(net):
    module = made(net.Net, 0)
    state = module.state_dict()
    parts = {name: name.replace("1.", "1._orig_mod.") for name in state}  # of module[1] = torch.compile(module[1])
    for prefix in ("", "net."):
        kept = renamed({parts[name]: value for name, value in state.items()}, prefix)
        assert f"{prefix}1._orig_mod.weight" in kept
        np.testing.assert_array_equal(brought(kept).weights, vector(module))


def test_case_01_wrappers_of_torch(net):
    module = made(net.Net, 0)
    for wrapper in (AveragedModel(module), nn.DataParallel(module)):
        np.testing.assert_array_equal(brought(wrapper.state_dict()).weights, vector(module))


def test_case_01_no_prefix_fits(net):
    with pytest.raises(PathsearchError, match=r"a\.pt does not fit .* its names begin with 'encoder\.'$"):
        brought(renamed(nn.Linear(3, 3).state_dict(), "encoder.", "layer."))


def test_case_02_own_module(net):
    module = made(net.Wrapped, 0)
    state = module.state_dict()
    for kept in (state, renamed(state, "module."), renamed(state, "module.", "_orig_mod.")):
        np.testing.assert_array_equal(brought(kept, model="net:Wrapped").weights, vector(module))


def each(change, only=lambda value: value.is_floating_point()):
    return lambda state: {name: change(value) if only(value) else value for name, value in state.items()}


def matrices(value):
    return value.ndim == 2


VALUES = {
    "parameter": each(nn.Parameter),
    "requires grad": each(lambda value: value.clone().requires_grad_()),
    "bf16": each(torch.Tensor.bfloat16),
    "half": each(torch.Tensor.half),
    "double": each(torch.Tensor.double),
    "float8": each(lambda value: value.to(torch.float8_e4m3fn)),
    "sparse": each(torch.Tensor.to_sparse, matrices),
    "quantised": each(lambda value: torch.quantize_per_tensor(value, 0.02, 0, torch.qint8), matrices),
    "transposed": each(lambda value: value.t().contiguous().t(), matrices),
    "extra state": lambda state: {**state, "_extra_state": {"version": 1}, "2._extra_state": b"x"},
    "numbers beside": lambda state: {**state, "epoch": 3, "best": 0.93, "step": torch.tensor(7)},
    "nested": lambda state: {"epoch": 3, "nets": [{"ema": {"deep": state}}], "optimizer": {0: {"mean": torch.ones(2)}}},
    "twice the same": lambda state: {"model": state, "best": dict(state)},
    "pairs": lambda state: list(state.items()),
}


@pytest.mark.parametrize("kind", VALUES)
@pytest.mark.filterwarnings("ignore")  # of torch, on what it has deprecated
def test_case_03_values(kind, net):
    module = made(net.Net, 0)
    found = brought(VALUES[kind](module.state_dict()))
    rough = {"bf16": 1e-3, "half": 1e-4, "float8": 1e-2, "quantised": 1e-2 + 1e-6}.get(kind, 0)
    np.testing.assert_allclose(found.weights, vector(module), atol=rough, rtol=0)
    assert found.weights.dtype == np.float32
    assert set(found.buffers) == {"2.running_mean", "2.running_var", "2.num_batches_tracked"}


@pytest.mark.parametrize(
    "kept",
    [
        lambda module: list(module.parameters()),
        lambda module: dict(module.named_parameters()),
        lambda module: torch.tensor(vector(module)),
        lambda module: {"weights": torch.tensor(vector(module))},
    ],
)
def test_case_03_parameters_alone(kept, net):
    module = made(net.Net, 0)
    found = brought(kept(module))
    np.testing.assert_array_equal(found.weights, vector(module))
    assert not found.buffers  # nothing to be measured as loaded


REFUSED = {
    "deeper": (lambda s: {**s, "6.weight": torch.ones(3, 3)}, r"it has '6\.weight', which the network has not"),
    "shallower": (lambda s: {n: v for n, v in s.items() if n[0] != "4"}, r"no parameter '4\.weight', '4\.bias' of"),
    "another shape": (
        lambda s: {**s, "4.weight": torch.ones(9, 16)},
        r"'4\.weight' in it has shape \(9, 16\), the net",
    ),
    "two": (
        lambda s: {"model": s, "ema": {n: v + 1 for n, v in s.items()}},
        "several that fit the network, 'model', 'ema'",
    ),
    "nan": (
        lambda s: {**s, "4.bias": torch.full((10,), torch.nan)},
        r"'4\.bias' in a\.pt has weights that are not finite",
    ),
    "nan statistics": (
        lambda s: {**s, "2.running_var": torch.full((16,), torch.nan)},
        r"'2\.running_var' .* not a number",
    ),
    "complex": (lambda s: {**s, "4.bias": torch.ones(10, dtype=torch.complex64)}, r"'4\.bias' in a\.pt is complex"),
    "integers": (
        lambda s: {**s, "4.bias": torch.ones(10, dtype=torch.int8)},
        r"'4\.bias' .* int8, the network's are float",
    ),
    "no values": (
        lambda s: {**s, "4.bias": torch.ones(10, device="meta")},
        r"'4\.bias' in a\.pt has a shape and no values",
    ),
    "a number": (lambda s: {**s, "4.bias": 3.0}, r"'4\.bias' in it is a float, no tensor"),
    "nothing": (lambda s: {"epoch": 3}, "holds no tensors by name, it is a dict"),
    "another length": (lambda s: torch.ones(7), r"has shape \(7,\), the objective's weights have shape \(1242,\)"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_case_03_what_does_not_fit_is_named(kind, net):
    change, says = REFUSED[kind]
    with pytest.raises(PathsearchError, match=says) as caught:
        brought(change(made(net.Net, 0).state_dict()))
    assert str(caught.value).startswith("endpoints.start")
    assert "\n" not in str(caught.value)


def test_case_22_byte_order(net, tmp_path):
    weights = vector(made(net.Net, 0))
    for dtype in (">f4", ">f8", "<f8", np.longdouble):
        np.save("a.npy", weights.astype(dtype))
        np.testing.assert_array_equal(read("a.npy").weights, weights)
    np.savez("a.npz", weights.astype(">f8"))
    np.testing.assert_array_equal(read("a.npz").weights, weights)
    np.save("start.npy", np.array([-1.0, 0.0], dtype=">f8"))
    run = carried_out("two-modes", "endpoints={start: start.npy, end: [1, 0]}", "steps=1", "measure.plane=0", out="x")
    assert storage.read_vectors(run.file)[0][0].tolist() == [-1.0, 0.0]


def test_case_24_endpoint_gone(net, tmp_path):
    for seed, name in enumerate("ab"):
        torch.save(made(net.Net, seed).state_dict(), f"{name}.pt")
    wanted = carried_out("run.yaml", out="undisturbed")
    for side, seed in (("start", 0), ("end", 1)):
        own = made(net.Net, seed)[2].running_var
        np.testing.assert_array_equal(wanted.groups[f"endpoints/{side}"]["2.running_var"], own)
        assert wanted.summary["as_loaded"][side]["train_loss"] > 0

    with pytest.raises(Interrupted):
        carried_out("run.yaml", out="x", stop_at=2)
    for name in "ab":
        (tmp_path / f"{name}.pt").rename(f"elsewhere-{name}.pt")
    found = carried_out("run.yaml", out="x")
    assert found.state == "finished"
    assert found.summary["as_loaded"] == wanted.summary["as_loaded"]
    np.testing.assert_array_equal(*(storage.read_vectors(run.file)[0] for run in (found, wanted)))
    carried_out("run.yaml", out="x")  # and it is shown as ever


def test_case_24_endpoint_overwritten(net, tmp_path):
    for seed, name in enumerate("abc"):
        torch.save(made(net.Net, seed).state_dict(), f"{name}.pt")
    with pytest.raises(Interrupted):
        carried_out("run.yaml", out="x", stop_at=2)
    kept = (tmp_path / "a.pt").read_bytes()
    (tmp_path / "a.pt").write_bytes((tmp_path / "c.pt").read_bytes())
    with pytest.raises(
        PathsearchError, match=r"x/path\.h5 holds a run from other files: endpoints\.start \(a\.pt\) chang"
    ):
        carried_out("run.yaml", out="x")
    (tmp_path / "a.pt").write_bytes(kept)
    carried_out("run.yaml", out="x")
    (tmp_path / "a.pt").write_bytes((tmp_path / "c.pt").read_bytes())
    with pytest.raises(PathsearchError, match="put back what was there, name another folder with --out"):
        carried_out("run.yaml", out="x")
