"""Operations that may give other bits each time are named, and refused where that is asked for."""

import warnings
from types import SimpleNamespace

import pytest
import torch

from pathsearch.errors import PathsearchError
from pathsearch.objectives import determinism
from pathsearch.objectives.determinism import not_deterministic, refusal, remark
from pathsearch.objectives.users_code import errors_named

CPU = torch.device("cpu")
INDEX = torch.tensor([0, 1, 1])


@pytest.fixture
def two_threads(monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)


def gathered(weights, index=INDEX):
    """A graph network's step, whose gradient adds up in any order."""
    weights[index].square().sum().backward()


def placed(weights):
    """An operation that has no deterministic kernel on any device."""
    (weights * torch.zeros(3).put_(torch.tensor([1]), torch.ones(1))).sum().backward()


def plain(weights):
    (weights @ weights).backward()
    warnings.warn("of the network's own", stacklevel=1)


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize(
    ("step", "dtype", "names"),
    [
        (gathered, torch.float32, ["index_put"]),
        (gathered, torch.float64, []),  # one thread adds them, in order
        (placed, torch.float32, ["put_"]),
        (plain, torch.float32, []),
        (lambda weights: [placed(weights), placed(weights), gathered(weights)], torch.float32, ["put_", "index_put"]),
    ],
)
def test_operations_are_named_once_in_silence(step, dtype, names):
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        assert not_deterministic(lambda: step(torch.ones(3, dtype=dtype, requires_grad=True))) == names
    said = {str(each.message) for each in warned}
    assert said <= {"of the network's own"}  # by the pass as it is: it would say so without us, too


def test_a_single_thread_adds_in_order(monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    assert not_deterministic(lambda: gathered(torch.ones(3, requires_grad=True))) == []
    assert not determinism._any_order("index_put", torch.ones(3), {"accumulate": True})


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize("fails", [1, 2])
def test_torch_is_left_as_it_was(fails):
    passes = []

    def run():
        passes.append(torch.get_deterministic_debug_mode())
        if len(passes) == fails:
            raise ValueError("of the network's own")

    filters = list(warnings.filters)
    with pytest.raises(ValueError, match="network's own"):
        not_deterministic(run)
    assert (passes, torch.get_deterministic_debug_mode()) == ([0, 1][:fails], 0)
    assert warnings.filters == filters
    assert not torch._C._len_torch_dispatch_stack()


@pytest.mark.parametrize(
    ("name", "dtype", "arguments", "counts"),
    [
        ("scatter_add", torch.float32, {}, True),
        ("scatter_add", torch.int64, {}, False),
        ("scatter_reduce", torch.float32, {"reduce": "mean"}, True),
        ("scatter_reduce", torch.float32, {"reduce": "amax"}, False),
        ("index_put", torch.float32, {"accumulate": True}, False),  # sorted on a GPU
        ("mm", torch.float32, {}, False),
    ],
)
def test_what_adds_in_any_order_on_a_gpu(name, dtype, arguments, counts):
    on_gpu = SimpleNamespace(
        is_cuda=True,
        is_floating_point=lambda: dtype.is_floating_point,
        is_complex=lambda: False,
    )
    assert determinism._any_order(name, on_gpu, arguments) == counts


def test_every_operation_of_the_tables_is_one_of_torch():
    names = {determinism.REDUCING, *determinism.ON_GPU, *determinism.ON_CPU}
    known = {name.split(".")[0] for name in torch._C._dispatch_get_all_op_names()}  # without the overload
    assert {name for name in names if not {f"aten::{name}", f"aten::{name}_"} & known} == set()


def test_the_remark_says_what_and_what_to_do():
    said = remark(["put_", "index_put"], CPU)
    assert said.startswith("not deterministic on cpu: put_, index_put;")
    assert "objective.deterministic=true" in said
    assert "\n" not in said


def test_what_has_no_deterministic_kernel_is_refused_in_a_line():
    torch.set_deterministic_debug_mode("error")  # as prepare_torch does, which imports the compiler, too
    try:
        with pytest.raises(PathsearchError) as caught, errors_named("the network"):
            placed(torch.ones(3, requires_grad=True))
        gathered(torch.ones(3, requires_grad=True))  # another kernel
    finally:
        torch.set_deterministic_debug_mode("default")
    assert str(caught.value) == (
        "the network: the operation put_ has no deterministic kernel here: set objective.deterministic=false, or take "
        "another layer"
    )


def test_products_that_were_not_prepared_in_time():
    error = RuntimeError(
        "Deterministic behavior was enabled with either `torch.use_deterministic_algorithms(True)` or "
        "`at::Context::setDeterministicAlgorithms(true)`, but this operation is not deterministic because it uses "
        "CuBLAS and you have CUDA >= 10.2. To enable deterministic behavior in this case, you must set an environment "
        "variable before running your PyTorch application: CUBLAS_WORKSPACE_CONFIG=:4096:8 or "
        "CUBLAS_WORKSPACE_CONFIG=:16:8."
    )
    assert "set CUBLAS_WORKSPACE_CONFIG=:4096:8 in the environment" in refusal(error)
    assert refusal(RuntimeError("shapes differ")) == refusal(ValueError("torch.use_deterministic_algorithms")) == ""
