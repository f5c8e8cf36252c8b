"""Whether a network can be trained on a data set."""

import numpy as np
import pytest
import torch

from pathsearch.errors import PathsearchError
from pathsearch.objectives.data import Data, Split, checked
from pathsearch.objectives.tasks import task
from tests.objectives.data.test_reading import Items
from tests.objectives.networks import DATA, images
from tests.objectives.sources import read

CLASSES = task("cross_entropy", None, None)


def test_boolean_targets_are_two_classes():
    split = read(Items([(torch.zeros(2), True), (torch.ones(2), np.False_)]), "x")
    data = checked(Data(split, split, 1), CLASSES)
    assert data.train.targets.tolist() == [1, 0]
    assert data.train.targets.dtype == torch.int64
    assert data.outputs == 2


def test_data_are_checked_and_their_classes_made_integers():
    few = Data(Split((DATA.train.inputs, DATA.train.targets.int())), images(20, 6, seed=5), 4)
    assert checked(few, CLASSES).train.targets.dtype == torch.int64
    assert checked(few, CLASSES).outputs == 6
    split = DATA.test
    bad = {
        "the targets are real": Split((split.inputs, split.targets.float())),
        "classes run from -1": Split((split.inputs, split.targets - 1)),
        "the test set is empty": Split((split.inputs[:0], split.targets[:0])),
        "test inputs": Split((split.inputs[:, :, :4], split.targets)),
    }
    for says, test in bad.items():
        with pytest.raises(PathsearchError, match=says):
            checked(Data(DATA.train, test, 4), CLASSES)
