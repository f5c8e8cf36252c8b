"""Data sets for tests of what is read when it is wanted."""

import os
import random
import signal
import time
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pathsearch.objectives.data.indexed import Indexed
from pathsearch.objectives.data.reading import Items
from pathsearch.objectives.data.sets import Split


class Noisy(torch.utils.data.Dataset):
    """Pictures with noise that each is given when it is read, by all three generators."""

    classes = ("a", "b", "c")

    def __init__(self, count=23, side=6):
        self.count, self.side = count, side

    def __len__(self):
        return self.count

    def __getitem__(self, i):
        drawn = random.random() + np.random.rand() + torch.rand(3, self.side, self.side)
        return drawn + i, i % 3


class Opened(torch.utils.data.Dataset):
    """Reads through a file that it opens at the first item, as readers of HDF5 do."""

    def __init__(self, file):
        self.file, self.opened = file, None

    def __len__(self):
        return os.path.getsize(self.file)

    def __getitem__(self, i):
        self.opened = self.opened or os.open(self.file, os.O_RDONLY)
        os.lseek(self.opened, i, os.SEEK_SET)
        time.sleep(1e-4)  # another process moves the place in a file that both have
        return torch.tensor([os.read(self.opened, 1)[0]]), 0


class Deadly(torch.utils.data.Dataset):
    """Ends the process that reads one item, unless that is the test's own: always, or once if there is a file."""

    def __init__(self, item, file=None):
        self.item, self.file, self.own = item, file, os.getpid()

    def __len__(self):
        return 12

    def __getitem__(self, i):
        if i == self.item and os.getpid() != self.own and not (self.file and os.path.exists(self.file)):
            if self.file:
                open(self.file, "w").close()
            os.kill(os.getpid(), signal.SIGKILL)
        return torch.full((2,), float(i)), i


@dataclass
class Words:
    """A batch of rows of different lengths."""

    ids: Tensor
    mask: Tensor


def lines(count, seed=0):
    """Rows of integers of different lengths."""
    generator = torch.Generator().manual_seed(seed)
    return [torch.randint(0, 9, (1 + n % 4,), generator=generator) for n in range(count)]


def padded(items):
    """Rows as long as the longest of them."""
    longest = max(map(len, items))
    ids = torch.stack([torch.cat([each, each.new_zeros(longest - len(each))]) for each in items])
    return Words(ids, torch.stack([torch.arange(longest) < len(each) for each in items]))


def source(dataset, anew=False, shuffled=False):
    """A data set as a source."""
    items = Items(dataset, "x")
    return Indexed(len(items), items, shuffled, anew)


def read(dataset, what):
    """All items of a data set that is held."""
    items = Items(dataset, what)
    return Split(items(range(len(items))))
