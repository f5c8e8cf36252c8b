"""Losses, and which outputs they can be taken of."""

import pytest
import torch
import torch.nn.functional as F
from pydantic import ValidationError
from torch import nn

from pathsearch.errors import PathsearchError
from pathsearch.numerics.seeds import Key
from pathsearch.objectives import LossSettings
from pathsearch.objectives.data import Data
from pathsearch.objectives.losses import IGNORED, LOSSES
from pathsearch.objectives.models import MODELS
from pathsearch.objectives.remembered import remembered
from pathsearch.objectives.tasks import task
from tests.objectives import networks
from tests.objectives.networks import DATA, images, objective, scaled


def test_mse_on_two_classes_uses_one_output():
    data = Data(images(classes=2), images(9, classes=2), 2)
    found = objective(lambda: MODELS["mlp"](shape=(3, 8, 8), outputs=1), data, loss="mse")
    weights = found.initial(0)
    module = MODELS["mlp"](shape=(3, 8, 8), outputs=1).double()
    nn.utils.vector_to_parameters(weights, module.parameters())
    outputs = module(scaled(data.test, data.train))[:, 0].detach()
    measured = found.measure(weights)
    assert measured["test_loss"] == pytest.approx(float(((outputs - data.test.targets) ** 2).mean()), rel=1e-10)
    wrong = ((outputs > 0.5).long() != data.test.targets).double().mean()
    assert measured["test_error"] == pytest.approx(float(wrong))


BROKEN = {
    "no parameters": (nn.Flatten, "no parameters"),
    "one output": (lambda: nn.Sequential(nn.Flatten(), nn.Linear(192, 1)), "1 outputs for 4 classes"),
    "a picture": (lambda: nn.Conv2d(3, 4, 1), r"must return a tensor of shape \(16, outputs\)"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_networks_that_cannot_work_are_refused(case):
    make, says = BROKEN[case]
    with pytest.raises(PathsearchError, match=says):
        objective(make)


def test_the_table_says_what_a_loss_takes():
    known = {name: task(name, None, None) for name in LOSSES}
    assert [known[name].outputs(2) for name in ("cross_entropy", "mse")] == [2, 1]
    assert [known[name].outputs(3) for name in ("cross_entropy", "mse")] == [3, 3]
    assert [name for name, each in known.items() if each.numbers] == ["mse", "binary_cross_entropy"]
    assert LossSettings(loss="mse").loss == "mse"
    with pytest.raises(ValidationError, match="cross_entropy"):
        LossSettings(loss="msee")


class Fixed(nn.Module):
    """Gives what it was told, whatever it is called with."""

    def __init__(self, outputs):
        super().__init__()
        self.outputs = outputs

    def forward(self, *given, **named):
        return self.outputs


GENERATOR = torch.Generator().manual_seed(0)
LOGITS = torch.randn(5, 7, 3, generator=GENERATOR)  # [b, T, V], or [b, classes, positions]
IDS = torch.randint(0, 3, (5, 7), generator=GENERATOR)
SOME = IDS.where(torch.rand(5, 7, generator=GENERATOR) < 0.7, IGNORED)
FLAGS = torch.randint(0, 2, (5, 4), generator=GENERATOR)
YES = torch.randn(5, 4, generator=GENERATOR)


def kept(outputs, targets):
    """Of logits [..., V] those whose target counts."""
    return outputs[targets != IGNORED], targets[targets != IGNORED]


CASES = {
    "tokens": ("next_token", LOGITS, (IDS, SOME), F.cross_entropy(*kept(LOGITS, SOME))),
    "ids alone": ("next_token", LOGITS, IDS, F.cross_entropy(LOGITS[:, :-1].reshape(-1, 3), IDS[:, 1:].reshape(-1))),
    "labels": (
        "next_token",
        {"logits": LOGITS},
        {"input_ids": IDS, "mask": IDS > 0, "labels": SOME},
        F.cross_entropy(*kept(LOGITS[:, :-1], SOME[:, 1:])),
    ),
    "every pixel": ("cross_entropy", LOGITS.mT, (IDS, SOME), F.cross_entropy(*kept(LOGITS, SOME))),
    "some examples": (
        "cross_entropy",
        LOGITS[:, 0],
        (IDS, SOME[:, 0]),
        F.cross_entropy(*kept(LOGITS[:, 0], SOME[:, 0])),
    ),
    "several flags": (
        "binary_cross_entropy",
        YES,
        (IDS, FLAGS),
        F.binary_cross_entropy_with_logits(YES, FLAGS.float()),
    ),
    "one flag": (
        "binary_cross_entropy",
        YES[:, :1],
        (IDS, FLAGS[:, 0]),
        F.binary_cross_entropy_with_logits(YES[:, 0], FLAGS[:, 0].float()),
    ),
    "a vector": ("mse", YES, ((IDS, IDS), YES.flip(0)), F.mse_loss(YES, YES.flip(0))),
}


@pytest.mark.parametrize("case", CASES)
def test_built_in_losses_are_torchs_means_over_what_counts(case):
    loss, outputs, batch, wanted = CASES[case]
    total, count = task(loss, None, None).loss(Fixed(outputs), batch)
    assert float(total) / float(count) == pytest.approx(float(wanted), rel=1e-6)


def shares(loss, outputs, batch, names):
    found = task(loss, dict(zip(names, names)), None).metrics
    both = {name: each(Fixed(outputs), batch) for name, each in found.items()}
    return {name: found[name].finish(float(total) / float(count)) for name, (total, count) in both.items()}


def test_built_in_metrics_count_what_a_loop_over_targets_counts():
    wide = torch.randn(6, 9, generator=GENERATOR)
    classes = torch.tensor([0, 1, 2, 3, 4, 8])
    right = [int(row.argmax()) == int(target) for row, target in zip(wide, classes)]
    among = [int(target) in row.argsort().tolist()[-5:] for row, target in zip(wide, classes)]
    found = shares("cross_entropy", wide, (classes, classes), ["error", "accuracy", "top5"])
    assert found == pytest.approx(
        {"error": 1 - sum(right) / 6, "accuracy": sum(right) / 6, "top5": sum(among) / 6}, rel=1e-12
    )
    logits, ids = kept(LOGITS, SOME)
    found = shares("next_token", LOGITS, (IDS, SOME), ["perplexity", "accuracy", "error"])
    assert found["perplexity"] == pytest.approx(float(F.cross_entropy(logits, ids).exp()), rel=1e-6)
    assert found["accuracy"] == pytest.approx(float((logits.argmax(1) == ids).double().mean()), rel=1e-12)
    assert found["accuracy"] + found["error"] == pytest.approx(1.0, rel=1e-12)
    found = shares("binary_cross_entropy", YES, (IDS, FLAGS), ["error"])
    assert found["error"] == pytest.approx(float(((YES > 0) != (FLAGS > 0)).double().mean()), rel=1e-12)


def contrastive(model, batch):
    """Each example is to be nearer to itself than to the others of the batch."""
    outputs = F.normalize(model(batch[0]), dim=1)
    return F.cross_entropy(outputs @ outputs.T, torch.arange(len(outputs)), reduction="sum"), len(outputs)


def test_a_loss_and_metrics_of_ones_own_are_measured_with_exact_weights():
    def odd(model, batch):
        some = batch[1] % 2 == 1
        return F.cross_entropy(model(batch[0]), batch[1], reduction="none")[some].sum(), some.sum()

    def passes(model, batch):
        model(batch[0])
        return model.calls.double() * len(batch[0]), len(batch[0])

    found = objective(networks.Odd, loss=odd, metrics={"passes": passes, "top5": "top5"}, dtype=torch.float64)
    weights = found.initial(0)
    module = networks.loaded(networks.Odd, weights).eval()
    some = DATA.test.targets % 2 == 1
    wanted = F.cross_entropy(module(scaled(DATA.test)[some]), DATA.test.targets[some])
    names = [
        *(f"{split}_{name}" for split in ("train", "test") for name in ("loss", "passes", "top5")),
        "train_loss_l2",
    ]
    for chunk in (500, 9):
        found.chunk = chunk
        measured = found.measure(weights)
        assert sorted(measured) == sorted(found.metrics)
        assert list(found.metrics) == names
        assert measured["test_loss"] == pytest.approx(wanted.item(), rel=1e-10)
        assert measured["test_passes"] == 1.0  # the loss and both metrics share one pass
        assert measured["test_top5"] == 1.0
    assert found.described["top5"] == {"higher": True, "share": True}
    assert found.predictions(weights) is None


def test_a_loss_that_looks_across_a_batch_is_taken_and_said():
    found = objective(lambda: networks.layers(nn.ReLU()), loss=contrastive)
    assert any("depends on measure.chunk" in line for line in found.remarks)


def told(given):
    return lambda model, batch: given(F.cross_entropy(model(batch[0]), batch[1], reduction="sum"), len(batch[1]))


WRONG = {
    "no pair": (told(lambda total, count: total), r"must return \(sum, count\).*it returned a Tensor of shape \(\)"),
    "a mean": (told(lambda total, count: (total / count, count)), "returned a mean"),
    "a mean of one": (told(lambda total, count: (total / count, 1)), "returned a mean"),
    "a vector": (told(lambda total, count: (total.expand(3), count)), r"its sum is a Tensor of shape \(3,\)"),
    "no number": (told(lambda total, count: (total, float("nan"))), "counted nan"),
    "none": (told(lambda total, count: (total, 0)), "counted 0"),
    "text": (told(lambda total, count: (total, "7")), "its count is a str"),
    "detached": (told(lambda total, count: (total.detach(), count)), "a sum without a gradient"),
}


@pytest.mark.parametrize("case", WRONG)
def test_losses_that_do_not_count_are_refused_by_name(case):
    function, says = WRONG[case]
    with pytest.raises(PathsearchError, match=f"^objective.loss <lambda>.*{says}"):
        objective(lambda: networks.layers(nn.ReLU()), loss=function)


def test_a_metric_that_fails_is_named():
    def broken(model, batch):
        return batch["no such"]

    with pytest.raises(PathsearchError, match=r"^objective.metrics.mine broken raised .*test_tasks.py, line \d+\)$"):
        objective(lambda: networks.layers(nn.ReLU()), metrics={"mine": broken})


def test_a_piece_that_counts_nothing_adds_nothing():
    def rare(model, batch):
        some = batch[1] == 3
        if not some.any():
            return 0.0, 0
        return F.cross_entropy(model(batch[0][some]), batch[1][some], reduction="sum"), int(some.sum())

    make = lambda: networks.layers(nn.ReLU())
    whole, parts = (objective(make, loss=rare, micro_batch=most) for most in (None, 2))
    weights = whole.initial(0)
    for one, other in zip(*(each.loss_and_gradient(weights, Key(0, 0)) for each in (whole, parts))):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-14)
    with pytest.raises(PathsearchError, match="counted 0 in a mini-batch"):
        objective(make, loss=rare, batch=1).loss(weights, Key(0, 1))


def test_outputs_that_were_replaced_or_written_to_are_worked_out_anew():
    class Named(nn.Module):
        def forward(self, x):
            return {"logits": x + 1}

    module, x = Named(), torch.zeros(3)
    with remembered(module):
        first = module(x)
        assert module(x.clone())["logits"] is first["logits"]
        first["logits"] = first["logits"] / 2
        second = module(x)["logits"]
        assert second.tolist() == [1.0] * 3
        second.mul_(5)
        assert module(x)["logits"].tolist() == [1.0] * 3
        assert module(x + 1)["logits"].tolist() == [2.0] * 3
    assert "forward" not in vars(module)
