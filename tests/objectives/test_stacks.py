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
