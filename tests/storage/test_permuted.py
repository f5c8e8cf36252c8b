"""What was permuted, as a file keeps it."""

from dataclasses import fields

import h5py
import numpy as np
import pytest
import xarray

from pathsearch import storage
from pathsearch.alignment.groups import Atom, Block, Symmetries, drawn
from pathsearch.storage.layout import TEXTS, Attributes
from pathsearch.storage.permuted import permutation_arrays, permutations_in, symmetries_in, symmetry_arrays
from pathsearch.storage.reader import attributes

# heads of 2 × 3 channels, in two parts of one tensor, and a norm's statistics
HEADS = Symmetries(
    atoms=(Atom("qkv.weight:0", 2), Atom("qkv.weight:0", 3, (0,)), Atom("fc.weight:0", 4)),
    blocks=(
        Block("qkv.weight", ((0, 6), (0, 5)), (2, 3, 5), (0, 1, None)),
        Block("qkv.weight", ((6, 12), (0, 5)), (2, 3, 5), (0, 1, None)),
        Block("fc.weight", ((0, 4), (0, 6)), (4, 2, 3), (2, 0, 1)),
    ),
    moved=(Block("norm.mean", ((0, 4),), (4,), (2,)),),
)


def write(folder, symmetries, **more):
    arrays = symmetry_arrays(symmetries) | {side: permutation_arrays(by) for side, by in more.items()}
    tensors = [("qkv.weight", (12, 5)), ("fc.weight", (4, 6))]
    config = {"method": {"name": "linear"}}
    kept = storage.Kept(
        weights=np.ones((2, 84)), tensors=tensors, aligned=arrays, alignment={"sides": []}, config=config
    )
    storage.write(folder / "path.h5", kept)
    return storage.read(folder)


def test_groups_blocks_and_permutations_come_back_as_they_were(tmp_path, rng):
    by = {"end": drawn(HEADS, rng), "through.0": drawn(HEADS, rng)}
    found = write(tmp_path, HEADS, **by)
    assert symmetries_in(found) == HEADS
    for side, wanted in by.items():
        kept = permutations_in(found, side)
        assert [each.shape for each in kept] == [(2,), (2, 3), (4,)]
        for one, other in zip(kept, wanted):
            np.testing.assert_array_equal(one, other)
    with xarray.open_dataset(tmp_path / "path.h5", group="alignment/groups", engine="h5netcdf") as groups:
        assert groups["size"].dims == ("group",)
    with xarray.open_dataset(tmp_path / "path.h5", group="alignment/end", engine="h5netcdf") as end:
        np.testing.assert_array_equal(end["1"], by["end"][1])


def test_ten_groups_and_more_stay_in_their_order(tmp_path, rng):
    many = Symmetries(tuple(Atom(f"{n}:0", n + 1) for n in range(12)), ())
    sizes = [len(each) for each in permutations_in(write(tmp_path, many, end=drawn(many, rng)), "end")]
    assert sizes == list(range(1, 13))


def test_what_a_large_network_has_to_say_fits(tmp_path, rng):
    """Attributes of HDF5 are short, so blocks by the thousand are arrays."""
    blocks = tuple(Block(f"features.dense{n}.conv.weight", ((0, 4),), (4,), (0,)) for n in range(5000))
    many = Symmetries((Atom("a:0", 4),), (), blocks)
    assert symmetries_in(write(tmp_path, many, end=drawn(many, rng))) == many


def test_a_file_of_an_earlier_program_says_nothing_of_it():
    said = {each.name: "running" if each.name in TEXTS else "{}" for each in fields(Attributes)}
    del said["alignment"]
    with h5py.File("earlier", "w", driver="core", backing_store=False) as h5:
        h5.attrs.update(said)
        assert attributes(h5).keys() == said.keys()
        del h5.attrs["config"]  # which every program wrote
        with pytest.raises(KeyError):
            attributes(h5)
