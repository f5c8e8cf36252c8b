"""Built-in networks, every one of the table."""

import pytest
import torch
from torch import nn

from pathsearch.objectives.models import MODELS


def test_weight_counts_of_the_resnets():
    counts = {}
    for name, make in MODELS.items():
        if name.startswith("resnet"):
            counts[name] = sum(p.numel() for p in make(shape=(3, 32, 32), outputs=10).parameters())
    # with the 1,568 batch-norm statistics that the paper's code counted as coordinates: 274,042
    assert counts["resnet20"] == 272_474
    plain = MODELS["resnet20"](shape=(3, 32, 32), outputs=10)
    assert 272_474 + sum(b.numel() for n, b in plain.named_buffers() if "running" in n) == 274_042
    assert list(counts) == ["resnet8", "resnet20", "resnet32", "resnet44", "resnet56"]


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("norm", [True, False])
def test_every_model_runs_with_and_without_batch_norm(name, norm):
    module = MODELS[name](shape=(3, 16, 16), outputs=5, norm=norm)
    assert module(torch.randn(2, 3, 16, 16)).shape == (2, 5)
    norms = [part for part in module.modules() if isinstance(part, nn.modules.batchnorm._BatchNorm)]
    assert bool(norms) == norm
