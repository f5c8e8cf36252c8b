"""What is read when it is wanted has the same bits as what is held, whoever reads it."""

import gc
import os
import resource
import subprocess
import sys
import time
import warnings

import numpy as np
import psutil
import pytest
import torch

from pathsearch.errors import PathsearchError
from pathsearch.numerics.seeds import Key
from pathsearch.objectives import nests
from pathsearch.objectives.batches import Given, Held, mini_batch
from pathsearch.objectives.data import ahead
from pathsearch.objectives.data.indexed import Indexed
from pathsearch.objectives.data.made import Made
from pathsearch.objectives.data.reading import Items
from pathsearch.objectives.data.sets import Data
from pathsearch.objectives.streamed import Streamed
from tests.objectives import networks
from tests.objectives.sources import Deadly, Noisy, lines, padded, read, source

CPU = torch.device("cpu")


def given(**more):
    return Given(torch.float64, CPU, **more)


def alike(one, other):
    both = [nests.leaves(list(each)) for each in (one, other)]
    assert len(both[0]) == len(both[1])
    for mine, theirs in zip(*both):
        torch.testing.assert_close(mine, theirs, rtol=0, atol=0)
        assert mine.stride() == theirs.stride()


CASES = {
    "mini-batches": {"size": 4},
    "mini-batches in pieces": {"size": 7, "micro": 3},
    "pieces of nearly equal size": {"size": 9, "micro": 4},
    "cropped": {"size": 7, "micro": 3, "augment": True},
    "all there are": {"measured": 5},
    "all there are in pieces, cropped": {"micro": 10, "augment": True, "channels_last": False},
}


@pytest.mark.parametrize("workers", [0, 1, 3])
@pytest.mark.parametrize("case", CASES)
def test_streamed_batches_have_the_bits_of_held_ones(case, workers):
    how = given(**CASES[case])
    held = Held(read(Noisy(), "x"), how)
    streamed = Streamed(source(Noisy(), shuffled=how.augment), how, workers=workers)
    assert (len(streamed), streamed.size, streamed.augment) == (len(held), held.size, held.augment)
    torch.testing.assert_close(streamed.scaling.mean, held.scaling.mean, rtol=1e-12, atol=0)
    streamed.scaling = held.scaling  # sums of real numbers depend on where a chunk ends
    for key in (Key(1, 0), Key(1, 0), Key(1, 1), Key(1, 2), Key(7, 40), Key(7, 41, 9), Key(1, 3)):
        alike(streamed.draw(key), held.draw(key))
    assert min(len(inputs) for inputs, _ in streamed.draw(Key(1, 0))) >= 2  # batch norm needs more than one
    alike(streamed.whole(4), held.whole(4))
    alike(streamed.whole(4, 6), held.whole(4, 6))
    alike(streamed.draw(Key(1, 4)), held.draw(Key(1, 4)))  # and back to where it was
    alike([streamed.first(3)], [held.first(3)])
    assert streamed.measured == held.measured


@pytest.mark.parametrize("workers", [0, 2])
def test_integers_and_masks_of_any_nest_stay_what_they_are(workers):
    items = [{"x": n, "mask": n % 2 == 0, "deep": (torch.tensor([n, 1]), np.float32(n))} for n in range(6)]
    how = given(size=2)
    streamed = Streamed(source(items), how, False, workers=workers)
    (batch,) = streamed.draw(Key(0, 0))
    assert [each.dtype for each in nests.leaves(batch)] == [torch.int64, torch.bool, torch.int64, torch.float64]
    alike([batch], Held(read(items, "x"), how, False).draw(Key(0, 0)))


@pytest.mark.parametrize("shape", [(4,), (3, 5, 4)])
def test_integers_become_real_numbers_where_the_network_wants_them(shape):
    items = [(torch.full(shape, n), n) for n in range(6)]
    how = given(size=2, real=True)
    (batch,) = Streamed(source(items), how, False).draw(Key(0, 0))
    assert batch[0].dtype == torch.float64
    alike([batch], Held(read(items, "x"), how, False).draw(Key(0, 0)))


def test_pictures_of_bytes_have_the_very_same_mean_and_deviation():
    pictures = torch.randint(0, 256, (23, 3, 5, 4), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    items = [(each, 0) for each in pictures]
    streamed, held = Streamed(source(items), given(), workers=1), Held(read(items, "x"), given())
    assert torch.equal(streamed.scaling.mean, held.scaling.mean)
    assert torch.equal(streamed.scaling.std, held.scaling.std)


@pytest.mark.parametrize("workers", [0, 2])
def test_items_that_are_drawn_anew_follow_from_the_key_and_are_measured_as_first_drawn(workers):
    held = Held(read(Noisy(), "x"), given(size=5), False)
    streamed = Streamed(source(Noisy(), anew=True), given(size=5), False, workers=workers)
    (first,), (later,) = streamed.draw(Key(0, 0)), streamed.draw(Key(0, 4))  # of another epoch
    (again,) = Streamed(source(Noisy(), anew=True), given(size=5), False).draw(Key(0, 4))
    assert torch.equal(later[0], again[0])
    (same,) = held.draw(Key(0, 0))
    assert torch.equal(first[1], same[1])
    assert (first[0] != same[0]).all()
    alike(streamed.whole(10), held.whole(10))
    assert streamed.augment


@pytest.mark.parametrize("workers", [0, 2])
def test_a_collate_gets_the_items_of_each_piece(workers):
    rows = lines(10)
    items = Items(rows, "x", collate=padded)
    streamed = Streamed(Indexed(len(items), items), given(size=4, micro=2), False, workers=workers)
    key = Key(0, 1)
    order = mini_batch(10, key, 4).tolist()
    alike(streamed.draw(key), [padded([rows[n] for n in some]) for some in (order[:2], order[2:])])


def sums(split, seed, step, size):
    """A batch of a user's function, drawn by torch's own generator."""
    return {"x": torch.rand(size, 2) + 100 * step + 1000 * (split == "test"), "n": torch.arange(size) + seed}


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_that_a_function_makes(workers):
    made = Streamed(Made(sums, "f", "train", 3), given(size=5, micro=2, measured=8), False, workers=workers)
    pieces = list(made.draw(Key(7, 2)))
    assert [each["n"].tolist() for each in pieces] == [[7, 8], [9, 10], [11]]
    (whole,) = Streamed(Made(sums, "f", "train", 3), given(size=5), False).draw(Key(7, 2))
    assert torch.equal(torch.cat([each["x"] for each in pieces]), whole["x"])
    assert [int(each["x"][0, 0] // 100) for each in made.whole(500)] == [0, 1]
    assert [len(each["n"]) for each in made.whole(500)] == [4, 4]
    assert [len(each["n"]) for each in made.whole(3)] == [2, 2, 2, 2]
    assert len(made) == 15
    assert made.measured == 8


def ragged(split, seed, step, size):
    return torch.zeros(size), torch.zeros(2 * size)


BAD = {
    "no size": (sums, {}, "f makes mini-batches: say of how many examples by objective.batch"),
    "leaves of different lengths": (
        ragged,
        {"size": 4, "micro": 2},
        r"tensors of a batch of f, which objective.micro_batch and measure.chunk would cut, differ in length: "
        r"\[0\] has shape \(4,\), \[1\] \(8,\)",
    ),
    "nothing": (lambda split, seed, step, size: {}, {"size": 4}, "f gives no tensors: it must return a batch"),
    "an error": (lambda split, seed, step, size: 1 / 0, {"size": 4}, r"f for \('train', 0, 0, 4\) raised ZeroDivision"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_function_that_makes_no_batches_is_named(case):
    function, how, says = BAD[case]
    with pytest.raises(PathsearchError, match=says):
        list(Streamed(Made(function, "f", "train", 3), given(**how), False).draw(Key(0, 0)))


def test_an_error_in_a_process_is_that_of_the_item_and_comes_when_it_is_wanted():
    items = [(torch.zeros(2), n) for n in range(8)]
    items[5] = (torch.zeros(3), 0)
    streamed = Streamed(source(items), given(size=2), False, workers=2)
    chunks = streamed.whole(2)
    assert [next(chunks)[1].tolist() for _ in range(2)] == [[0, 1], [2, 3]]
    with pytest.raises(PathsearchError, match=r"item 5 of x has shape \(3,\), item 4 has \(2,\)"):
        next(chunks)
    assert next(streamed.whole(2))[1].tolist() == [0, 1]


def test_who_is_interrupted_while_he_waits_gets_the_same_batch_afterwards(monkeypatch):
    streamed = Streamed(source(Noisy()), given(size=4), False, workers=2)
    wanted = list(Streamed(source(Noisy()), given(size=4), False).draw(Key(0, 1)))
    next(streamed.draw(Key(0, 0)))
    with monkeypatch.context() as patch:
        patch.setattr("pathsearch.objectives.data.ahead.wait", interrupted)
        with pytest.raises(KeyboardInterrupt):
            list(streamed.draw(Key(0, 1)))
    alike(streamed.draw(Key(0, 1)), wanted)
    assert len(list(streamed.whole(4))) == 6


def interrupted(waited):
    raise KeyboardInterrupt


def test_one_that_dies_is_replaced_and_one_item_that_kills_again_is_named(tmp_path):
    said = []
    once = Streamed(source(Deadly(4, tmp_path / "once")), given(size=3), False, workers=2, remark=said.append)
    assert torch.cat([targets for _, targets in once.whole(3)]).tolist() == list(range(12))
    (line,) = said
    assert "was killed by SIGKILL while it read item 4 of x; 1 goes on" in line
    assert "objective.data.workers=1" in line
    always = Streamed(source(Deadly(4)), given(size=3), False, workers=2, remark=said.append)
    with pytest.raises(PathsearchError, match=r"killed by SIGKILL while it read item 4 of x, and so did another"):
        list(always.whole(3))


def children():
    return psutil.Process().children()


def test_a_signal_to_all_that_is_to_end_the_program_leaves_its_readers():
    said = []
    streamed = Streamed(source(Noisy()), given(size=2), False, workers=2, remark=said.append)
    before = set(children())
    chunks = streamed.whole(2)
    _ = next(chunks), next(chunks)  # of both
    for process in set(children()) - before:
        process.terminate()
    assert len(list(chunks)) == 10
    assert said == []


def test_no_process_is_left_when_the_batches_are_gone():
    gc.collect()
    before = len(children())
    streamed = Streamed(source(Noisy()), given(size=2), False, workers=2)
    assert len(children()) == before  # none before it is needed
    next(streamed.draw(Key(0, 0)))
    assert len(children()) == before + 2
    del streamed
    gc.collect()
    assert len(children()) == before


def test_readers_end_with_an_objective_and_need_no_collector():
    gc.collect()
    before = len(children())
    data = Data(source(Noisy()), source(Noisy(4)), 4, standardise=False, workers=1)
    network = networks.objective(lambda: networks.layers(inputs=108), data, batch=4)
    gc.disable()
    try:
        network.loss_and_gradient(network.initial(0), Key(0, 0))
        assert len(children()) == before + 1
        del network
        assert len(children()) == before
    finally:
        gc.enable()


class Slow(Noisy):
    def __getitem__(self, i):
        if i > 5:
            time.sleep(60)
        return super().__getitem__(i)


def program(pipe):
    streamed = Streamed(source(Slow()), given(size=2), False, workers=2)
    next(streamed.whole(2))
    pipe.send([each.pid for each in children()])
    time.sleep(60)


READS = """
from tests.objectives.sources import source
from tests.objectives.test_streamed import Noisy, given, Key, Streamed
streamed = Streamed(source(Noisy()), given(size=4), False, workers=2)
assert sum(len(batch[0]) for batch in streamed.draw(Key(0, 0))) == 4
"""


def test_no_folder_is_left_when_the_program_has_ended(tmp_path):
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    subprocess.run([sys.executable, "-c", READS], env=environment, check=True, timeout=120)
    assert not list(tmp_path.glob("pymp-*"))


def test_no_process_is_left_when_the_program_is_killed():
    context = torch.multiprocessing.get_context("fork")
    mine, other = context.Pipe()
    process = context.Process(target=program, args=(other,))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        process.start()
    workers = [psutil.Process(each) for each in mine.recv()]
    process.kill()
    process.join()
    assert len(workers) == 2
    psutil.wait_procs(workers, timeout=10)
    assert not any(each.is_running() and each.status() != psutil.STATUS_ZOMBIE for each in workers)


class Many(torch.utils.data.Dataset):
    """Items of many tensors, as a batch of graphs has them."""

    def __len__(self):
        return 4

    def __getitem__(self, i):
        return [torch.full((1,), i) for _ in range(200)]


@pytest.mark.parametrize("side", ["parent", "reader"])
def test_a_limit_on_open_files_is_named(side, monkeypatch):
    streamed = Streamed(source(Many()), given(size=1), False, workers=1)
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = sorted(set(range(5000)) - set(map(int, os.listdir("/proc/self/fd"))))
    low = (free[60], before[1])
    if side == "reader":
        monkeypatch.setattr(ahead, "_die_with", lambda parent: resource.setrlimit(resource.RLIMIT_NOFILE, low))
    else:
        monkeypatch.setattr(ahead, "_die_with", lambda parent: resource.setrlimit(resource.RLIMIT_NOFILE, before))
        resource.setrlimit(resource.RLIMIT_NOFILE, low)
    try:
        with pytest.raises(PathsearchError, match="more files would be open than `ulimit -n` allows"):
            list(streamed.draw(Key(0, 0)))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    monkeypatch.undo()
    assert len(list(streamed.whole(1))) == 4


def test_what_nobody_waits_for_is_taken_away(monkeypatch):
    monkeypatch.setattr(ahead, "BYTES", 0)  # one request at once, so that the second process is never waited for
    streamed = Streamed(source(Noisy()), given(size=2), False, workers=2)
    for seed in range(20):
        next(streamed.draw(Key(seed, 0)))
        time.sleep(0.005)
    assert sum(worker.stale for worker in streamed.ahead._pool) <= 4


def test_what_is_not_kept_for_other_images_is_expected_again(monkeypatch):
    monkeypatch.setattr("pathsearch.objectives.streamed.KEPT", 0)
    streamed = Streamed(source(Noisy()), given(size=4, micro=2), False, workers=2)
    keys = [Key(0, step) for step in range(6) for _ in range(3)]  # of three images
    for key in keys[:6]:
        alike(streamed.draw(key), Held(read(Noisy(), "x"), given(size=4, micro=2), False).draw(key))
    monkeypatch.setattr(streamed.ahead, "_expect", None)  # not to be called
    for key in keys[6:]:
        assert len(list(streamed.draw(key))) == 2
