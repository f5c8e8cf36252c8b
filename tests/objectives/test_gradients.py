import pytest
import torch

from pathsearch.errors import PathsearchError
from pathsearch.holders import SerialHolder
from pathsearch.numerics.seeds import Key
from pathsearch.objectives import NetworkSettings
from pathsearch.objectives.gradients import EVALUATORS, chosen, prepared
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


CONVOLUTION = """
from torch import nn
def net():
    return nn.Sequential(nn.Conv2d(1, 4, 3, stride=2), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(36, 10))
"""


@pytest.mark.parametrize(
    ("how", "model"),
    [
        ("vmap", {"name": "cnn", "args": {"width": 4}}),
        ("vmap", {"name": "mlp", "args": {"norm": True}}),
        # small ones: a compiler of C++ takes seconds for each layer, and warns
        pytest.param("compiled", "convolution:net", marks=pytest.mark.filterwarnings("ignore")),
        pytest.param(
            "compiled",
            {"name": "mlp", "args": {"norm": True, "depth": 1}},
            marks=pytest.mark.filterwarnings("ignore"),
        ),
    ],
)
def test_every_evaluator_gives_the_loop_s_gradients(how, model, tmp_path, monkeypatch):
    (tmp_path / "convolution.py").write_text(CONVOLUTION)
    monkeypatch.syspath_prepend(tmp_path)
    objective = network(model=model)
    wanted = list(EVALUATORS["loop"](objective, points(objective)))
    found = list(EVALUATORS[how](objective, points(objective)))
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

    wanted = list(EVALUATORS["vmap"](objective, points(objective)))
    monkeypatch.setattr(objective, "losses_and_gradients", crowded)
    found = list(EVALUATORS["vmap"](objective, points(objective)))
    assert asked == [3, 1, 1, 1, 1]
    torch.testing.assert_close(found, wanted, rtol=1e-8, atol=1e-10)


def test_no_clock_decides():
    assert chosen("auto") == "loop"
    assert [chosen(how) for how in EVALUATORS] == list(EVALUATORS)
    assert SerialHolder(network()).prepare_gradients("auto") == "loop"
    assert SerialHolder(network()).prepare_gradients("vmap") == "vmap"
    assert SerialHolder(surface("circle")).prepare_gradients("vmap") == "vmap"


def test_what_is_compiled_is_compiled_before_the_first_step(monkeypatch):
    objective, asked = network(), []
    counted = objective._counted
    monkeypatch.setattr(torch, "compile", lambda function, **options: asked.append(options) or function)
    monkeypatch.setattr(objective, "_counted", lambda *given: asked.append(len(given[2][0])) or counted(*given))
    prepared(objective, "compiled")
    options = [each for each in asked if isinstance(each, dict)]
    assert options == [{"mode": "reduce-overhead", "dynamic": False}]
    assert set(asked[asked.index(options[0]) + 1 :]) == {20}


@pytest.mark.parametrize("how", ["vmap", "compiled"])
def test_a_network_that_draws_random_numbers_has_the_loop_alone(how, tmp_path, monkeypatch):
    (tmp_path / "dropping.py").write_text(
        "from torch import nn\nNet = lambda: nn.Sequential(nn.Flatten(), nn.Dropout(0.1), nn.Linear(64, 10))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    objective = network(model="dropping:Net")
    with pytest.raises(
        PathsearchError, match=rf"^holder.gradients={how}: the network draws .* set holder.gradients=loop$"
    ):
        prepared(objective, how)
    assert prepared(objective, "loop") is EVALUATORS["loop"]


def test_a_network_that_an_evaluator_does_not_fit_is_refused_it(tmp_path, monkeypatch):
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
    with pytest.raises(
        PathsearchError, match=r"^holder.gradients=vmap does not work .* set holder.gradients=loop$"
    ) as caught:
        prepared(network(model="branching:Net"), "vmap")
    assert len(str(caught.value).splitlines()) == 1


def test_a_network_that_writes_to_its_inputs_does_not_spoil_the_next_image_s(tmp_path, monkeypatch):
    (tmp_path / "writing.py").write_text(
        "from torch import nn\nNet = lambda: nn.Sequential(nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(64, 10))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    objective = network(model="writing:Net")
    first, second = (objective.loss_and_gradient(objective.initial(0), Key(0, 0)) for _ in range(2))
    torch.testing.assert_close(first, second, rtol=0, atol=0)
