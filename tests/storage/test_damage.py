"""What becomes of a file that was damaged, cut off or changed, and how much of a whole one is read."""

import io
import json
import re
import zlib
from pathlib import Path

import h5py
import numpy as np
import pytest

from pathsearch import storage
from pathsearch.errors import PathsearchError

SIZE = 140_000
LARGEST, CHUNK = 60_000, 46_667  # a row is three chunks, the last of them filled up
ARRAYS = {
    "path/weights": np.random.default_rng(0).normal(size=(3, SIZE)),
    "optimizer/velocity": np.random.default_rng(1).normal(size=(1, SIZE)),
    "buffers/stem.frozen": np.random.default_rng(2).normal(size=(7, 20_000)),
}
CHUNKS = {"path/weights": (1, CHUNK), "optimizer/velocity": (1, CHUNK), "buffers/stem.frozen": (1, 20_000)}


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.setattr(storage.writer, "LARGEST_CHUNK", LARGEST)
    weights = ARRAYS["path/weights"]
    kept = storage.Kept(
        weights=storage.Rows(weights.shape, weights.dtype, lambda n: weights[n]),
        moving=[1],
        optimizer={"velocity": ARRAYS["optimizer/velocity"]},
        tensors=[("stem.weight", (SIZE,))],
        buffers={"stem.frozen": ARRAYS["buffers/stem.frozen"], "scale": np.ones(3)},
        history={"t": np.zeros((50, 3)), "loss": np.ones((50, 3)), "step": np.arange(50)},
        config={"seed": 0},
        curve="polygon",
    )
    storage.write(tmp_path / "path.h5", kept)
    return tmp_path / "path.h5"


def long_chunks(file):
    """(array, row, offset, bytes) of every chunk that HDF5 knows of, by its own count."""
    with h5py.File(file) as h5:
        for name in ARRAYS:
            kept = h5[name]
            assert kept.chunks == CHUNKS[name]
            for n in range(kept.id.get_num_chunks()):
                chunk = kept.id.get_chunk_info(n)
                yield name, chunk.chunk_offset[0], chunk.byte_offset, chunk.size


def listed(file):
    """The long ranges that a file lists itself, and where the list begins."""
    content = file.read_bytes()
    at = int(re.search(rb"listed at (\d+),", content[:512])[1])
    return json.loads(content[at:]), at


def flipped(file, place):
    with file.open("r+b") as raw:
        raw.seek(place)
        byte = raw.read(1)[0]
        raw.seek(place)
        raw.write(bytes([byte ^ 1]))


def one(name, row, file):
    with storage.stored(file) as kept:
        return {"path/weights": kept.weights, "optimizer/velocity": kept.states.get("velocity")}[name][row]


def test_the_user_block_says_what_it_is_said_to(file):
    content = file.read_bytes()
    ranges, at = listed(file)
    rest, begin = b"", 512
    for offset, size in ranges:
        rest, begin = rest + content[begin:offset], offset + size
    rest += content[begin:at]
    line = (
        f"pathsearch, format version 2, {len(content)} bytes, long ranges listed at {at}, "
        f"CRC-32 of the list {zlib.crc32(content[at:]):08x}, of the rest {zlib.crc32(rest):08x}\n"
    )
    assert content[:512] == line.encode().ljust(512, b"\0")


def test_long_ranges_are_the_chunks_of_long_arrays(file):
    """Few ranges, since chunks lie side by side; every chunk in one of them, and nothing else."""
    ranges, _ = listed(file)
    chunks = list(long_chunks(file))
    assert len(chunks) == 9 + 3 + 7
    assert len(ranges) < 6
    counts = np.zeros((2, file.stat().st_size), dtype=int)
    for count, stretches in zip(counts, (ranges, [chunk[2:] for chunk in chunks])):
        for begin, size in stretches:
            count[begin : begin + size] += 1
    np.testing.assert_array_equal(*counts)


def test_everything_written_is_read_back(file):
    weights, states = storage.read_vectors(file)
    np.testing.assert_array_equal(weights, ARRAYS["path/weights"])
    np.testing.assert_array_equal(states["velocity"], ARRAYS["optimizer/velocity"])
    np.testing.assert_array_equal(storage.read_buffers(file)["stem.frozen"], ARRAYS["buffers/stem.frozen"])


def test_a_flipped_bit_outside_long_chunks_is_noticed_at_once(file):
    ranges, at = listed(file)
    size = file.stat().st_size
    begins = [0, *(begin + length for begin, length in ranges)]
    bounds = list(zip(begins, [*(begin for begin, _ in ranges), at]))
    places = list(range(0, 512, 7)) + [place for bound in bounds for place in (max(bound[0], 512), bound[1] - 1)]
    places += [begin + k * (end - begin) // 40 for begin, end in bounds if end - begin > 1000 for k in range(40)]
    places += [at, (at + size) // 2, size - 1]
    for place in places:
        flipped(file, place)
        for read in (storage.read, storage.read_vectors):
            with pytest.raises(PathsearchError) as caught:
                read(file)
            assert "\n" not in str(caught.value)
        flipped(file, place)
    assert storage.read(file).config == {"seed": 0}


def test_a_flipped_bit_in_a_long_chunk_is_noticed_when_it_is_read(file):
    for name, row, begin, size in long_chunks(file):
        for place in (begin, begin + size // 2, begin + size - 1):
            flipped(file, place)
            assert storage.read(file).config == {"seed": 0}
            with pytest.raises(PathsearchError, match=rf"path\.h5 cannot be read \(in {name} it was damaged") as caught:
                storage.read_buffers(file) if name.startswith("buffers") else one(name, row, file)
            assert "\n" not in str(caught.value)
            other = (row + 1) % 3
            np.testing.assert_array_equal(one("path/weights", other, file), ARRAYS["path/weights"][other])
            flipped(file, place)


@pytest.mark.parametrize("share", [0.0, 1e-5, 1e-3, 0.3, 0.6, 0.99, -1, -200])
def test_a_cut_file_is_refused(share, file):
    size = file.stat().st_size
    with file.open("r+b") as raw:
        raw.truncate(size + share if share < 0 else int(share * size))
    with pytest.raises(PathsearchError, match="cannot be read"):
        storage.read(file)


@pytest.mark.parametrize("more", [b"\0", b"x", b"[[1, 2]]", 5000 * b"\0"])
def test_appended_bytes_are_refused(more, file):
    with file.open("ab") as raw:
        raw.write(more)
    with pytest.raises(PathsearchError, match="damaged or changed"):
        storage.read(file)


def attribute(h5):
    h5.attrs["state"] = "finished"


def weights(h5):
    h5["path/weights"][0, 0] = 1.0


def group(h5):
    h5.create_group("notes")


def grown(h5):
    h5["more"] = np.ones(SIZE)


@pytest.mark.parametrize("change", [attribute, weights, group, grown])
def test_what_another_program_changed_is_refused(change, file):
    with h5py.File(file, "r+") as h5:
        change(h5)
    with pytest.raises(PathsearchError, match="damaged or changed"):
        storage.read(file)


def test_a_user_block_that_was_lost_is_noticed(file):
    with file.open("r+b") as raw:
        raw.write(bytes(512))
    with pytest.raises(PathsearchError, match="damaged or changed"):
        storage.read(file)


class Counted(io.FileIO):
    """A file that counts the bytes that are read of it."""

    total = 0

    def readinto(self, buffer):
        count = super().readinto(buffer)
        Counted.total += count
        return count

    def read(self, size=-1):
        found = super().read(size)
        Counted.total += len(found)
        return found


def test_what_is_not_needed_is_not_read(file, monkeypatch):
    long = sum(size for _, size in listed(file)[0])
    monkeypatch.setattr(Counted, "total", 0)
    monkeypatch.setattr(Path, "open", lambda path, mode, buffering: Counted(path))
    beside = file.stat().st_size - long
    assert beside < long / 20
    storage.read(file)
    assert beside - 512 < Counted.total < 3 * beside  # to check it, and as HDF5
    Counted.total = 0
    one("path/weights", 1, file)
    assert 8 * SIZE < Counted.total < 8 * (SIZE + CHUNK) + 3 * beside


def test_short_arrays_are_checked_at_once(tmp_path):
    storage.write(tmp_path / "path.h5", storage.Kept(weights=np.ones((2, 1000)), tensors=[("w", (1000,))]))
    assert listed(tmp_path / "path.h5")[0] == []
    place = (tmp_path / "path.h5").read_bytes().find(np.ones(1000).tobytes())
    flipped(tmp_path / "path.h5", place)
    with pytest.raises(PathsearchError, match=r"cannot be read \(it was damaged or changed"):
        storage.read(tmp_path)


def test_a_row_takes_no_more_room_than_it_needs(tmp_path, monkeypatch):
    """Whatever is left of it after whole chunks."""
    monkeypatch.setattr(storage.writer, "LARGEST_CHUNK", 100_000)
    storage.write(tmp_path / "path.h5", storage.Kept(weights=np.ones((4, 100_001))))
    assert (tmp_path / "path.h5").stat().st_size < 4 * 8 * 100_010 + 50_000
