import subprocess
import sys

import numpy as np
import torch

from pathsearch.holders import SerialHolder, block
from pathsearch.objectives.function import FunctionObjective
from tests.holders.contract import HolderContract


class TestSerialHolder(HolderContract):
    def make(self, objective):
        return SerialHolder(objective)


def test_room_is_made_where_a_stage_begins(monkeypatch):
    made, holder = [], SerialHolder(FunctionObjective(torch.sum, 3, torch.float64, torch.device("cpu")))
    holder.load([np.zeros(3), np.ones(3)], [], {})
    monkeypatch.setattr(block, "make_room", lambda size: made.append((size, len(holder.block.states))))
    holder.begin([0, 1], ("velocity",))
    assert made == [(24, 0)]  # before the states take theirs


def test_it_imports_without_ray():
    code = "import sys; sys.modules['ray'] = None; import pathsearch.holders, pathsearch.cli"
    subprocess.run([sys.executable, "-c", code], check=True)
