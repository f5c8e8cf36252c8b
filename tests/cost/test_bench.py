"""What `bench` measures, and that it does so on machines without Ray."""

import sys
from dataclasses import replace

import pytest
import torch
import yaml

from pathsearch.cost import actors, coordination, evaluators, gpt, memory, network
from pathsearch.cost.evaluators import Timed, advised, table_of, timed
from pathsearch.cost.network import bench
from pathsearch.errors import PathsearchError
from pathsearch.objectives import NetworkSettings
from pathsearch.run.config import validated
from tests.commands import SMALL


@pytest.fixture
def no_ray(monkeypatch):
    for name in [name for name in sys.modules if name == "ray" or name.startswith("pathsearch.holders.ray")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "ray", None)


def settings(**holder):
    config = yaml.safe_load(SMALL)
    return validated({**config, "device": "cpu", "holder": {"name": "serial", **holder}}, "test")


def test_without_ray_no_actors_are_timed(no_ray, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = bench(settings(), tmp_path, [1, 2], 1)
    assert found.actors == []
    assert actors.MISSING in found.lines()
    assert 0 < found.gradient_seconds < found.step_seconds
    assert set(found.evaluators) == {"loop", "vmap", "compiled"}
    assert found.gradients == "loop"


def test_without_ray_coordination_is_refused(no_ray):
    with pytest.raises(PathsearchError, match=r"^Ray is not installed: .*pip install ray"):
        coordination.coordination([1], 1, lambda line: None)


def test_steps_are_timed_as_they_would_be_taken(no_ray, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = bench(settings(gradients="vmap"), tmp_path, [], 1)
    assert found.gradients == "vmap"
    assert 0 < found.gradient_seconds < found.step_seconds


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_bare_loop_takes_the_same_pieces_in_the_same_precision(precision):
    options = {"name": "network", "model": "mlp", "data": "digits", "batch": 50, "micro_batch": 20}
    objective = NetworkSettings.model_validate({**options, "precision": precision}).open(None, torch.device("cpu"))
    loss, seen = objective.task.loss, []

    def counted(model, batch):
        seen.append((len(batch[1]), torch.is_autocast_enabled("cpu")))
        return loss(model, batch)

    objective.task = replace(objective.task, loss=counted)
    assert network._bare_loop(objective)() > 0
    assert seen == [(size, precision == "bfloat16") for size in (17, 17, 16)]


def test_actors_share_the_cores_this_process_may_use(monkeypatch):
    monkeypatch.setattr(actors, "cores", lambda: 5)
    assert [actors.cores_each(count) for count in (1, 2, 5, 8)] == [5, 2, 1, 1]


def test_an_evaluator_that_does_not_work_is_named_in_the_table(monkeypatch):
    options = {"name": "network", "model": "mlp", "data": "digits", "batch": 20}
    objective = NetworkSettings.model_validate(options).open(None, torch.device("cpu"))
    monkeypatch.setattr(evaluators, "ROUNDS", 1)
    monkeypatch.setattr(
        objective, "losses_and_gradients", lambda *_: (_ for _ in ()).throw(RuntimeError("no batching rule"))
    )
    found = timed(objective, 2)
    assert found["loop"].seconds > 0
    assert (found["vmap"].seconds, found["compiled"].seconds) == (None, None)
    assert any("vmap" in line and "no batching rule" in line for line in table_of(found))


@pytest.mark.parametrize(("vmap", "best"), [(0.97, "loop"), (0.9, "vmap")])
def test_the_loop_is_left_only_for_something_clearly_faster(vmap, best):
    found = {"loop": Timed(1.0, 0.0), "vmap": Timed(vmap, 3.0), "compiled": Timed(None, None, "no compiler")}
    assert advised(found) == best
    assert (f"holder.gradients={best}" in table_of(found)[-1]) == (best != "loop")


@pytest.mark.parametrize("case", memory.CASES)
def test_memory_runs_a_band_and_keeps_it(case, tmp_path, monkeypatch):
    kept = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(memory.storage, "write", lambda file, what: kept.append(what))
    memory._run(case, 50)
    assert kept[0].weights.shape == (9, 50)
    assert {rows.shape for rows in kept[0].optimizer.values()} == {(7, 50)}
    assert kept[0].weights.row(0).shape == (50,)


def test_memory_is_over_that_of_the_vectors(monkeypatch):
    peaks = {memory.SMALL: 1000, 10: 1000 + 2 * (9 + 7 + 2 * 7) * 10 * 8}
    monkeypatch.setattr(memory, "_peak_of", lambda case, parameters: peaks[parameters])
    assert memory.ratio("re-spaced, adam", 10) == 2.0
    assert memory.peak() > 1 << 20


SMALL_GPT = {"VOCABULARY": 11, "POSITIONS": 8, "LAYERS": 1, "HEADS": 2, "WIDTH": 4, "CONTEXT": 5}


@pytest.fixture
def small_gpt(monkeypatch):
    for name, value in SMALL_GPT.items():
        monkeypatch.setattr(gpt, name, value)


def test_the_gpt_has_gpt2s_size():
    assert gpt.size() == 124_439_808


@pytest.mark.usefixtures("small_gpt")
def test_the_gpt_sees_no_later_token():
    torch.manual_seed(0)
    model, ids = gpt.Gpt(), gpt.tokens()[:1]
    later = ids.clone()
    later[:, 3:] = (later[:, 3:] + 1) % gpt.VOCABULARY
    same = torch.isclose(model(ids), model(later)).all(dim=-1)[0].tolist()
    assert same == [True, True, True, False, False, False]


@pytest.mark.usefixtures("small_gpt")
@pytest.mark.parametrize("case", memory.GPT)
def test_memory_runs_a_gpts_band_and_the_bare_model(case, monkeypatch):
    steps, search = [], memory.search
    monkeypatch.setattr(memory, "search", lambda *given: (steps.append(step) or step for step in search(*given)))
    memory.GPT[case]()
    assert [step.state.moves for step in steps] == ([0, 1] if case == "gpt" else [])
    assert all(len(step.losses) == 5 for step in steps)


def test_a_gpts_memory_is_what_exceeds_a_pass_of_the_bare_model(monkeypatch):
    monkeypatch.setattr(gpt, "size", lambda: 10)
    peaks = {"bare gpt": 1000, "gpt": 1000 + 2 * (5 + 3 + 3) * 10 * 4}
    monkeypatch.setattr(memory, "_peak_of", lambda case, parameters: peaks[case])
    assert memory.gpt_ratio() == 2.0
