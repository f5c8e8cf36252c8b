"""Live objectives of what a configuration declares."""

import pytest
import torch

from pathsearch.errors import PathsearchError
from pathsearch.objectives import NetworkSettings

CPU = torch.device("cpu")


def test_what_is_no_image_is_not_cropped():
    settings = {"model": "mlp", "data": {"name": "moons", "points": 50, "augment": True}}
    with pytest.raises(PathsearchError, match=r"augment crops images, the inputs have shape \(2,\): leave it out"):
        NetworkSettings.model_validate(settings).open(None, CPU)
