import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from pathsearch import storage
from pathsearch.errors import PathsearchError
from pathsearch.objectives import NetworkSettings
from pathsearch.run import endpoints
from pathsearch.run.settings import FromRun

SETTINGS = NetworkSettings.model_validate(
    {"model": "cnn", "data": {"name": "random", "shape": [3, 8, 8], "examples": 20}}
)


@pytest.fixture(scope="module")
def network():
    return SETTINGS.open(None, torch.device("cpu"))


def read(point, network, folder, side="start"):
    return endpoints.brought(point, side, network, folder)


@pytest.mark.parametrize("wrap", [lambda s: s, lambda s: {"state_dict": s, "epoch": torch.tensor(3)}])
@pytest.mark.parametrize("prefix", ["", "module."])
def test_state_dicts(network, tmp_path, wrap, prefix):
    module = network.make()
    torch.save(wrap({prefix + name: value for name, value in module.state_dict().items()}), tmp_path / "a.pt")
    found = read("a.pt", network, tmp_path)
    np.testing.assert_array_equal(found.weights, torch.nn.utils.parameters_to_vector(module.parameters()).detach())
    assert set(found.buffers) == set(network.buffers)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16])
def test_state_dicts_of_another_precision_can_be_measured(network, tmp_path, dtype):
    torch.save(network.make().to(dtype).state_dict(), tmp_path / "a.pt")
    found = read("a.pt", network, tmp_path)
    assert np.isfinite(network.measure_with(torch.tensor(found.weights), found.buffers)["test_loss"])


def test_arrays_and_lists(network, tmp_path):
    wanted = np.random.default_rng(0).normal(size=network.size).astype(np.float32)
    np.save(tmp_path / "a.npy", wanted)
    np.testing.assert_array_equal(read("a.npy", network, tmp_path).weights, wanted)
    np.testing.assert_array_equal(read(wanted.tolist(), network, tmp_path).weights, wanted)


def test_earlier_runs(network, tmp_path):
    pivots = np.random.default_rng(0).normal(size=(3, network.size))
    kept = storage.Kept(state="finished", weights=pivots, tensors=network.table)
    storage.write(tmp_path / "path.h5", kept)
    np.testing.assert_array_equal(read("path.h5", network, tmp_path).weights, pivots[0])
    np.testing.assert_array_equal(read("path.h5", network, tmp_path, "end").weights, pivots[2])
    np.testing.assert_array_equal(read(FromRun(run=str(tmp_path), pivot=1), network, tmp_path).weights, pivots[1])
    with pytest.raises(PathsearchError, match="has 3 pivots, none numbered 7"):
        read(FromRun(run="path.h5", pivot=7), network, tmp_path)
    storage.write(tmp_path / "path.h5", replace(kept, state="running"))
    with pytest.raises(PathsearchError, match=r"path\.h5 is not finished"):
        read("path.h5", network, tmp_path)


class Evil:
    def __reduce__(self):
        return (Path.touch, (Path("evil-was-here"),))


def test_pickles_are_not_executed(network, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("a.pt").write_bytes(pickle.dumps(Evil()))
    torch.save({"x": Evil()}, "b.pt")
    np.save("c.npy", np.array([Evil()]), allow_pickle=True)
    for file in ("a.pt", "b.pt", "c.npy"):
        with pytest.raises(PathsearchError) as caught:
            read(file, network, tmp_path)
        assert "\n" not in str(caught.value)
    assert not Path("evil-was-here").exists()


def test_what_does_not_fit_is_named(network, tmp_path):
    state = network.make().state_dict()
    torch.save({**state, "0.weight": torch.zeros(2, 2)}, tmp_path / "shape.pt")
    with pytest.raises(
        PathsearchError, match=r"'0\.weight' in .* has shape \(2, 2\), the network's has \(16, 3, 3, 3\)"
    ):
        read("shape.pt", network, tmp_path)
    torch.save({name: value for name, value in state.items() if name != "0.weight"}, tmp_path / "short.pt")
    with pytest.raises(PathsearchError, match=r"no parameter '0\.weight'"):
        read("short.pt", network, tmp_path)
    with pytest.raises(PathsearchError, match=r"endpoints.start has shape \(2,\), .* shape \(\d+,\)"):
        read([1.0, 2.0], network, tmp_path)
    with pytest.raises(PathsearchError, match="not finite"):
        read([float("nan")] * network.size, network, tmp_path)
    with pytest.raises(PathsearchError, match=r"no file missing\.npy"):
        read("missing.npy", network, tmp_path)
