"""Networks as they come: each of these once gave a wrong path, or none."""

import hashlib
import random
import textwrap

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from pathsearch import storage
from pathsearch.methods import Neb
from pathsearch.numerics.seeds import Key
from pathsearch.objectives import NetworkSettings
from pathsearch.objectives.protocol import remarked
from pathsearch.optimizers import Sgd
from pathsearch.run import endpoints
from tests.commands import pathsearch
from tests.conftest import path_of, searched

CONFIG = """
objective: {name: network, model: "net:Net", data: digits, batch: 100, weight_decay: 1.0e-2}
endpoints: {start: {train: {seed: 0, steps: 10}}, end: {train: {seed: 1, steps: 10}}}
method: {name: neb, images: 1}
optimizer: {name: sgd, lr: 0.05}
steps: 5
measure: {points: 3, plane: 0}
device: cpu
"""


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Put a module `net` and a configuration into a folder of their own, and go there."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)

    def into(module, config=CONFIG):
        heading = "import random, torch\nimport numpy as np\nfrom torch import nn\nimport torch.nn.functional as F\n"
        (tmp_path / "net.py").write_text(heading + textwrap.dedent(module))
        (tmp_path / "run.yaml").write_text(config)
        return tmp_path

    return into


def opened(model="net:Net", **options):
    settings = {"name": "network", "model": model, "data": "digits", "batch": 100, **options}
    return NetworkSettings.model_validate(settings).open(None, torch.device("cpu"))


def test_case_04_view(write):
    write("""
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.conv1, self.conv2 = nn.Conv2d(3, 6, 5), nn.Conv2d(6, 16, 5)
                self.fc1, self.fc2 = nn.Linear(400, 60), nn.Linear(60, 10)
            def forward(self, x):
                x = F.max_pool2d(F.relu(self.conv1(x)), 2)
                x = F.max_pool2d(F.relu(self.conv2(x)), 2)
                return self.fc2(F.relu(self.fc1(x.view(x.size(0), -1))))
        class Mlp(nn.Module):
            def __init__(self): super().__init__(); self.a = nn.Linear(3072, 10)
            def forward(self, x): return self.a(x.view(-1, 3072))
    """)
    data = {"name": "random", "examples": 60}
    for augment in (False, True):
        for model in ("net:Net", "net:Mlp"):
            network = opened(model, data={**data, "augment": augment}, batch=16)
            weights = network.initial(0)
            loss, _ = network.loss_and_gradient(weights, Key(0, 0))
            several, _ = network.losses_and_gradients(weights[None], Key(0, 0))
            assert float(several[0]) == pytest.approx(float(loss), rel=1e-5)
            assert np.isfinite(network.measure(weights)["test_loss"])


FROZEN = """
    class Net(nn.Module):
        def __init__(self, seed=7):
            super().__init__()
            self.backbone, self.head = nn.Linear(64, 24), nn.Sequential(nn.ReLU(), nn.Linear(24, 10))
            self.backbone.weight.data = torch.randn(24, 64, generator=torch.Generator().manual_seed(seed)) / 8
            self.backbone.bias.data.zero_()
            for p in self.backbone.parameters(): p.requires_grad = False
        def forward(self, x): return self.head(self.backbone(torch.flatten(x, 1)))
"""


def test_case_08_frozen(write):
    folder = write(FROZEN)
    pathsearch("run", "run.yaml", "--out", "runs/x", cwd=folder)
    import net

    kept, made = storage.read("runs/x"), net.Net().state_dict()
    assert kept.groups["parameters"]["name"].tolist() == ["head.1.weight", "head.1.bias"]
    assert kept.shape[1] == 24 * 10 + 10
    known = {name: sha256 for name, _, sha256 in kept.made}
    assert known == {name: hashlib.sha256(made[name].numpy()).hexdigest() for name in made if "backbone" in name}
    # a run's path is an endpoint for the next, with what is frozen
    pathsearch("run", "run.yaml", "endpoints.start=runs/x", "endpoints.end=runs/x", "--out", "runs/y", cwd=folder)
    for seed, name in ((7, "a"), (7, "b"), (8, "c")):
        torch.save(net.Net(seed).state_dict(), f"{name}.pt")
    files = ("endpoints.start=a.pt", "endpoints.end=c.pt")
    refused = pathsearch("run", "run.yaml", *files, "--out", "runs/z", cwd=folder, status=1)
    assert "frozen parameter 'backbone.weight' of c.pt differs from the other endpoint's" in refused.stderr
    pathsearch("run", "run.yaml", files[0], "endpoints.end=b.pt", "--out", "runs/z", cwd=folder)


def test_case_09_norm_eval(write):
    folder = write("""
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.a, self.n, self.b = nn.Linear(64, 24), nn.BatchNorm1d(24), nn.Linear(24, 10)
            def train(self, mode=True):
                super().train(mode)
                self.n.eval()
                return self
            def forward(self, x): return self.b(torch.relu(self.n(self.a(torch.flatten(x, 1)))))
    """)
    import net

    network = opened(batch=None)
    inputs, targets = next(network.train.draw(Key(0, 0)))
    torch.manual_seed(0)
    module = net.Net().train()
    module.n.running_mean.fill_(0.3)
    module.n.running_var.fill_(0.1)
    torch.save(module.state_dict(), "a.pt")
    saved = F.cross_entropy(module(inputs), targets).item()
    weights = torch.tensor(endpoints.brought("a.pt", "start", network, folder).weights)
    assert float(network.loss(weights, Key(0, 0))) == pytest.approx(saved, rel=1e-5)
    assert network.measure(weights)["train_loss"] == pytest.approx(saved, rel=1e-5)
    module.n.running_mean.fill_(0.4)
    torch.save(module.state_dict(), "b.pt")
    files = ("endpoints.start=a.pt", "endpoints.end=b.pt")
    refused = pathsearch("run", "run.yaml", *files, "--out", "runs/x", cwd=folder, status=1)
    assert "buffer 'n.running_mean' of b.pt differs from the other endpoint's: no path joins them" in refused.stderr


@pytest.mark.filterwarnings("ignore:.*weight_norm.*:FutureWarning")
@pytest.mark.parametrize("model", ["Net", "Ticket", "Locked", "Activated"])
def test_case_10_deepcopy(write, model):
    write("""
        import threading
        from torch.nn.utils import prune
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.a, self.b = nn.utils.weight_norm(nn.Linear(64, 16)), nn.Linear(16, 10)
            def forward(self, x): return self.b(torch.relu(self.a(torch.flatten(x, 1))))
        class Ticket(nn.Module):
            def __init__(self):
                super().__init__(); self.a, self.b = nn.Linear(64, 16), nn.Linear(16, 10)
                mask = torch.rand(16, 64, generator=torch.Generator().manual_seed(3)) > 0.7
                prune.custom_from_mask(self.a, "weight", mask.float())
            def forward(self, x): return self.b(torch.relu(self.a(torch.flatten(x, 1))))
        class Locked(nn.Linear):
            def __init__(self): super().__init__(64, 10); self.lock = threading.Lock()
            def forward(self, x): return super().forward(torch.flatten(x, 1))
        class Activated(nn.Linear):
            def __init__(self): super().__init__(64, 10); self.seen = super().forward(torch.zeros(1, 64))
            def forward(self, x): return super().forward(torch.flatten(x, 1))
    """)
    network = opened(f"net:{model}")
    weights = network.initial(0)
    assert torch.isfinite(network.loss_and_gradient(weights, Key(0, 0))[1]).all()
    assert np.isfinite(network.measure(weights)["test_loss"])
    assert list(network.shared) == (["a.weight_mask"] if model == "Ticket" else [])


@pytest.mark.parametrize(
    ("norm", "buffer"), [("parametrizations.", "a.parametrizations.weight.0._"), ("", "a.weight_")]
)
def test_case_11_spectral(write, norm, buffer):
    folder = write(f"""
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.a, self.b = nn.utils.{norm}spectral_norm(nn.Linear(64, 32)), nn.Linear(32, 10)
            def forward(self, x): return self.b(torch.relu(self.a(torch.flatten(x, 1))))
    """)
    refused = pathsearch("run", "run.yaml", "--out", "runs/x", cwd=folder, status=1)
    (line,) = refused.stderr.splitlines()
    assert f"buffer '{buffer}" in line
    assert "belongs to spectral norm" in line
    assert "use weight_norm, or fold the norm into the weights" in line


@pytest.mark.parametrize("model", ["plain", "zero_head", "zero_branch"])
def test_case_19_hidden_dropout(write, model):
    bezier = CONFIG.replace("{name: neb, images: 1}", "{name: bezier, bends: 1}").replace(", batch: 100", "")
    bezier = bezier.replace("{name: sgd, lr: 0.05}", "{name: lbfgs}").replace("net:Net", f"net:{model}")
    folder = write(
        """
        def plain():
            return nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.ReLU(), nn.Dropout(0.5), nn.Linear(16, 10))
        def zero_head():
            m = plain(); nn.init.zeros_(m[4].weight); nn.init.zeros_(m[4].bias); return m
        class zero_branch(nn.Module):
            def __init__(self):
                super().__init__(); self.a, self.b, self.o = nn.Linear(64, 8), nn.Linear(8, 64), nn.Linear(64, 10)
                nn.init.zeros_(self.b.weight); nn.init.zeros_(self.b.bias)
            def forward(self, x):
                x = x.flatten(1)
                return self.o(x + self.b(F.dropout(self.a(x), 0.3, self.training)))
        """,
        bezier,
    )
    refused = pathsearch("run", "run.yaml", "--out", "runs/x", cwd=folder, status=1)
    assert "needs the same loss every step" in refused.stderr


@pytest.mark.parametrize("by", ["random", "numpy", "torch"])
def test_case_21_other_generators(write, by):
    write("""
        class Net(nn.Module):
            def __init__(self, by):
                super().__init__()
                self.by, self.a, self.b, self.o = by, nn.Linear(64, 16), nn.Linear(16, 16), nn.Linear(16, 10)
            def forward(self, x):
                x = torch.relu(self.a(x.flatten(1)))
                draws = {"random": random.random, "numpy": np.random.rand, "torch": lambda: float(torch.rand(()))}
                skips = self.training and draws[self.by]() < 0.5
                return self.o(x if skips else x + torch.relu(self.b(x)))
    """)
    paths = []
    for n in range(2):
        random.seed(n), np.random.seed(n), torch.manual_seed(n)
        network = opened({"name": "net:Net", "args": {"by": by}}, batch=50)
        chain = [network.initial(seed).numpy() for seed in (0, 1)]
        holder, _ = searched(network, chain, Neb(images=2).stages(Sgd(lr=0.05), 20, None))
        paths.append(path_of(holder))
    np.testing.assert_array_equal(*paths)


def test_case_25_measure_memory(write):
    folder = write("""
        class Net(nn.Module):
            def __init__(self):
                super().__init__(); self.n, self.o = nn.BatchNorm1d(64), nn.Linear(64, 10)
            def forward(self, x):
                if len(x) > 130:
                    raise RuntimeError(
                        "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: "
                        "you tried to allocate 3276800000 bytes. Error code 12 (Cannot allocate memory)"
                    )
                return self.o(self.n(x.flatten(1)))
    """)
    pathsearch("run", "run.yaml", "--out", "runs/a", cwd=folder)
    line = "measuring 125 examples at once: 500 did not fit in memory"
    assert (folder / "runs/a/run.log").read_text().count(line) == 3  # once a network: two minima, then the path's
    network = opened()
    assert len(network.predictions(network.initial(0))) == 359
    assert remarked(network) == [line]
    # what the search itself has no room for is said as ever
    refused = pathsearch("run", "run.yaml", "objective.batch=200", "--out", "runs/b", cwd=folder, status=1)
    assert "out of memory" in refused.stderr
    assert "set objective.micro_batch, or objective.batch lower" in refused.stderr
