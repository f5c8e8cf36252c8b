"""Built-in networks, every one of the table."""

import pytest
import torch
from torch import nn

from pathsearch.errors import PathsearchError
from pathsearch.objectives.models import MODELS

COUNTS = {
    "resnet8": (78_042, 83_892),
    "resnet20": (272_474, 278_324),
    "resnet32": (466_906, 472_756),
    "resnet44": (661_338, 667_188),
    "resnet56": (855_770, 861_620),
    "resnet20-3x3": (292_954, 298_804),
    "preresnet110": (1_146_842, 1_169_972),
    "preresnet164": (1_703_258, 1_726_388),
    "vgg16": (15_245_130, 15_291_300),
    "vgg19": (20_554_826, 20_600_996),
    "vgg16bn": (15_253_578, 15_299_748),
    "vgg19bn": (20_565_834, 20_612_004),
    "wrn28-10": (36_489_290, 36_546_980),
    "densenet40-12": (1_059_298, 1_100_428),
    "densenet100-12-bc": (769_162, 800_032),
    "cnn12": (790_706, 813_836),
    "cnn24": (1_578_074, 1_601_204),
    "cnn36": (2_365_442, 2_388_572),
    "cnn48": (3_152_810, 3_175_940),
    "cnn96": (6_302_282, 6_325_412),
    "cnn48x2": (851_258, 874_388),
    "cnn48x3": (319_178, 342_308),
}
"""Weights for 10 and 100 classes, of the published code, counted by hand (shared notes on architectures)."""
BUFFERS = {"preresnet110": 16_269, "preresnet164": 24_387, "wrn28-10": 17_977, "densenet40-12": 18_759}
OTHERS = {"mlp", "cnn", "vit", "gpt"}


def weights(module):
    return sum(each.numel() for each in module.parameters())


@pytest.mark.parametrize("name", COUNTS)
def test_weight_counts(name):
    with torch.device("meta"):  # to draw weights takes long
        few, many = (MODELS[name](shape=(3, 32, 32), outputs=outputs) for outputs in (10, 100))
    assert (weights(few), weights(many)) == COUNTS[name]
    buffers = sum(each.numel() for each in few.buffers())
    assert buffers == BUFFERS.get(name, buffers)


def test_every_model_is_counted():
    assert set(MODELS) == set(COUNTS) | OTHERS


def test_the_papers_own_count_has_statistics_in_it():
    plain = MODELS["resnet20"](shape=(3, 32, 32), outputs=10)
    assert weights(plain) + sum(b.numel() for n, b in plain.named_buffers() if "running" in n) == 274_042


@pytest.mark.parametrize(("width", "count"), [(2, 1_166_506), (4, 4_655_434), (8, 18_600_586)])
def test_wide_resnets_of_the_alignment_papers(width, count):
    with torch.device("meta"):
        assert weights(MODELS["resnet20-3x3"](shape=(3, 32, 32), outputs=10, width=width)) == count


@pytest.mark.parametrize("name", sorted(set(MODELS) - {"gpt", "wrn28-10", "preresnet110", "vgg19", "vgg19bn", "cnn96"}))
def test_every_model_gives_a_row_of_outputs(name):
    module = MODELS[name](shape=(3, 32, 32), outputs=5)
    assert module(torch.randn(2, 3, 32, 32)).shape == (2, 5)


@pytest.mark.parametrize("name", ["mlp", "cnn", "resnet8", "resnet20-3x3", "vgg16"])
@pytest.mark.parametrize("norm", [True, False])
def test_with_and_without_batch_norm(name, norm):
    module = MODELS[name](shape=(3, 32, 32), outputs=5, norm=norm)
    norms = [part for part in module.modules() if isinstance(part, nn.modules.batchnorm._BatchNorm)]
    assert bool(norms) == norm


def test_a_token_of_a_gpt_sees_none_after_it():
    module = MODELS["gpt"](shape=(6,), outputs=11, width=16, depth=2).eval()
    ids = torch.randint(11, (2, 6), generator=torch.Generator().manual_seed(0))
    other = ids.clone()
    other[:, 4:] = (other[:, 4:] + 1) % 11
    one, two = module(ids), module(other)
    assert one.shape == (2, 6, 11)
    torch.testing.assert_close(one[:, :4], two[:, :4])
    assert (one[:, 4:] != two[:, 4:]).any()


def test_weights_begin_as_the_papers_code_has_them():
    torch.manual_seed(0)
    for name in ("densenet40-12", "cnn48"):
        for part in MODELS[name](shape=(3, 32, 32), outputs=10).modules():
            if isinstance(part, (nn.Conv2d, nn.Linear)) and part.weight.numel() > 5000:
                assert part.weight.square().mean().item() * part.weight[0].numel() == pytest.approx(1.0, rel=0.15)
    stem = MODELS["preresnet164"](shape=(3, 32, 32), outputs=10).blocks[5].residual[5]
    assert stem.weight.square().mean().item() * 9 * stem.out_channels / 2 == pytest.approx(1.0, rel=0.15)


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("vit", {"heads": 0}, "vit has at least one of heads, not 0"),
        ("preresnet164", {"blocks": 0}, "preresnet has at least one of blocks"),
        ("densenet40-12", {"depth": 5}, "depth is 4 \\+ 3·n"),
        ("densenet100-12-bc", {"depth": 40, "growth": 0}, "growth at least 1"),
    ],
)
def test_networks_of_nothing_are_refused(name, arguments, said):
    with pytest.raises(PathsearchError, match=said):
        MODELS[name](shape=(3, 32, 32), outputs=10, **arguments)


@pytest.mark.parametrize(
    ("name", "shape", "said"),
    [
        ("vgg16", (3, 16, 16), "vgg takes pictures of at least 32 × 32"),
        ("densenet40-12", (64,), "densenet40-12 takes pictures of at least 4 × 4"),
        ("vit", (3, 30, 32), "patches of 4 pixels are to divide pictures of 30 × 32"),
        ("gpt", (3, 32, 32), "gpt takes windows of token ids"),
    ],
)
def test_inputs_of_another_kind_are_refused(name, shape, said):
    with pytest.raises(PathsearchError, match=said):
        MODELS[name](shape=shape, outputs=10)
