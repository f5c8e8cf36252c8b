"""A run with its minima: trained once, shared, resumed, waited for."""

import signal
import threading
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from pathsearch import report, storage
from pathsearch.errors import Interrupted, PathsearchError
from pathsearch.jobs.states import _training
from pathsearch.jobs.work import _reached
from pathsearch.locks import alone
from pathsearch.numerics.seeds import Key
from pathsearch.run import minima, whole
from pathsearch.run.config import validated
from pathsearch.run.extend import extended
from pathsearch.run.settings import Asked
from pathsearch.run.stop import Stop
from tests.commands import SMALL
from tests.runs import Heard

TINY = yaml.safe_load(SMALL) | {"measure": {"points": 3, "plane": 0}, "steps": 4}


def settings(steps=40, **changes):
    ends = {side: {"train": {"seed": seed, "steps": steps}} for side, seed in (("start", 0), ("end", 1))}
    return validated({**TINY, "endpoints": ends, **changes}, "test")


def run(folder, watcher=None, stop=None, store=None, **changes):
    return whole.run(Asked(settings(**changes), Path(), store=store), folder, watcher or Heard(), stop or Stop())


def only(folder, **changes):
    """The minimum at the start."""
    return minima.needed(settings(**changes), Path(), folder)["start"]


def train(wanted, watcher, stop=None):
    with ExitStack() as stack:
        return whole.train(wanted, settings(), Path(), watcher, stop or Stop(), stack)


def test_a_second_method_takes_the_minima_of_the_first(tmp_path):
    first, second = Heard(), Heard()
    one = run(tmp_path / "a", first)
    store = {folder.name: storage.read(folder) for folder in sorted((tmp_path / "minima").iterdir())}
    assert [name.rpartition("-")[0] for name in store] == ["mlp-digits-seed0", "mlp-digits-seed1"]
    assert {each.state for each in store.values()} == {"finished"}
    assert sum(line.startswith("trains") for line in first.lines) == 2
    other = run(tmp_path / "b", second, method="string")
    assert [line.partition(" ")[0] for line in second.lines[:3]] == ["takes", "takes", "begins:"]
    ends = np.concatenate([storage.read_vectors(each.file)[0] for each in store.values()])
    for found in (one, other):
        np.testing.assert_array_equal(storage.read_vectors(found.file)[0][[0, -1]], ends)
        used = {each["side"]: each["folder"] for each in report.figures(found)["minima"]}
        assert used == dict(zip(("start", "end"), (str(each.file.parent) for each in store.values())))
        assert found.position["moves"] == 4  # those of the search alone


def test_another_store_can_be_named(tmp_path):
    run(tmp_path / "runs" / "a", store=tmp_path / "shared")
    assert len(list((tmp_path / "shared").iterdir())) == 2
    assert not (tmp_path / "runs" / "minima").exists()


def test_a_run_that_has_begun_needs_its_minima_no_more(tmp_path):
    stop = Stop()
    watcher = Heard(lambda moves: moves == 2 and len(watcher.lines) == 5 and setattr(stop, "number", signal.SIGTERM))
    with pytest.raises(Interrupted, match="step 3 of neb"):
        run(tmp_path / "a", watcher, stop)
    for folder in (tmp_path / "minima").iterdir():
        (folder / "path.h5").unlink()
    assert run(tmp_path / "a").state == "finished"


def test_a_training_goes_on_where_it_was_stopped_to_the_same_bits(tmp_path):
    wanted, stopped = only(tmp_path / "a"), only(tmp_path / "b")
    train([wanted], Heard())
    stop = Stop()
    with pytest.raises(Interrupted, match="stopped by SIGTERM at step 18 of train from seed 0"):
        train([stopped], Heard(lambda moves: moves == 17 and setattr(stop, "number", signal.SIGTERM)), stop)
    steps = []
    assert train([stopped], Heard(steps.append)) == [stopped]
    assert steps == list(range(18, 41))
    one, other = (storage.read(each.folder) for each in (wanted, stopped))
    np.testing.assert_array_equal(*(storage.read_vectors(each.file)[0] for each in (one, other)))
    assert one.summary["minimum"] == other.summary["minimum"]


def test_the_weights_and_metrics_are_those_of_plain_torch(tmp_path):
    each = only(tmp_path)
    train([each], Heard())
    found = storage.read(each.folder)
    network = each.settings.objective.open(None, torch.device("cpu"))
    weights = network.initial(0).clone().requires_grad_()
    descent = torch.optim.SGD([weights], lr=0.1, momentum=0.9)
    for step in range(40):
        descent.param_groups[0]["lr"] = 0.05 * (1 + np.cos(np.pi * step / 40))
        _, gradient = network.loss_and_gradient(weights.detach(), Key(0, step))
        weights.grad = gradient
        descent.step()
    kept = storage.read_vectors(each.folder)[0]
    assert kept.shape == (1, network.size)
    np.testing.assert_allclose(kept[0], weights.detach().numpy(), rtol=1e-5, atol=1e-6)
    measured = network.measure(torch.from_numpy(kept[0]))
    assert found.summary["minimum"] == {name: float(value) for name, value in measured.items()}
    assert report.figures(found)["minimum"] == found.summary["minimum"]
    assert report.headline(report.figures(found)).startswith("minimum: trained, 40 steps, 41 gradients, a pivot of")


REFUSED = {
    "lbfgs needs the same loss every step": {"optimizer": "lbfgs"},
    "no file nowhere.pt": {"endpoints": {"start": {"train": {"seed": 0, "steps": 2}}, "end": "nowhere.pt"}},
    "endpoints.end has shape": {"endpoints": {"start": {"train": {"seed": 0, "steps": 2}}, "end": [1.0, 2.0]}},
}


@pytest.mark.parametrize("said", REFUSED)
def test_what_is_wrong_is_said_before_anything_is_trained(tmp_path, said):
    heard = Heard()
    with pytest.raises(PathsearchError, match=said):
        whole.run(Asked(validated({**TINY, **REFUSED[said]}, "test"), tmp_path), tmp_path / "a", heard, Stop())
    assert heard.lines == []


def test_it_can_be_seen_how_far_its_minima_are(tmp_path):
    stop, folder = Stop(), tmp_path / "a"
    assert minima.progress(folder) == {}
    with pytest.raises(Interrupted):
        run(folder, Heard(lambda moves: moves == 17 and setattr(stop, "number", signal.SIGTERM)), stop)
    first, second = minima.progress(folder).items()
    assert (first[0].name, first[1].moves) == (only(tmp_path / "minima").name, 18)
    assert second[1] is None
    assert _reached(folder) == 18
    assert _training(folder).startswith(f"its minima come first: {first[0].name} at step 18 / 40, mlp-digits-seed1-")
    run(folder)
    assert _training(folder) == ""
    assert _reached(folder) > 4 + 2 * 40


def test_one_that_another_process_trains_is_waited_for(tmp_path):
    each = only(tmp_path)
    heard = Heard()
    with ExitStack() as other:
        other.enter_context(alone(each.folder))
        waiting = threading.Thread(target=train, args=([each], heard), daemon=True)
        waiting.start()
        while not heard.lines:
            waiting.join(0.02)
        assert heard.lines == [f"waits for {each.folder}, which another process trains"]
        whole.session.carry_out(Asked(each.settings, Path()), each.folder, Heard(), Stop(), dict)
    waiting.join(300)
    assert not waiting.is_alive()
    assert len(heard.lines) == 1  # it trained nothing


def test_a_signal_ends_the_waiting(tmp_path):
    each, stop = only(tmp_path), Stop(number=signal.SIGTERM)
    with alone(each.folder), pytest.raises(Interrupted, match="stopped by SIGTERM while it waited for"):
        train([each], Heard(), stop)


def test_a_damaged_minimum_is_named(tmp_path):
    each = only(tmp_path)
    train([each], Heard())
    file = each.folder / "path.h5"
    file.write_bytes(file.read_bytes()[:-5])
    with pytest.raises(PathsearchError, match=rf"{file} cannot be read .* move it away and run again"):
        run(tmp_path.parent / f"{tmp_path.name}-run", store=tmp_path)


def test_a_minimum_is_not_extended(tmp_path):
    each = only(tmp_path)
    train([each], Heard())
    with pytest.raises(PathsearchError, match=r"is a minimum, .*: train another one with more steps"):
        extended(each.folder, ["steps=+10"])
