"""Windows of a file of token ids, read where they lie.

The file is not mapped into memory: a limit on addresses (`ulimit -v`) would count all of it, and a file that is cut
meanwhile would end the process.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pathsearch.errors import PathsearchError
from pathsearch.objectives.data import cache
from pathsearch.objectives.data.indexed import Draw

BYTES = 16  # of an id in a batch: int64, as one to go on from and as one to predict
CHUNK = 1 << 22  # ids that are looked through at once


@dataclass(frozen=True)
class Windows:
    """A file of `count` ids of a type, which begin at a byte; `name` in errors. Its windows are `context` ids long."""

    file: Path
    name: str
    dtype: np.dtype[Any]
    begin: int
    count: int
    context: int
    _handles: dict[int, int] = field(default_factory=dict, repr=False)
    """the open file, of each process"""

    @classmethod
    def of(cls, file: Path, name: str, dtype: str, context: int) -> Windows:
        """Raises PathsearchError where the file holds anything but ids, or too few for one window."""
        kind, begin, count = _npy(file, name) if file.suffix == ".npy" else (np.dtype(dtype).newbyteorder("<"), 0, None)
        size = file.stat().st_size - begin
        if size % kind.itemsize or (count is not None and count * kind.itemsize != size):
            raise PathsearchError(
                f"{name} has {size} bytes of ids, and must have {kind.itemsize} for each: it is cut, or its ids are of "
                "another type (objective.data.dtype)"
            )
        count = size // kind.itemsize
        if count <= context:
            raise PathsearchError(
                f"{name} has {count} ids, and must have more than objective.data.context, which is {context}"
            )
        return cls(file, name, kind, begin, count, context)

    def __del__(self) -> None:
        with suppress(OSError):
            if os.getpid() in self._handles:
                os.close(self._handles[os.getpid()])

    def __len__(self) -> int:
        return (self.count - 1) // self.context

    @property
    def left_out(self) -> int:
        """Ids at the end that are in no window."""
        return self.count - 1 - len(self) * self.context

    def __call__(self, numbers: Sequence[int], draw: Draw | None = None) -> tuple[Tensor, Tensor]:
        """Some windows, and the same shifted by one id, int64 [n, context] each."""
        if isinstance(numbers, range) and len(numbers) and numbers.step == 1:
            ids = torch.from_numpy(self._ids(numbers[0] * self.context, len(numbers) * self.context + 1))
            return ids[:-1].view(len(numbers), -1), ids[1:].view(len(numbers), -1)
        rows = np.empty((len(numbers), self.context + 1), np.int64)
        for row, number in zip(rows, numbers):
            row[:] = self._ids(number * self.context, self.context + 1)
        ids = torch.from_numpy(rows)
        return ids[:, :-1].contiguous(), ids[:, 1:].contiguous()

    def named(self, number: int) -> str:
        return f"window {number} of {self.name}"

    @cached_property
    def highest(self) -> int:
        """The highest id in the file, kept in the user's cache; raises PathsearchError where one is negative."""
        stamp = self.file.stat()
        told = f"{os.path.abspath(self.file)} {stamp.st_mtime_ns} {stamp.st_size} {self.dtype.str}"
        key = f"ids-{hashlib.sha256(told.encode(errors='surrogateescape')).hexdigest()[:32]}"
        known = cache.numbers(key, (1,))
        if known is not None:
            return int(known[0])
        highest = 0
        for first, ids in self._chunks():
            if int(ids.min()) < 0:
                raise PathsearchError(f"{self._place(first, ids < 0, ids)}, and ids count from 0")
            highest = max(highest, int(ids.max()))
        cache.keep(key, np.array([highest], np.float64))
        return highest

    def beyond(self, vocabulary: int) -> str:
        """The first id in the file that a vocabulary does not have, in words."""
        for first, ids in self._chunks():
            if int(ids.max()) >= vocabulary:
                return (
                    f"{self._place(first, ids >= vocabulary, ids)}, which is beyond objective.data.vocabulary="
                    f"{vocabulary}: set it to {self.highest + 1} or more, or leave it out"
                )
        return f"{self.name} has changed while it was read"

    def _place(self, first: int, which: NDArray[np.bool_], ids: NDArray[Any]) -> str:
        at = int(which.argmax())
        return f"{self.name} has the token id {ids[at]} at position {first + at}"

    def _chunks(self) -> Iterator[tuple[int, NDArray[Any]]]:
        for first in range(0, self.count, CHUNK):
            yield first, self._raw(first, min(CHUNK, self.count - first))

    def _ids(self, first: int, count: int) -> NDArray[np.int64]:
        return self._raw(first, count).astype(np.int64)

    def _raw(self, first: int, count: int) -> NDArray[Any]:
        """So many ids as the file has them."""
        handle = self._handles.get(os.getpid())
        if handle is None:
            handle = self._handles[os.getpid()] = os.open(self.file, os.O_RDONLY)
        read = bytearray()
        wanted, place = count * self.dtype.itemsize, self.begin + first * self.dtype.itemsize
        while len(read) < wanted:  # the system reads no more than 2 GB at once
            some = os.pread(handle, wanted - len(read), place + len(read))
            if not some:
                raise PathsearchError(f"{self.name} has become shorter while it is used: put it back, and run again")
            read += some
        return np.frombuffer(read, self.dtype)


def _npy(file: Path, name: str) -> tuple[np.dtype[Any], int, int]:
    """Type of a .npy file's ids, the byte where they begin, and how many there are."""
    with file.open("rb") as opened:
        try:
            version = np.lib.format.read_magic(opened)
            header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, _, kind = header(opened)
        except ValueError as error:
            raise PathsearchError(f"{name} is no .npy file: {error}") from error
        if len(shape) != 1 or kind.kind not in "iu":
            raise PathsearchError(f"{name} holds {kind} of shape {shape}, and must hold one row of whole numbers")
        return kind, opened.tell(), shape[0]
