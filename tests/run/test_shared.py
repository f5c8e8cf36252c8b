"""What all points share: kept and sent where an endpoint brought it; else a hash tells whether it is the same."""

import hashlib
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import pathsearch
from pathsearch import storage
from pathsearch.errors import Interrupted, PathsearchError
from pathsearch.run import endpoints, shared
from pathsearch.run.config import validated
from pathsearch.run.recipe import Recipe
from pathsearch.run.shared import Shared
from tests.runs import again, assert_same

OWN = """
import numpy as np, torch
from torch import nn

class Lora(nn.Module):
    def __init__(self):
        super().__init__()
        self.base, self.up, self.head = nn.Linear(2, 4096), nn.Linear(2, 8), nn.Linear(8, 2)
        self.base.requires_grad_(False)
        self.base.weight.data[:] = torch.from_numpy(np.load("base.npy"))
        self.base.bias.data.zero_()
        self.register_buffer("mask", torch.ones(4096, dtype=torch.bool))

    def forward(self, x):
        seen = (torch.tanh(self.base(x)) * self.mask).reshape(len(x), 8, 512).mean(2)
        return self.head(seen + self.up(x))
"""
BASE = {"base.weight", "base.bias", "mask"}


def settings(start, end, **changes):
    given = {
        "objective": {"name": "network", "model": "lora:Lora", "data": "moons", "batch": 50},
        "endpoints": {"start": start, "end": end},
        "method": {"name": "neb", "images": 1},
        "steps": 4,
        "measure": {"points": 3, "plane": 0},
    }
    return validated({**given, **changes}, "test")


TRAINED = settings(*({"train": {"seed": seed, "steps": 2}} for seed in (0, 1)))


def base(seed):
    np.save("base.npy", np.random.default_rng(seed).normal(size=(4096, 2)).astype(np.float32))


def saved(name, seed):
    """A state_dict of its own adapter on this base."""
    base(seed)
    import lora

    torch.manual_seed(len(name))  # another one for each
    torch.save(lora.Lora().state_dict(), name)


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(shared, "SMALL", 0)  # so that a small buffer stands for a large one
    Path("lora.py").write_text(OWN)
    base(0)
    return tmp_path


def run(asked, out, stop_at=None):
    return again(asked, Path(), out, stop_at)


def opened(asked=TRAINED):
    return Recipe(asked, None, "cpu", Path(), Path.cwd()).open()


def test_an_adapters_file_has_the_adapters_size(here):
    found = run(TRAINED, "x")
    assert found.shape == (3, 2 * 8 + 8 + 8 * 2 + 2)
    assert storage.read_buffers("x") == {}
    values = {"base.weight": np.load("base.npy"), "base.bias": np.zeros(4096, "f4"), "mask": np.ones(4096, bool)}
    wanted = {name: (each.shape, hashlib.sha256(each.tobytes()).hexdigest()) for name, each in values.items()}
    assert {name: (shape, sha256) for name, shape, sha256 in found.made} == wanted
    kept = shared.shared(opened())
    assert len(pickle.dumps(kept)) < 1000  # what an actor is sent
    assert max(file.stat().st_size for file in here.rglob("path.h5")) < values["base.weight"].nbytes


def test_what_the_model_makes_otherwise_is_named():
    with pytest.raises(Interrupted):
        run(TRAINED, "x", stop_at=3)  # the trainings have two steps
    finished = run(TRAINED, "y")
    known = shared.shared(opened())
    base(1)
    with pytest.raises(PathsearchError, match=r"the model makes another 'base\.weight' than when x/path\.h5 was begun"):
        run(TRAINED, "x")
    with pytest.raises(PathsearchError, match=r"makes another 'base\.weight' than when y was begun: put back"):
        endpoints.brought("y", "start", opened(), Path())
    actor = Recipe(TRAINED, None, "cpu", Path(), Path.cwd(), known)
    with pytest.raises(PathsearchError, match=r"makes another 'base\.weight' than when this run was begun"):
        pickle.loads(pickle.dumps(actor)).open()
    base(0)
    assert_same(run(TRAINED, "x"), finished)


def test_what_endpoints_bring_is_kept_where_the_model_makes_another():
    saved("a.pt", 7), saved("bb.pt", 7)
    base(0)
    asked = settings("a.pt", "bb.pt")
    whole = run(asked, "whole")
    with pytest.raises(Interrupted):
        run(asked, "x", stop_at=2)
    assert_same(run(asked, "x"), whole)
    brought, own = storage.read_buffers("x"), torch.load("a.pt")["base.weight"].numpy()
    assert list(brought) == ["base.weight"]
    np.testing.assert_array_equal(brought["base.weight"], own)
    assert {each.name for each in whole.made} == BASE - {"base.weight"}
    network = opened()
    endpoints.brought("a.pt", "start", network, Path())
    sent = Recipe(asked, None, "cpu", Path(), Path.cwd(), shared.shared(network))
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(sent)).open().shared["base.weight"], own)
    # a run and a file go together, in whichever order, and neither with what was trained on another base
    for n, (start, end) in enumerate((("whole", "bb.pt"), ("a.pt", "whole"))):
        assert run(settings(start, end, method="linear"), str(n)).state == "finished"
    trained = run(TRAINED, "trained")
    for start, end in (("whole", str(trained.file)), ("trained", "a.pt")):
        with pytest.raises(
            PathsearchError, match=rf"'base\.weight' of {end} differs from the other endpoint's: no path"
        ):
            run(settings(start, end, method="linear"), "none")


def test_two_bases_are_refused_whatever_brings_them():
    saved("a.pt", 7), saved("bb.pt", 8)
    trained = {"train": {"seed": 0, "steps": 2}}
    for start, end in (("a.pt", "bb.pt"), (trained, "bb.pt"), ("bb.pt", trained)):
        base(0)
        with pytest.raises(PathsearchError, match=r"frozen parameter 'base\.weight' of .* differs from the other end"):
            run(settings(start, end), "none")
    assert not list(Path().rglob("path.h5"))  # nothing was trained for it
    import lora

    network = pathsearch.network(model=lora.Lora, data="moons", device="cpu")
    states = [torch.load(name) for name in ("a.pt", "bb.pt")]
    with pytest.raises(PathsearchError, match=r"'base\.weight' of the \w+ at end differs from the other endpoint's"):
        pathsearch.connect(network, *states, method="linear")


def test_an_adapter_may_lie_in_a_file_without_its_base():
    saved("a.pt", 7)
    base(0)
    whole, adapter = torch.load("a.pt"), {"up.weight", "up.bias", "head.weight", "head.bias"}
    torch.save({f"model.{name}": whole[name] for name in adapter}, "adapter.pt")
    network = opened()
    found = endpoints.brought("adapter.pt", "start", network, Path())
    np.testing.assert_array_equal(found.weights, network.flat(whole).numpy())
    assert shared.shared(network).brought == {}
    torch.save({name: whole[name] for name in adapter - {"up.bias"}}, "less.pt")
    with pytest.raises(PathsearchError, match=r"it has no parameter 'up\.bias' of the network"):
        endpoints.brought("less.pt", "start", network, Path())


def test_a_run_whose_base_the_other_end_brings():
    run(TRAINED, "y")
    saved("a.pt", 0)
    base(1)
    network = opened()
    endpoints.brought("a.pt", "start", network, Path())
    endpoints.brought("y", "end", network, Path())
    assert set(shared.shared(network).brought) == {"base.weight"}


def test_files_of_earlier_programs_hold_all_of_it():
    network = opened()
    run(TRAINED, "y")
    with storage.stored("y") as kept:
        known = shared.of_file(kept)
    everything = {name: value.numpy() for name, value in network.shared.items()}
    assert set(everything) == BASE
    shared.adopt(Shared(everything), "y", network)
    assert shared.shared(network) == replace(known, brought={})
    other = {**everything, "base.weight": everything["base.weight"] + 1}
    with pytest.raises(PathsearchError, match="differs from the other endpoint's"):
        shared.adopt(Shared(other), "z", network)


def test_a_zero_keeps_its_sign():
    network = opened()
    minus = -np.zeros(4096, dtype=np.float32)
    network.adopt({"base.bias": torch.from_numpy(minus)}, "a.pt")
    assert np.signbit(shared.shared(network).brought["base.bias"]).all()


def test_a_small_buffer_is_kept_since_another_processor_may_make_another(monkeypatch):
    monkeypatch.setattr(shared, "SMALL", 4096)
    objective = Recipe(TRAINED, None, "cpu", Path(), Path.cwd()).open()
    kept = shared.shared(objective)
    assert (set(kept.brought), {each.name for each in kept.made}) == ({"mask"}, BASE - {"mask"})
    other = kept.brought["mask"].copy()
    other[0] = False
    shared.adopt(replace(kept, brought={"mask": other}), "this run", objective)
    assert not objective.shared["mask"][0]
