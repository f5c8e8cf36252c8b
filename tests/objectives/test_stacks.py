import pytest
import torch

from pathsearch.numerics.seeds import Key
from pathsearch.objectives import NetworkSettings
from pathsearch.objectives.stacks import STACKS, calibrated, chosen, fastest
from tests.conftest import surface

KEYS = [Key(0, 3), Key(0, 3), Key(0, 3), Key(1, 0)]


def network(**options):
    settings = {
        "name": "network",
        "model": {"name": "cnn", "args": {"width": 4}},
        "data": "digits",
        "batch": 20,
        "dtype": "float64",
        "weight_decay": 1e-3,
        **options,
    }
    return NetworkSettings.model_validate(settings).open(None, torch.device("cpu"))


def points(objective):
    return [(objective.initial(seed), key) for seed, key in enumerate(KEYS)]


@pytest.mark.parametrize("way", ["vmap", pytest.param("compiled", marks=pytest.mark.filterwarnings("ignore"))])
@pytest.mark.parametrize("model", [{"name": "cnn", "args": {"width": 4}}, {"name": "mlp", "args": {"norm": True}}])
def test_every_way_gives_the_loop_s_gradients(way, model):
    objective = network(model=model)
    wanted = list(STACKS["loop"](objective, points(objective)))
    found = list(STACKS[way](objective, points(objective)))
    assert len(found) == len(wanted)
    for (loss, gradient), (its_loss, its_gradient) in zip(wanted, found):
        torch.testing.assert_close(its_loss, loss, rtol=1e-10, atol=1e-12, check_dtype=False)
        torch.testing.assert_close(its_gradient, gradient, rtol=1e-8, atol=1e-10)


def test_what_does_not_fit_in_memory_is_split_from_then_on(monkeypatch):
    objective, asked = network(), []
    whole = objective.losses_and_gradients

    def crowded(weights, key):
        asked.append(len(weights))
        if len(weights) > 1:
            raise torch.OutOfMemoryError
        return whole(weights, key)

    wanted = list(STACKS["vmap"](objective, points(objective)))
    monkeypatch.setattr(objective, "losses_and_gradients", crowded)
    found = list(STACKS["vmap"](objective, points(objective)))
    assert asked == [3, 1, 1, 1, 1]
    torch.testing.assert_close(found, wanted, rtol=1e-8, atol=1e-10)


def test_a_calibration_leaves_out_what_does_not_work(monkeypatch):
    objective = network()
    assert set(calibrated(objective, 2)) == {"loop", "vmap"}
    monkeypatch.setattr(
        objective, "losses_and_gradients", lambda *_: (_ for _ in ()).throw(RuntimeError("no batching rule"))
    )
    assert set(calibrated(objective, 2)) == {"loop"}


def test_the_loop_is_left_only_for_something_clearly_faster():
    assert fastest({"loop": 1.0, "vmap": 0.97}) == "loop"
    assert fastest({"loop": 1.0, "vmap": 0.9, "compiled": 0.5}) == "compiled"


def test_timing_does_not_decide_about_bits_on_a_cpu():
    assert chosen(network(), "auto", 4) == "loop"
    assert chosen(network(), "vmap", 4) == "vmap"
    assert chosen(surface("circle"), "auto", 4) == "loop"


def test_a_network_that_a_way_does_not_fit_is_left_to_the_loop(tmp_path, monkeypatch):
    (tmp_path / "branching.py").write_text(
        "from torch import nn\n"
        "class Net(nn.Sequential):\n"
        "    def __init__(self):\n"
        "        super().__init__(nn.Flatten(), nn.Linear(64, 10))\n"
        "    def forward(self, x):\n"
        "        y = super().forward(x)\n"
        "        return y if y.sum() > 0 else 2 * y\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert set(calibrated(network(model="branching:Net"), 2)) == {"loop"}


def test_a_network_that_writes_to_its_inputs_does_not_spoil_the_next_image_s(tmp_path, monkeypatch):
    (tmp_path / "writing.py").write_text(
        "from torch import nn\nNet = lambda: nn.Sequential(nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(64, 10))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    objective = network(model="writing:Net")
    first, second = (objective.loss_and_gradient(objective.initial(0), Key(0, 0)) for _ in range(2))
    torch.testing.assert_close(first, second, rtol=0, atol=0)
