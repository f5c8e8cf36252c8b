"""Endpoints aligned before the search: what is permuted, what is kept of it, and when a point is left as it came."""

import json
import shutil
import signal
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from scipy.optimize import linear_sum_assignment

from pathsearch import report, storage
from pathsearch.alignment import aligned as alignment
from pathsearch.alignment.groups import permuted
from pathsearch.errors import HolderLost, Interrupted, PathsearchError
from pathsearch.holders import SerialHolder
from pathsearch.locks import alone
from pathsearch.numerics.profiles import summary
from pathsearch.numerics.seeds import Key
from pathsearch.run import aligning, finish, minima
from pathsearch.run.config import validated
from pathsearch.run.shelf import shelf
from pathsearch.run.stop import Stop
from pathsearch.storage.permuted import permutations_in, symmetries_in
from tests.commands import SMALL
from tests.runs import Heard, again, assert_same

TINY = yaml.safe_load(SMALL) | {"measure": {"points": 3, "plane": 0}, "steps": 4}
ENDS = {side: {"train": {"seed": seed, "steps": 60}} for side, seed in (("start", 0), ("end", 1))}


def settings(align="weights", ends=ENDS, **changes):
    return validated({**TINY, "endpoints": {**ends, "align": align}, **changes}, "test")


def run(out, watcher=None, stop_at=None, **changes):
    return again(settings(**changes), Path(), out, stop_at, watcher)


@pytest.fixture(scope="module")
def network():
    return settings().objective.open(None, torch.device("cpu"))


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The same run aligned and not aligned, and what was logged."""
    folder, heard = tmp_path_factory.mktemp("runs"), Heard()
    return run(folder / "a", heard), run(folder / "b", align="none"), heard.lines


@pytest.fixture
def trained(tmp_path, runs):
    """The minima of these runs beside those of a test, so that it need not train them; aligned ones are not there."""
    skipped = shutil.ignore_patterns("*-aligned-*")
    shutil.copytree(runs[0].file.parent.parent / "minima", tmp_path / "minima", ignore=skipped)


def ends(found):
    return storage.read_vectors(found.file)[0][[0, -1]]


def layers(weights):
    """W1 [16, 64], b1 [16], W2 [10, 16], b2 [10] of the network with one hidden layer."""
    return [part.reshape(shape) for part, shape in zip(np.split(weights, [1024, 1040, 1200]), SHAPES)]


SHAPES = ((16, 64), (16,), (10, 16), (10,))


def test_the_end_is_the_minimum_with_its_hidden_units_in_the_order_that_is_kept(runs, network):
    found, plain, logged = runs
    (start, end), (same, before) = ends(found), ends(plain)
    np.testing.assert_array_equal(start, same)
    (order,) = permutations_in(found, "end")
    assert sorted(order) == list(range(16))
    (w1, b1, w2, b2), kept = layers(before), layers(end)
    for mine, wanted in zip(kept, (w1[order], b1[order], w2[:, order], b2)):
        np.testing.assert_array_equal(mine, wanted)
    # no exchange of two units brings it closer
    here = ((start - end) ** 2).sum()
    for i in range(16):
        for j in range(i):
            swap = np.arange(16)
            swap[[i, j]] = j, i
            other = np.concatenate([kept[0][swap].ravel(), kept[1][swap], kept[2][:, swap].ravel(), kept[3]])
            assert ((start - other) ** 2).sum() >= here * (1 - 1e-6)

    (told,) = found.alignment["sides"]
    distances = [np.linalg.norm(start.astype(float) - other) for other in (before, end)]
    assert list(told["distance"].values()) == pytest.approx(distances)
    assert found.summary["chord"] == pytest.approx(distances[1])
    t = np.linspace(0, 1, 11)
    lines = []
    for other in (before, end):
        points = torch.from_numpy((1 - t)[:, None] * start + t[:, None] * other).float()
        lines.append(np.array([network.measure(point)["train_loss"] for point in points]))
    np.testing.assert_allclose(found.groups["alignment/line"]["train_loss"], lines[0], rtol=1e-5)
    barriers = [summary(line, t, t)["barrier"] for line in lines]
    assert list(told["barrier"].values()) == pytest.approx(barriers, rel=1e-4)
    assert barriers[1] < barriers[0]
    moved = int((order != np.arange(16)).sum())
    assert told["moved"] == {"groups": 1, "units": moved}
    assert found.alignment["how"] == {"name": "weights", "pin": [], "starts": 4, "seed": 0, "table": None}
    (said,) = [line for line in logged if line.startswith("end aligned with start by weights: ")]
    assert f"{moved} of 16 units in 1 of 1 groups moved, distance" in said


def test_by_activations_units_go_together_that_fire_together(trained, tmp_path, runs, network):
    found = run(tmp_path / "a", align="activations")
    start, before = ends(runs[1])
    inputs = torch.cat([batch[0] for batch in network.train.whole(network.chunk)]).flatten(1).double().numpy()
    (w1, b1, *_), (v1, c1, *_) = layers(start.astype(float)), layers(before.astype(float))
    one, other = (np.maximum(inputs @ w.T + b, 0.0) for w, b in ((w1, b1), (v1, c1)))
    covariance = (one - one.mean(0)).T @ (other - other.mean(0)) / len(inputs)
    correlation = covariance / (np.outer(one.std(0), other.std(0)) + 1e-4)
    (order,) = permutations_in(found, "end")
    np.testing.assert_array_equal(order, linear_sum_assignment(correlation, maximize=True)[1])
    assert found.alignment["how"] == {"name": "activations", "pin": []}
    np.testing.assert_array_equal(layers(ends(found)[1])[0], layers(before)[0][order])
    assert len(list(tmp_path.glob("minima/*-aligned-*"))) == 1


def test_a_file_says_which_parameters_were_permuted_and_that_is_enough_to_do_it(runs, network):
    found, plain, _ = runs
    symmetries = symmetries_in(found)
    assert [(atom.name, atom.size) for atom in symmetries.atoms] == [("1.weight:0", 16)]
    places = {block.tensor: block.atoms for block in symmetries.blocks}
    assert places == {"1.weight": (0, None), "1.bias": (0,), "3.weight": (None, 0)}
    before = dict(zip(network.names, network.coordinates.parts(torch.from_numpy(ends(plain)[1]))))
    after = permuted(symmetries, before, permutations_in(found, "end"))
    np.testing.assert_array_equal(network.flat(after).numpy(), ends(found)[1])


def test_show_says_it_and_a_run_without_has_nothing_of_it(runs, capsys):
    found, plain, logged = runs
    shown = report.figures(found)["alignment"]
    assert json.loads(json.dumps(shown, allow_nan=False))["sides"][0]["identity"] is False
    finish.say(found)
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("end aligned")]
    assert line in logged
    assert report.figures(plain)["alignment"] is None
    assert not any(name.startswith("alignment") for name in plain.groups)
    finish.say(plain)
    assert "aligned" not in capsys.readouterr().out


def test_the_identity_is_kept_where_the_line_becomes_no_better(trained, tmp_path, monkeypatch, runs, capsys):
    """The permutation that brings it the farthest away makes a line worse."""
    nearest = alignment.by_weights
    farthest = lambda a, b, *more: nearest({name: -each for name, each in a.items()}, b, *more)
    monkeypatch.setattr(alignment, "by_weights", farthest)
    heard = Heard()
    found = run(tmp_path / "a", heard)
    np.testing.assert_array_equal(ends(found), ends(runs[1]))
    (told,) = found.alignment["sides"]
    assert told["identity"]
    assert told["barrier"]["after"] > told["barrier"]["before"]
    np.testing.assert_array_equal(permutations_in(found, "end")[0], np.arange(16))
    (said,) = [line for line in heard.lines if line.startswith("end left as it came: ")]
    finish.say(found)
    assert said in capsys.readouterr().out.splitlines()


def test_a_permuted_copy_is_the_same_network(tmp_path, monkeypatch, network):
    monkeypatch.chdir(tmp_path)
    start = network.initial(0)
    w1, b1, w2, b2 = map(torch.from_numpy, layers(start.numpy()))
    order = torch.randperm(16, generator=torch.Generator().manual_seed(0))
    copy = {"1.weight": w1[order], "1.bias": b1[order], "3.weight": w2[:, order], "3.bias": b2}
    torch.save(start, "a.pt")
    torch.save(copy, "b.pt")
    with pytest.raises(PathsearchError, match=r"^the endpoints are identical once aligned: end is start with its hidd"):
        run(tmp_path / "a", ends={"start": "a.pt", "end": "b.pt"})
    assert run(tmp_path / "b", ends={"start": "a.pt", "end": "b.pt"}, align="none").state == "finished"


def test_copies_on_the_way_are_refused(trained, tmp_path, monkeypatch, network):
    monkeypatch.chdir(tmp_path)
    order = torch.randperm(16, generator=torch.Generator().manual_seed(0))
    for seed, file in ((3, "other"), (0, "start")):
        w1, b1, w2, b2 = map(torch.from_numpy, layers(network.initial(seed).numpy()))
        torch.save(network.initial(seed), f"{file}.pt")
        copy = {"1.weight": w1[order], "1.bias": b1[order], "3.weight": w2[:, order], "3.bias": b2}
        torch.save(copy, f"copy of {file}.pt")
    for start, way, said in (
        (ENDS["start"], ["other.pt", "copy of other.pt"], "endpoints: through.1 is through.0 with its hidden units"),
        ("start.pt", ["copy of start.pt"], "endpoints.through.0 is start with its hidden units permuted"),
    ):
        with pytest.raises(PathsearchError, match=said):
            run(tmp_path / "a", ends={"start": start, "end": ENDS["end"], "through": way})


def test_points_on_the_way_are_aligned_with_the_start_too(trained, tmp_path, monkeypatch, network, runs):
    monkeypatch.chdir(tmp_path)
    np.save("way.npy", network.initial(3).numpy())
    begun = []
    real = aligning.aligned
    monkeypatch.setattr(aligning, "aligned", lambda *given: begun.append(real(*given)) or begun[-1])
    found = run(tmp_path / "a", ends={**ENDS, "through": ["way.npy"]})
    np.testing.assert_array_equal(ends(found), ends(runs[0]))
    first, second = found.alignment["sides"]
    assert [each["side"] for each in (first, second)] == ["through.0", "end"]
    assert not first["identity"]
    (order,) = permutations_in(found, "through.0")
    w1, b1, w2, b2 = layers(network.initial(3).numpy())
    wanted = np.concatenate([w1[order].ravel(), b1[order], w2[:, order].ravel(), b2])
    ((_, way, _), _) = begun[0]
    np.testing.assert_array_equal(way.weights, wanted)
    assert first["distance"]["after"] == pytest.approx(np.linalg.norm(ends(found)[0] - wanted))


def test_statistics_go_with_their_units(tmp_path, monkeypatch):
    """Saved running means and variances are those of the permuted channels, and the end's loss with them stays."""
    monkeypatch.chdir(tmp_path)
    changes = {"objective": {**TINY["objective"], "model": {"name": "mlp", "args": {"width": 8, "norm": True}}}}
    network = settings(**changes).objective.open(None, torch.device("cpu"))
    for seed, file in enumerate(("a.pt", "b.pt")):
        weights = network.initial(seed)
        for step in range(40):
            weights -= 0.3 * network.loss_and_gradient(weights, Key(seed, step))[1]
        named = dict(zip(network.names, network.coordinates.parts(weights)))
        torch.save({**named, **network.reestimated(weights)}, file)
    given = {"start": "a.pt", "end": "b.pt"}
    found, plain = (run(tmp_path / align, align=align, ends=given, **changes) for align in ("weights", "none"))
    assert not found.alignment["sides"][0]["identity"]
    symmetries, by = symmetries_in(found), permutations_in(found, "end")
    assert len(symmetries.moved) == 2 * len(symmetries.atoms) == 4
    for block in symmetries.moved:
        before, after = (each.groups["endpoints/end"][block.tensor] for each in (plain, found))
        (atom,) = block.atoms
        np.testing.assert_array_equal(after, before[by[atom]])
        assert (after != before).any()
    for name, value in plain.summary["as_loaded"]["end"].items():
        assert found.summary["as_loaded"]["end"][name] == pytest.approx(value, rel=1e-5)


def test_a_run_that_was_stopped_comes_to_the_same_bits_and_is_aligned_once(trained, tmp_path, monkeypatch, runs):
    class Stopping(Heard):
        """Asks for an end in the middle of the lines that are measured first."""

        def tick(self, count):
            if self.measuring and self.count(count) > 5:
                raise Interrupted("stopped", signal.SIGTERM)

        def count(self, count):
            self.counted += count
            return self.counted

        def phase(self, name, total):
            self.measuring, self.counted = name == "measure straight lines", 0

    with pytest.raises(Interrupted):
        run(tmp_path / "a", Stopping())
    assert not (tmp_path / "a" / "path.h5").exists()
    with pytest.raises(Interrupted, match="at step 2 of neb: kept in"):
        run(tmp_path / "a", stop_at=1)
    monkeypatch.setattr(aligning, "ready", None)
    monkeypatch.setattr(aligning, "aligned", None)
    found = run(tmp_path / "a")
    assert_same(found, runs[0])
    assert found.alignment == runs[0].alignment


def test_vectors_lost_while_lines_are_measured_are_aligned_again(trained, tmp_path, monkeypatch, runs):
    lost = []
    ask = SerialHolder.ask

    def loses(self, name, *given, **more):
        if self.block.count == 3 and not lost:
            lost.append(name)
            raise HolderLost("an actor is gone")
        return ask(self, name, *given, **more)

    monkeypatch.setattr(SerialHolder, "ask", loses)
    assert_same(run(tmp_path / "a"), runs[0])
    assert lost == ["measure"]


REFUSED = {
    "endpoints.align: pin: no parameter": {"align": {"name": "weights", "pin": ["nothing"]}},
    "endpoints.align: the network has no units that could be permuted": {
        "objective": {**TINY["objective"], "model": {"name": "mlp", "args": {"depth": 0}}}
    },
}


@pytest.mark.parametrize("said", REFUSED)
def test_what_cannot_be_aligned_is_refused_before_anything_is_trained(said, tmp_path):
    with pytest.raises(PathsearchError, match=said):
        run(tmp_path / "a", **REFUSED[said])
    assert not (tmp_path / "minima").exists()


def test_only_networks_are_aligned():
    with pytest.raises(PathsearchError, match=r"^test: endpoints.align: only a network has hidden units"):
        validated(
            {"objective": "muller-brown", "endpoints": {"start": [0, 0], "end": [1, 1], "align": "weights"}}, "test"
        )


@pytest.fixture
def folder(tmp_path, runs):
    """The aligned minimum in a copy of the store, beside the runs of a test."""
    shutil.copytree(runs[0].file.parent.parent / "minima", tmp_path / "minima")
    (found,) = tmp_path.glob("minima/*-aligned-*")
    return found


def test_an_aligned_minimum_is_found_once_for_all_runs_that_join_the_same(folder, tmp_path, monkeypatch, runs):
    """Another method and another process take it from the store, where it is a minimum as the others."""
    found, plain, _ = runs
    minimum = storage.read(folder)
    assert (minimum.state, minimum.shape) == ("finished", (1, 1210))
    np.testing.assert_array_equal(storage.read_vectors(folder)[0][0], ends(found)[1])
    trained = storage.read(plain.minima[1]["folder"]).summary["minimum"]
    assert minimum.summary["minimum"] == pytest.approx(trained, rel=1e-5)
    assert folder.name.startswith(f"{Path(plain.minima[1]['folder']).name}-aligned-")
    assert minimum.minima == found.minima

    searched = []
    real = alignment.by_weights
    monkeypatch.setattr(alignment, "by_weights", lambda *given: lambda by: searched.append(1) or real(*given)(by))
    heard = Heard()
    other = run(tmp_path / "a", heard, method="string")
    assert f"takes {folder}" in heard.lines
    assert other.alignment == found.alignment
    np.testing.assert_array_equal(ends(other), ends(found))
    assert not searched
    run(tmp_path / "b", align={"name": "weights", "seed": 1})  # other options, another place
    assert len(searched) == 1
    assert len(list(tmp_path.glob("minima/*-aligned-*"))) == 2
    # as an endpoint it is a minimum
    again = run(tmp_path / "c", align="none", ends={"start": ENDS["start"], "end": {"run": str(folder), "pivot": 0}})
    np.testing.assert_array_equal(ends(again), ends(found))


def test_a_damaged_store_and_one_that_cannot_be_written_to_hold_up_nothing(folder, tmp_path, monkeypatch, runs):
    """What cannot be read is found anew."""
    found, _, _ = runs
    (folder / "path.h5").write_bytes(b"nothing")
    assert_same(run(tmp_path / "a"), found)
    assert storage.read(folder).state == "finished"

    (folder / "path.h5").unlink()
    monkeypatch.setattr("pathsearch.storage.write", refusing(folder, storage.write))
    heard = Heard()
    assert_same(run(tmp_path / "b", heard), found)
    assert [line for line in heard.lines if "this run goes on without" in line]
    monkeypatch.undo()
    (folder / ".lock").unlink()
    folder.rmdir()
    folder.write_text("in the way")
    heard = Heard()
    assert_same(run(tmp_path / "c", heard), found)
    assert [line for line in heard.lines if line.startswith("warning: cannot use folder")]


def test_what_is_kept_of_other_weights_or_symmetries_is_not_taken(folder, runs):
    found, plain, _ = runs
    used = minima.needed(settings(), Path(), folder.parent)
    weights, symmetries = dict(zip(("start", "end"), ends(plain))), symmetries_in(found)

    def known(weights=weights, symmetries=symmetries):
        with shelf(used, weights, settings(), symmetries, lambda line: None, Stop()) as place:
            assert place.folder == folder
            assert place.mine == (place.known is None)
            return place.known

    np.testing.assert_array_equal(known()[0], permutations_in(found, "end")[0])
    assert known({**weights, "start": -weights["start"]}) is None
    assert known(symmetries=replace(symmetries, blocks=symmetries.blocks[1:])) is None
    with shelf({"start": used["start"]}, weights, settings(), symmetries, print, Stop()) as place:
        assert place is None  # the end is no minimum of the store


def refusing(folder, write):
    def writes(file, kept):
        if file.parent == folder:
            raise PathsearchError(f"cannot write {file}: no space left")
        write(file, kept)

    return writes


def test_two_processes_align_the_same_one_after_another(folder, tmp_path, monkeypatch, runs):
    """The second waits, says so, and takes what the first has found."""
    found, _, _ = runs
    monkeypatch.setattr(alignment, "by_weights", None)
    monkeypatch.setattr("pathsearch.locks.PATIENCE", 0.05)
    whole_file = (folder / "path.h5").read_bytes()
    (folder / "path.h5").unlink()

    class Other(Heard):
        def log(self, line):
            super().log(line)
            if "waits for" in line:
                (folder / "path.h5").write_bytes(whole_file)
                stack.close()

    with ExitStack() as stack:
        stack.enter_context(alone(folder))
        heard = Other()
        assert_same(run(tmp_path / "a", heard), found)
    assert f"waits for {folder}, which another process aligns" in heard.lines
