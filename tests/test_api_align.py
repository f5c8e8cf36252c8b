"""pathsearch.align: state_dicts, modules, files and vectors, and what cannot be aligned."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

import pathsearch
from pathsearch.errors import PathsearchError
from tests.commands import pathsearch as command


def net(seed, width=6):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(4, width), nn.BatchNorm1d(width), nn.ReLU(), nn.Linear(width, 3))


def shuffled(module, places):
    state = {name: each.clone() for name, each in module.state_dict().items()}
    for name, each in state.items():
        if each.shape[:1] == (6,):
            state[name] = each[places]
        elif each.ndim == 2:
            state[name] = each[:, places]
    return state


PLACES = torch.tensor([3, 0, 5, 1, 4, 2])


def test_a_permuted_copy_is_the_same_network():
    module = net(0)
    module[1].running_mean.copy_(torch.arange(6))
    found = pathsearch.align(module, module, shuffled(module, PLACES))
    assert found.same
    assert found.distance[1] == 0.0
    assert all(torch.equal(found.state_dict[name], each) for name, each in module.state_dict().items())
    np.testing.assert_array_equal(found.permutations["0.weight:0"], torch.argsort(PLACES))


def test_the_function_stays_and_the_distance_falls():
    one, other = net(0).eval(), net(1).eval()
    found = pathsearch.align(one, one, other.state_dict())
    moved = net(2).eval()
    moved.load_state_dict(found.state_dict)
    x = torch.randn(5, 4)
    torch.testing.assert_close(moved(x), other(x))
    after = (
        sum(float((a - b).detach().double().square().sum()) for a, b in zip(one.parameters(), moved.parameters()))
        ** 0.5
    )
    assert found.distance[1] == pytest.approx(after)
    assert found.distance[1] < found.distance[0]


def test_types_and_modes_stay():
    module = net(0).train()
    state = {name: each.bfloat16() if each.is_floating_point() else each for name, each in net(1).state_dict().items()}
    found = pathsearch.align(module, module, state)
    assert {name: each.dtype for name, each in found.state_dict.items()} == {n: e.dtype for n, e in state.items()}
    assert list(found.state_dict) == list(state)
    assert module.training


def test_pinned_groups_stay():
    with pytest.raises(PathsearchError, match="no units that could be permuted"):
        pathsearch.align(net(0), net(0), net(1), pin=["0.*"])


@pytest.mark.parametrize(
    ("b", "said"),
    [
        (net(1, 7), "has shape (7, 4), the network's has (6, 4)"),
        ({**net(1).state_dict(), "0.weight": torch.full((6, 4), float("nan"))}, "weights that are not finite"),
        (torch.zeros(3), "has shape (3,), the network's weights have shape"),
    ],
    ids=["shape", "nan", "vector"],
)
def test_what_does_not_fit_is_said(b, said):
    with pytest.raises(PathsearchError) as raised:
        pathsearch.align(net(0), net(0), b)
    assert said in str(raised.value)


class Shared(nn.Module):
    def __init__(self, scale):
        super().__init__()
        self.a, self.b = nn.Linear(4, 6), nn.Linear(6, 3)
        self.register_buffer("scale", torch.full((6,), scale))

    def forward(self, x):
        return self.b(self.a(x) * self.scale)


def test_buffers_that_differ_are_refused():
    with pytest.raises(PathsearchError, match=r"'scale' is frozen \(requires_grad=False\) or a buffer, and differs"):
        pathsearch.align(Shared(1.0), Shared(1.0), Shared(2.0))


def test_what_is_frozen_stays_where_something_is_not():
    module = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3))
    module[0].requires_grad_(False)
    other = {name: each.flip(0) if name.startswith("2") else each for name, each in module.state_dict().items()}
    assert list(pathsearch.align(module, module, other).permutations) == ["2.weight:0"]
    with pytest.raises(PathsearchError, match=r"'0\.weight' is frozen"):
        pathsearch.align(module, module, {**other, "0.weight": other["0.weight"] + 1})
    module.requires_grad_(False)  # as for evaluation: then it says nothing
    assert list(pathsearch.align(module, module, other).permutations) == ["0.weight:0", "2.weight:0"]


class ByName(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(4, 6), nn.Linear(6, 3)

    def forward(self, *, data, scale=None, loud=False):
        return {"out": self.b(self.a(data["x"]).relu() * (1 if scale is None else scale))}


def test_inputs_by_name():
    module = ByName()
    example = {"data": {"x": torch.randn(2, 4)}, "scale": torch.tensor(2.0), "loud": True}
    found = pathsearch.align(module, module, ByName(), example=example)
    assert [len(each) for each in found.permutations.values()] == [6]
    with pytest.raises(PathsearchError, match="example is to be a tensor, or a tuple or a dictionary of tensors"):
        pathsearch.align(module, module, ByName(), example={"data": 3})


class OfABatch(ByName):
    def forward(self, batch):
        return self.b(self.a(batch["x"]).relu())


def test_a_dictionary_may_be_the_one_input():
    found = pathsearch.align(OfABatch(), OfABatch(), OfABatch(), example={"x": torch.randn(2, 4)})
    assert [len(each) for each in found.permutations.values()] == [6]


def test_a_pattern_by_itself_is_one():
    module = net(0)
    deep = nn.Sequential(module, nn.Linear(3, 2))
    assert list(pathsearch.align(deep, deep, deep, pin="0.0.*").permutations) == ["0.3.weight:0"]


def test_activations_want_data():
    with pytest.raises(PathsearchError, match="activations are worked out on data"):
        pathsearch.align(net(0), net(0), net(1), by="activations")
    with pytest.raises(PathsearchError, match="there are weights, activations"):
        pathsearch.align(net(0), net(0), net(1), by="magic")


NET = """
from torch import nn
class Net(nn.Sequential):
    def __init__(self, width=6):
        super().__init__(nn.Linear(4, width), nn.ReLU(), nn.Linear(width, 3))
class Wants(Net):
    def __init__(self, wanted):
        super().__init__()
class Branch(Net):
    def forward(self, x):
        return super().forward(x if x.sum() > 0 else -x)
"""


@pytest.fixture
def files(tmp_path):
    (tmp_path / "nets.py").write_text(NET)
    for seed, name in enumerate("ab"):
        torch.manual_seed(seed)
        torch.save(nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3)).state_dict(), tmp_path / f"{name}.pt")
    return tmp_path


def test_files_on_the_command_line(files):
    said = command("align", "a.pt", "b.pt", "--model", "nets:Net", cwd=files).stdout
    assert "1 group of 6 units" in said
    assert said.splitlines()[-1] == "b-aligned.pt"
    command("align", "b.pt", "b-aligned.pt", "--model", "nets:Net", "-o", "c.safetensors", cwd=files)
    original, back = torch.load(files / "b.pt"), load_file(files / "c.safetensors")
    assert all(torch.equal(back[name], each) for name, each in original.items())


def test_faults_on_the_command_line_are_one_line(files):
    (files / "table.yaml").write_text("{0.weight: [h, null], 0.bias: [h], 2.weight: [null, h]}")
    (files / "wrong.yaml").write_text("{0.weight: [h, null], 0.bias: [h]}")
    cases = {
        ("-o", "a.pt", "--model", "nets:Net"): "is one of the networks that are aligned",
        ("-o", "no/b.pt", "--model", "nets:Net"): "there is no folder",
        ("--model", "mlp"): "name them with --data",
        ("--model", "nets:Wants"): "--model nets:Wants without --data raised TypeError",
        ("--model", "nets:Net", "data.root=x"): "data.root=x says nothing without --data",
        ("--model", "nets:Branch"): "it branches on values that it works out",
        ("--model", "nets:Branch", "--table", "wrong.yaml"): "changes what the network works out",
        ("--model", "nets:Net", "--table", "none.yaml"): "cannot be read",
    }
    for options, said in cases.items():
        done = command("align", "a.pt", "b.pt", *options, cwd=files, status=1)
        assert said in done.stderr.splitlines()[-1]
    command("align", "a.pt", "b.pt", "--model", "nets:Branch", "--table", "table.yaml", cwd=files)


def test_a_network_and_itself(tmp_path):
    torch.manual_seed(0)
    module = nn.Sequential(nn.Flatten(), nn.Linear(64, 4), nn.ReLU(), nn.Linear(4, 10))
    torch.save(module.state_dict(), tmp_path / "a.pt")
    said = command(
        *("align", "a.pt", "a.pt", "--model", "mlp", "--data", "digits", "model.args.width=4", "model.args.depth=1"),
        *("-o", "b.pt"),
        cwd=tmp_path,
    ).stdout
    assert "barrier of the straight line, train loss 0, aligned 0" in said
    assert "they are the same network: B is A as it is" in said


def test_symmetries_of_a_configuration(tmp_path):
    said = command("symmetries", "digits", cwd=tmp_path).stdout
    assert "2 groups of 128 units" in said
    assert "3.weight: 1[0:64]" in said
    assert "an input" in said
