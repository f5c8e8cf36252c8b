"""From Python: what `connect` and `network` take, refuse, and show."""

import re

import numpy as np
import pytest
import torch
from matplotlib import pyplot
from torch import nn
from torch.utils.data import Dataset, TensorDataset

import pathsearch
from pathsearch.errors import PathsearchError
from pathsearch.machine import prepare_torch
from pathsearch.measure import Plane, Profile
from tests.conftest import surface


class Net(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))


class Points(Dataset):
    def __init__(self, inputs, targets):
        self.inputs, self.targets = inputs, targets

    def __len__(self):
        return len(self.inputs)

    def __getitem__(self, index):
        return self.inputs[index], int(self.targets[index])


INPUTS = torch.randn(40, 3, generator=torch.Generator().manual_seed(0))
TARGETS = (INPUTS.sum(1) > 0).long()
ENDS = torch.tensor([-1.0, 0.0]), torch.tensor([1.0, 0.0])


def ring(w):
    return (w @ w + w[1] - 1) ** 2


def two_nets():
    made = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        made.append(Net())
    return made


def network(**more):
    return pathsearch.network(**{"model": Net, "data": (INPUTS, TARGETS), "device": "cpu", **more})


@pytest.mark.parametrize(
    ("data", "sizes"),
    [
        ((INPUTS, TARGETS), (32, 8)),  # every fifth is for testing
        ((INPUTS.numpy(), TARGETS.numpy()), (32, 8)),
        (TensorDataset(INPUTS, TARGETS), (32, 8)),
        (Points(INPUTS, TARGETS), (32, 8)),
        ((Points(INPUTS, TARGETS), Points(INPUTS[:7], TARGETS[:7])), (40, 7)),
        (((INPUTS, TARGETS), TensorDataset(INPUTS[:9], TARGETS[:9])), (40, 9)),
        ({"name": "moons", "points": 10}, (8, 2)),
    ],
)
def test_network_takes_data_sets_of_all_forms(data, sizes):
    model = "mlp" if isinstance(data, dict) else Net
    found = network(model=model, data=data)
    assert (len(found.train), len(found.test)) == sizes
    assert set(found.measure(found.initial(0))) == set(found.metrics)


@pytest.mark.parametrize("model", [Net, lambda: Net(), two_nets()[0], nn.DataParallel(two_nets()[0])])
def test_network_takes_networks_of_all_forms(model):
    assert network(model=model).table == network().table
    if not isinstance(model, nn.Module):
        assert not torch.equal(network(model=model).initial(0), network(model=model).initial(1))


def test_metrics_that_count_classes_want_classes():
    with pytest.raises(PathsearchError, match=r"^objective.metrics.acc: accuracy counts classes, the targets are real"):
        network(data=(INPUTS, TARGETS.double()), loss="mse", metrics={"acc": "accuracy"})


def test_no_metrics_said_and_metrics_as_functions():
    def twice(model, batch):
        return 2 * len(batch[1]), len(batch[1])

    assert network(metrics=None).metrics == network().metrics
    assert network(metrics={"twice": twice}).measure(network().initial(0))["test_twice"] == 2.0


def test_a_module_is_not_changed_and_has_no_other_weights():
    module = two_nets()[0].eval()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    objective = network(model=module)
    pathsearch.connect(objective, *two_nets(), steps=3)
    assert all(torch.equal(before[name], value) for name, value in module.state_dict().items())
    assert not module.training
    with pytest.raises(PathsearchError, match="give network its class"):
        objective.initial(0)


def test_endpoints_of_all_forms_are_the_same_weights(tmp_path):
    objective, (start, end) = network(), two_nets()
    torch.save(start.state_dict(), tmp_path / "start.pt")
    flat = objective.flat(dict(start.named_parameters()))
    np.save(tmp_path / "start.npy", flat.numpy())
    forms = [
        start,
        nn.DataParallel(start),
        start.state_dict(),
        tmp_path / "start.pt",
        str(tmp_path / "start.npy"),
        flat,
    ]
    found = [pathsearch.connect(objective, form, end, steps=2).pivots for form in forms]
    for pivots in found[1:]:
        np.testing.assert_array_equal(pivots, found[0])
    np.testing.assert_array_equal(found[0][0], flat.numpy())


def test_home_folders_are_expanded(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    np.save(tmp_path / "a.npy", ENDS[0].numpy())
    path = pathsearch.connect(ring, "~/a.npy", [1.0, 0.0], steps=2)
    np.testing.assert_array_equal(path.pivots[0], [-1.0, 0.0])


REFUSED = {
    "a module as objective": ({"objective": Net()}, "pathsearch.network(model=Net, data=…), not Net itself"),
    "a class as objective": ({"objective": Net}, "pathsearch.network(model=Net, data=…), not Net itself"),
    "no objective": ({"objective": None}, "or what pathsearch.network(model=…, data=…) gives, not a NoneType"),
    "a module for a function": ({"start": Net()}, "start holds weights of a network"),
    "a state_dict for a function": ({"end": Net().state_dict()}, "end holds weights of a network"),
    "text": ({"start": ["a", "b"]}, "reading start raised ValueError"),
    "a file that is not there": ({"end": "nothing.npy"}, "nothing.npy"),
    "other lengths": ({"end": [1.0, 2.0, 3.0]}, "end has shape (3,), the objective's weights have shape (2,)"),
    "an infinite weight": ({"end": [1.0, np.inf]}, "end has weights that are not finite"),
    "a file for through": ({"through": "x.npy"}, "through is to be a list of points"),
    "no function to watch": ({"watch": 3}, "watch is to be a function"),
    "another method": ({"method": "nep"}, "method: no 'nep' (did you mean 'neb'?): there are linear,"),
    "another option": ({"method": {"name": "neb", "image": 3}}, "method: image: no such option of neb"),
    "no optimizer": ({"optimizer": 3}, "optimizer: give sgd | adam | fire | lbfgs"),
    "steps of another kind": ({"steps": "many"}, "connect: steps: give a whole number at least 0"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_connect_refuses_in_its_own_words(case):
    options, says = REFUSED[case]
    with pytest.raises(PathsearchError, match=re.escape(says)) as caught:
        pathsearch.connect(**{"objective": ring, "start": ENDS[0], "end": ENDS[1], **options})
    assert "\n" not in str(caught.value)


def test_connect_refuses_a_module_of_another_structure():
    with pytest.raises(PathsearchError, match="start"):
        pathsearch.connect(network(), nn.Linear(3, 2), Net())


REFUSED_NETWORKS = {
    "nothing": ({"model": None}, "network: model is to be a name, a module, its class or a function"),
    "another option": ({"modle": Net}, "network: modle: no such option (did you mean 'model'?): there are loss,"),
    "another device": ({"device": "gpu"}, "network: device: no 'gpu' (did you mean 'cpu'?): there are auto, cpu, cuda"),
    "another model": ({"model": "mlb"}, "network: model: name: no built-in model 'mlb' (did you mean 'mlp'?)"),
    "other data": ({"data": "digit"}, "network: data: no 'digit' (did you mean 'digits'?): there are digits,"),
    "a tensor": ({"data": INPUTS}, "network: data is to be a name, a torch Dataset, a pair of tensors"),
    "tensors that do not go together": ({"data": (INPUTS, TARGETS[:3])}, "(40, 3) inputs do not go with (3,) targets"),
    "too few": ({"data": (INPUTS[:3], TARGETS[:3])}, "less than 5 examples"),
    "a function of something": ({"model": lambda: 3}, "must make an nn.Module, it made int"),
    "another precision": ({"precision": "tf3"}, "no 'tf3' (did you mean 'tf32'?): there are float32, tf32"),
}


@pytest.mark.parametrize("case", REFUSED_NETWORKS)
def test_network_refuses_in_its_own_words(case):
    options, says = REFUSED_NETWORKS[case]
    with pytest.raises(PathsearchError, match=re.escape(says)):
        network(**options)
    with pytest.raises(PathsearchError, match="data is needed"):
        pathsearch.network(model=Net)


@pytest.mark.parametrize("t", [-0.1, 1.1, np.nan, np.inf, [0.5], "middle"])
def test_a_path_has_no_points_outside_of_itself(t):
    path = pathsearch.connect(ring, *ENDS, steps=2)
    with pytest.raises(PathsearchError, match=r"^t is to be a number in \[0, 1\], not "):
        path.weights(t)


def asked(part):
    return {name for name in dir(part) if not name.startswith("_")}


def test_a_path_is_asked_as_a_run_is(finished_run):
    """One that was searched for again gives the same."""
    config = finished_run.config
    opened = pathsearch.open(finished_run.file)
    path = pathsearch.connect(
        surface("muller-brown"),
        *(opened.weights(t) for t in (0.0, 1.0)),
        config["method"],
        config["optimizer"],
        config["steps"],
        config["tolerance"],
        measure={name: config["measure"][name] for name in ("points", "tolerance", "plane")},
    )
    assert asked(opened) - asked(path) == {"file", "settings"}
    for name in ("profile", "line"):
        mine, kept = getattr(path, name), getattr(opened, name)
        assert list(mine) == list(kept)
        np.testing.assert_array_equal(mine.loss, kept.loss)
    assert path.history.loss.dims == opened.history.loss.dims
    np.testing.assert_array_equal(path.history.force, opened.history.force)
    assert path.summary["path"] == opened.summary["path"]
    assert path.summary["chord"] == pytest.approx(opened.summary["chord"])
    assert dir(path.plot) == dir(opened.plot) == ["convergence", "plane", "profile"]
    assert len(path.plot().axes) == len(opened.plot().axes)
    np.testing.assert_array_equal(path.weights(0.3), opened.weights(0.3))
    np.testing.assert_array_equal(path.evenly(4), opened.evenly(4))
    np.testing.assert_array_equal(path.layers.distance, opened.layers.distance)
    with pytest.raises(PathsearchError, match="has no model, only what"):
        path.model(0.5)


def test_what_is_measured_is_measured_when_it_is_asked_for():
    seen = []

    def counted(w):
        seen.append(w)
        return ring(w)

    path = pathsearch.connect(counted, *ENDS, method="linear", measure={"points": 5, "tolerance": 10.0})
    assert path.history.loss.shape == (0, 0)
    assert len(seen) == 0
    assert path.line.loss.shape == path.profile.loss.shape == (5,)
    assert len(seen) == 5  # each point once
    assert path.plot.profile().get_lines()
    with pytest.raises(PathsearchError, match=r"^the path that connect found has no plane to draw: "):
        path.plot.plane()
    assert len(seen) == 5
    pyplot.close("all")


def test_a_point_of_a_networks_path_has_the_loss_of_its_profile():
    objective = network(data=((INPUTS, TARGETS), (INPUTS[:9], TARGETS[:9])))
    path = pathsearch.connect(objective, *two_nets(), method="linear", measure={"points": 3})
    found = path.profile
    with torch.no_grad():
        loss = nn.functional.cross_entropy(path.model(found.t[1])(INPUTS), TARGETS)
    assert float(loss) == pytest.approx(float(found.train_loss[1]), rel=1e-5)
    assert dir(path.plot) == ["error", "profile"]


def test_measuring_refuses_in_its_own_words():
    for options, says in (
        ({"points": 1}, "measure: points: give a whole number at least 3"),
        ({"tolerance": 0}, "above 0"),
        ({"examples": 5}, "measure: examples: no such option"),
    ):
        with pytest.raises(PathsearchError, match=says):
            pathsearch.connect(ring, *ENDS, steps=2, measure=options)


def test_what_is_shown_of_objects_is_a_line():
    steps = []
    path = pathsearch.connect(ring, *ENDS, method={"name": "neb", "images": 3}, steps=2, watch=steps.append)
    profile, step = Profile(np.zeros(3), np.zeros(3), {"loss": np.zeros(3)}, 0.0), steps[-1]
    plane = Plane(np.zeros(3), np.zeros(3), {"loss": np.zeros((3, 3))}, {})
    shown = [repr(each) for each in (path, profile, step, surface("circle"), network(), plane)]
    assert shown[0] == "Path(polygon, 5 pivots of 2 weights, step budget used, 9 gradients)"
    assert shown[3] == "FunctionObjective(circle of 2 weights, float64 on cpu)"
    assert shown[4] == "NetworkObjective(26 weights, 32 training and 8 test examples, float32 on cpu)"
    for text in shown:
        assert "\n" not in text
        assert len(text) < 110
    assert path == path


def flags():
    return torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32


@pytest.fixture
def torch_as_it_was():
    yield
    prepare_torch("float32")


@pytest.mark.usefixtures("torch_as_it_was")
def test_both_doors_set_the_precision():
    torch.backends.cudnn.allow_tf32, torch.backends.cudnn.benchmark = True, True
    objective = network()
    assert flags() == (False, False)
    assert (torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark) == (True, False)
    coarse = network(precision="tf32")
    assert flags() == (True, True)
    path = pathsearch.connect(objective, *two_nets(), steps=1)
    assert flags() == (False, False)
    pathsearch.connect(coarse, *two_nets(), steps=1)
    assert flags() == (True, True)
    path.profile  # noqa: B018
    assert flags() == (False, False)
