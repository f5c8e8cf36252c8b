import numpy as np
import pytest
import torch

from pathsearch.numerics.seeds import Key, derive
from pathsearch.objectives.batches import CROP, PAD, Batches
from pathsearch.objectives.data import Split

CPU = torch.device("cpu")


def split(n=50, side=6):
    pixels = torch.arange(n * 3 * side * side).reshape(n, 3, side, side) % 251
    return Split(pixels.to(torch.uint8), torch.arange(n))


def test_an_epoch_shows_every_example_once_and_in_another_order_than_the_next():
    batches = Batches(split(), 10, False, torch.float64, CPU)
    epochs = [[int(i) for step in range(5) for i in batches.draw(Key(3, 5 * e + step))[1]] for e in range(2)]
    assert sorted(epochs[0]) == sorted(epochs[1]) == list(range(50))
    assert epochs[0] != epochs[1]
    assert epochs[0][:10] == batches.draw(Key(3, 0))[1].tolist()
    assert epochs[0][:10] != batches.draw(Key(4, 0))[1].tolist()


def test_a_key_may_ask_for_another_size():
    batches = Batches(split(), 10, False, torch.float64, CPU)
    assert len(batches.draw(Key(0, 0, 25))[1]) == 25


def test_images_are_scaled_by_their_channels_and_stay_channels_last():
    batches = Batches(split(), None, False, torch.float64, CPU)
    inputs, _ = batches.draw(Key(0, 0))
    np.testing.assert_allclose(inputs.mean(dim=(0, 2, 3)), 0.0, atol=1e-12)
    np.testing.assert_allclose(inputs.std(dim=(0, 2, 3), unbiased=False), 1.0, rtol=1e-12)
    assert inputs.is_contiguous(memory_format=torch.channels_last)


def test_a_data_set_of_ones_own_is_not_scaled():
    data = split()
    inputs, _ = Batches(data, None, False, torch.float64, CPU, standardise=False).draw(Key(0, 0))
    np.testing.assert_array_equal(inputs, data.inputs)


def test_whole_is_everything_in_order():
    data = split()
    batches = Batches(data, 10, True, torch.float64, CPU)
    chunks = list(batches.whole(20))
    assert [len(targets) for _, targets in chunks] == [17, 17, 16]
    assert torch.cat([targets for _, targets in chunks]).tolist() == list(range(50))


def test_crop_and_flip_do_what_a_loop_over_examples_does():
    data, side = split(), 6
    batches = Batches(data, 20, True, torch.float64, CPU)
    batches.mean, batches.std = torch.zeros(3), torch.ones(3)
    key = Key(1, 2)
    inputs, targets = batches.draw(key)
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
    data = Split((data.inputs > 100).to(dtype) if dtype == torch.bool else data.inputs.to(dtype), data.targets)
    plain = Batches(data, 10, False, torch.float64, CPU, standardise=False)
    cropped = Batches(data, 10, True, torch.float64, CPU, standardise=False)
    assert plain.draw(Key(0, 0))[0].dtype == cropped.draw(Key(0, 0))[0].dtype == dtype
    assert torch.equal(torch.cat([inputs for inputs, _ in plain.whole(20)]), data.inputs)
    as_reals = Batches(Split(data.inputs.double(), data.targets), 10, True, torch.float64, CPU, standardise=False)
    torch.testing.assert_close(cropped.draw(Key(0, 1))[0].double(), as_reals.draw(Key(0, 1))[0], rtol=0, atol=0)


@pytest.mark.parametrize("shape", [(50, 7), (50, 3, 6, 6)])
@pytest.mark.parametrize("size", [10, None])
def test_a_network_may_write_to_its_inputs(size, shape):
    data = Split(torch.rand(shape, dtype=torch.float64), torch.arange(50))
    kept = data.inputs.clone()
    batches = Batches(data, size, False, torch.float64, CPU, standardise=False)
    for inputs in (batches.draw(Key(0, 0))[0], batches.first(3)[0], *(part for part, _ in batches.whole(20))):
        inputs.zero_()
    torch.testing.assert_close(torch.cat([part for part, _ in batches.whole(20)]), kept, rtol=0, atol=0)
