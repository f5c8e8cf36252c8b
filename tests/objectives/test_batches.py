import numpy as np
import pytest
import torch

from pathsearch.errors import PathsearchError
from pathsearch.numerics.seeds import Key, derive
from pathsearch.objectives.batches import Given, Held
from pathsearch.objectives.data import Split
from pathsearch.objectives.images import CROP, PAD, Scaling

CPU = torch.device("cpu")


def held(data, size, augment, standardise=True, **more):
    return Held(data, Given(torch.float64, CPU, size, augment=augment, **more), standardise)


def split(n=50, side=6):
    pixels = torch.arange(n * 3 * side * side).reshape(n, 3, side, side) % 251
    return Split((pixels.to(torch.uint8), torch.arange(n)))


def test_an_epoch_shows_every_example_once_and_in_another_order_than_the_next():
    batches = held(split(), 10, False)
    epochs = [[int(i) for step in range(5) for i in next(batches.draw(Key(3, 5 * e + step)))[1]] for e in range(2)]
    assert sorted(epochs[0]) == sorted(epochs[1]) == list(range(50))
    assert epochs[0] != epochs[1]
    assert epochs[0][:10] == next(batches.draw(Key(3, 0)))[1].tolist()
    assert epochs[0][:10] != next(batches.draw(Key(4, 0)))[1].tolist()


def test_a_key_may_ask_for_another_size():
    batches = held(split(), 10, False)
    assert len(next(batches.draw(Key(0, 0, 25)))[1]) == 25


def test_images_are_scaled_by_their_channels_and_stay_channels_last():
    batches = held(split(), None, False)
    inputs, _ = next(batches.draw(Key(0, 0)))
    np.testing.assert_allclose(inputs.mean(dim=(0, 2, 3)), 0.0, atol=1e-12)
    np.testing.assert_allclose(inputs.std(dim=(0, 2, 3), unbiased=False), 1.0, rtol=1e-12)
    assert inputs.is_contiguous(memory_format=torch.channels_last)


def test_a_data_set_of_ones_own_is_not_scaled():
    data = split()
    inputs, _ = next(held(data, None, False, standardise=False).draw(Key(0, 0)))
    np.testing.assert_array_equal(inputs, data.inputs)


def test_whole_is_everything_in_order():
    data = split()
    batches = held(data, 10, True)
    chunks = list(batches.whole(20))
    assert [len(targets) for _, targets in chunks] == [17, 17, 16]
    assert torch.cat([targets for _, targets in chunks]).tolist() == list(range(50))


def test_crop_and_flip_do_what_a_loop_over_examples_does():
    data, side = split(), 6
    batches = held(data, 20, True)
    batches.scaling = Scaling(torch.zeros(3), torch.ones(3))
    key = Key(1, 2)
    inputs, targets = next(batches.draw(key))
    generator = torch.Generator().manual_seed(derive(CROP, 1, 2))
    draws = torch.randint(0, 2 * PAD + 1, (2, 20, 1), generator=generator)
    flips = torch.randint(0, 2, (20, 1), generator=generator, dtype=torch.bool)
    for n, target in enumerate(targets):
        padded = torch.nn.functional.pad(data.inputs[target], (PAD, PAD, PAD, PAD))
        top, left = int(draws[0, n]), int(draws[1, n])
        wanted = padded[:, top : top + side, left : left + side]
        wanted = wanted.flip(2) if flips[n] else wanted
        torch.testing.assert_close(inputs[n], wanted.to(inputs.dtype), rtol=0, atol=0)
    assert flips.any()
    assert not flips.all()


@pytest.mark.parametrize("dtype", [torch.int64, torch.int32, torch.uint8, torch.bool])
def test_integers_of_ones_own_stay_integers_cropped_or_not(dtype):
    data = split()
    data = Split(((data.inputs > 100).to(dtype) if dtype == torch.bool else data.inputs.to(dtype), data.targets))
    plain = held(data, 10, False, standardise=False)
    cropped = held(data, 10, True, standardise=False)
    assert next(plain.draw(Key(0, 0)))[0].dtype == next(cropped.draw(Key(0, 0)))[0].dtype == dtype
    assert torch.equal(torch.cat([inputs for inputs, _ in plain.whole(20)]), data.inputs)
    as_reals = held(Split((data.inputs.double(), data.targets)), 10, True, standardise=False)
    torch.testing.assert_close(
        next(cropped.draw(Key(0, 1)))[0].double(), next(as_reals.draw(Key(0, 1)))[0], rtol=0, atol=0
    )


def test_a_mini_batch_comes_in_pieces_that_make_up_the_whole():
    whole, parts = held(split(), 20, True), held(split(), 20, True, micro=8)
    key = Key(1, 2)
    pieces = list(parts.draw(key))
    assert [len(targets) for _, targets in pieces] == [7, 7, 6]
    for wanted, found in zip(next(whole.draw(key)), map(torch.cat, zip(*pieces))):
        torch.testing.assert_close(found, wanted, rtol=0, atol=0)


def test_a_part_that_is_measured_is_a_fixed_choice_in_its_order():
    some = [held(split(), 10, False, measured=13) for _ in range(2)]
    first, second = ([int(n) for _, targets in each.whole(5) for n in targets] for each in some)
    assert first == second == sorted(first)
    assert len(set(first)) == 13 != max(first)
    assert (some[0].measured, len(some[0])) == (13, 50)
    few = [int(n) for _, targets in some[0].whole(5, 6) for n in targets]
    assert few == sorted(few)
    assert len(few) == 6
    assert set(few) < set(first)
    assert [len(targets) for _, targets in some[0].whole(20, 40)] == [13]


def test_a_batch_may_be_any_nest_of_tensors():
    words = {"ids": torch.arange(30).reshape(10, 3), "mask": torch.ones(10, 3, dtype=torch.bool)}
    batches = held(Split((words, [torch.rand(10, 2)])), 4, False)
    (found, (reals,)) = next(batches.draw(Key(0, 0)))
    assert (found["ids"].dtype, found["mask"].dtype, reals.dtype) == (torch.int64, torch.bool, torch.float64)
    assert found["ids"].shape == (4, 3)
    with pytest.raises(PathsearchError, match=r"differ in length: \['ids'\] has shape \(10, 3\), \['mask'\] \(9, 3\)"):
        held(Split({**words, "mask": words["mask"][:9]}), 4, False)
