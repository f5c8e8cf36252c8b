"""Networks as people write them, a small data set of pictures, and plain torch to compare with."""

import random
import threading

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import parametrizations, prune

from pathsearch.objectives import LossSettings
from pathsearch.objectives.data import Data, Split
from pathsearch.objectives.models import MODELS
from pathsearch.objectives.network import NetworkObjective
from pathsearch.objectives.tasks import task

CPU = torch.device("cpu")


def images(n=70, classes=4, seed=0, side=8):
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.randint(0, 256, (n, 3, side, side), generator=generator, dtype=torch.uint8)
    return Split((pixels, torch.randint(0, classes, (n,), generator=generator)))


DATA = Data(images(), images(33, seed=1), 4)


def objective(make, data=DATA, loss="cross_entropy", batch=None, augment=False, decay=0.0, dtype=torch.float64, **more):
    name, metrics = loss if isinstance(loss, str) else "given:loss", more.pop("metrics", None)
    options = LossSettings(loss=name, batch=batch, weight_decay=decay, dtype=str(dtype).removeprefix("torch."), **more)
    return NetworkObjective(make, data, task(loss, metrics, None), options, CPU, augment)


def scaled(split, by=DATA.train):
    x = by.inputs.double()
    mean, std = x.mean(dim=(0, 2, 3), keepdim=True), x.std(dim=(0, 2, 3), keepdim=True, unbiased=False)
    return (split.inputs.double() - mean) / std


def loaded(make, weights):
    """A module in float64 with these weights in its parameters that want a gradient."""
    module = make().double().train()
    nn.utils.vector_to_parameters(weights.clone(), (p for p in module.parameters() if p.requires_grad))
    return module


def by_torch(make, weights):
    """Loss in training mode, its gradient, and loss in evaluation mode of the test set, as plain torch has them."""
    module = loaded(make, weights)
    parameters = [p for p in module.parameters() if p.requires_grad]
    loss = F.cross_entropy(module(scaled(DATA.train)), DATA.train.targets)
    loss.backward()
    gradient = torch.cat([(torch.zeros_like(p) if p.grad is None else p.grad).reshape(-1) for p in parameters])
    module = loaded(make, weights).eval()
    with torch.no_grad():
        measured = F.cross_entropy(module(scaled(DATA.test)), DATA.test.targets)
    return loss.item(), gradient, measured.item()


def layers(*between, inputs=192, width=8):
    return nn.Sequential(nn.Flatten(), nn.Linear(inputs, width), *between, nn.Linear(width, 4))


def cnn(norm=True):
    return MODELS["cnn"](shape=(3, 8, 8), outputs=4, norm=norm)


class Odd(nn.Module):
    """Tied weights, a parameter nobody uses, an integer buffer, dropout."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(192, 192)
        self.second = nn.Linear(192, 192)
        self.second.weight = self.first.weight
        self.unused = nn.Parameter(torch.ones(3))
        self.drop = nn.Dropout(0.5)
        self.head = nn.Linear(192, 4)
        self.register_buffer("calls", torch.zeros((), dtype=torch.int64))

    def forward(self, x):
        self.calls += 1
        return self.head(self.drop(self.second(self.first(x.flatten(1)).relu())))


class Norm(nn.Module):
    """A batch norm of one's own, in the ways in which people keep its averages."""

    def __init__(self, width, momentum=0.1, how="new"):
        super().__init__()
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("var", torch.ones(width))
        self.register_buffer("calls", torch.tensor(0))
        self.momentum, self.how = momentum, how

    def forward(self, x):
        if not self.training:
            return (x - self.mean) / torch.sqrt(self.var + 1e-5)
        mean, var, m = x.mean(0), x.var(0, unbiased=False), self.momentum
        unbiased = var * len(x) / (len(x) - 1)
        self.calls += 1
        if self.how == "new":
            self.mean, self.var = (1 - m) * self.mean + m * mean.detach(), (1 - m) * self.var + m * unbiased.detach()
        elif self.how == "graph":  # nobody detached: each pass hangs on to the last one
            self.mean.mul_(1 - m).add_(m * mean)
            self.var.mul_(1 - m).add_(m * unbiased)
        else:
            self.mean.data.lerp_(mean.data, m)
            self.var.data.lerp_(unbiased.data, m)
        return (x - mean) / torch.sqrt(var + 1e-5)


class Renorm(Norm):
    """Batch renormalisation, which begins to look at its averages after some calls (Ioffe 2017)."""

    def forward(self, x):
        deviation, free = self.var.sqrt(), (self.calls / 1000.0).clamp(0, 1)
        shift = ((x.mean(0).detach() - self.mean) / deviation).clamp(-5 * free, 5 * free)
        return super().forward(x) + shift


class Centred(nn.Sequential):
    """Features less their average over the past."""

    def __init__(self):
        super().__init__(nn.Flatten(), nn.Linear(192, 8))
        self.head = nn.Linear(8, 4)
        self.register_buffer("centre", torch.zeros(8))

    def forward(self, x):
        features = self[1](self[0](x))
        if self.training:
            self.centre.mul_(0.9).add_(0.1 * features.detach().mean(0))
        return self.head(features - self.centre)


class Codebook(nn.Module):
    """Vector quantisation with a codebook that follows the features."""

    def __init__(self):
        super().__init__()
        self.features, self.head = nn.Linear(192, 8), nn.Linear(8, 4)
        self.register_buffer("book", torch.randn(6, 8))

    def forward(self, x):
        features = self.features(x.flatten(1))
        nearest = torch.cdist(features, self.book).argmin(1)
        found = features + (self.book[nearest] - features).detach()
        if self.training:
            self.book[nearest[0]] = 0.9 * self.book[nearest[0]] + 0.1 * features[0].detach()
        return self.head(found)


class Teacher(nn.Module):
    """A frozen copy that follows the network, and is what is used in the end."""

    def __init__(self):
        super().__init__()
        self.net, self.teacher = nn.Linear(192, 4), nn.Linear(192, 4).requires_grad_(False)

    def forward(self, x):
        if not self.training:
            return self.teacher(x.flatten(1))
        for old, new in zip(self.teacher.parameters(), self.net.parameters()):
            old.data = 0.9 * old.data + 0.1 * new.data
        return self.net(x.flatten(1))


class Edited(nn.Module):
    """Weights that a pass writes to."""

    def __init__(self, how):
        super().__init__()
        self.first, self.head, self.how = nn.Linear(192, 8), nn.Linear(8, 4), how

    def forward(self, x):
        weight = self.first.weight
        if self.how == "data":
            weight.data.clamp_(-0.02, 0.02)
        elif self.how == "no_grad":
            with torch.no_grad():
                weight.mul_(0.5)
        elif self.how == "rebound":
            weight.data = F.normalize(weight.data, dim=1)
        outputs = self.head(self.first(x.flatten(1)).relu())
        if self.how == "after":
            self.head.bias.data.fill_(9.0)
            x.data.zero_()  # its inputs as well
        return outputs


class Words(nn.Module):
    """An embedding that torch itself renormalises in place."""

    def __init__(self):
        super().__init__()
        self.table, self.head = nn.Embedding(20, 8, max_norm=0.5), nn.Linear(8, 4)

    def forward(self, x):
        return self.head(self.table((x.flatten(1) * 4 + 10).long().clamp(0, 19)).mean(1))


class Rotary(nn.Module):
    """Buffers of other kinds: complex, boolean, integer, half."""

    def __init__(self):
        super().__init__()
        self.first, self.head = nn.Linear(192, 8), nn.Linear(8, 4)
        self.register_buffer("turn", torch.polar(torch.ones(4), torch.arange(4.0)))
        self.register_buffer("mask", torch.arange(8) % 3 > 0)
        self.register_buffer("order", torch.tensor([3, 1, 0, 2, 7, 6, 5, 4], dtype=torch.int32))
        self.register_buffer("scale", torch.arange(8).half())

    def forward(self, x):
        features = torch.view_as_complex(self.first(x.flatten(1)).reshape(-1, 4, 2)) * self.turn
        return self.head((torch.view_as_real(features).flatten(1) * self.mask * self.scale)[:, self.order])


class Listed(nn.Module):
    """A parameter that the network finds by a list of its own."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(0.1 * torch.randn(192, 4))
        self.known = [self.weight]

    def forward(self, x):
        return x.flatten(1) @ self.known[0]


class Kept(nn.Module):
    """A lock, and activations of the last pass: neither can be copied."""

    def __init__(self):
        super().__init__()
        self.net, self.lock = nn.Linear(192, 4), threading.Lock()
        self.seen = self.net(torch.zeros(1, 192))

    def forward(self, x):
        with self.lock:
            self.seen = self.net(x.flatten(1))
        return self.seen


class Late(nn.Module):
    """Buffers that a pass states or fills, from the batch it sees."""

    def __init__(self):
        super().__init__()
        self.net = nn.Linear(192, 4)
        self.register_buffer("centre", None)

    def forward(self, x):
        if self.centre is None:
            self.centre = x.flatten(1).mean(0)
        if not hasattr(self, "scale"):
            self.register_buffer("scale", x.flatten(1).std(0))
        return self.net((x.flatten(1) - self.centre) / self.scale)


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.cells, self.head = nn.LSTM(24, 8, batch_first=True), nn.Linear(8, 4)

    def forward(self, x):
        return self.head(self.cells(x.reshape(len(x), 8, 24))[0][:, -1])


class Fused(nn.Module):
    """A low-rank addition that evaluation mode adds to the weight, and training mode takes away (LoRA)."""

    def __init__(self):
        super().__init__()
        self.base, self.fused = nn.Linear(192, 4, bias=False).requires_grad_(False), False
        self.base.weight.data = torch.linspace(-1, 1, 4 * 192).reshape(4, 192).sin() / 10
        self.down, self.up = nn.Parameter(torch.randn(2, 192)), nn.Parameter(torch.randn(4, 2))

    def train(self, mode=True):
        super().train(mode)
        if self.fused == mode:
            self.base.weight.data += (-1 if mode else 1) * (self.up @ self.down).data
            self.fused = not mode
        return self

    def forward(self, x):
        outputs = self.base(x.flatten(1))
        return outputs if self.fused else outputs + x.flatten(1) @ self.down.T @ self.up.T


class KeptInEval(nn.Module):
    """A batch norm that stays as it was trained, for fine-tuning."""

    def __init__(self):
        super().__init__()
        self.first, self.norm, self.head = nn.Linear(192, 8), nn.BatchNorm1d(8), nn.Linear(8, 4)
        self.norm.running_mean.copy_(torch.linspace(-1, 1, 8))

    def train(self, mode=True):
        super().train(mode)
        self.norm.eval()
        return self

    def forward(self, x):
        return self.head(self.norm(self.first(x.flatten(1))).relu())


class Backbone(nn.Module):
    """Frozen features, the same whatever the seed, and a head."""

    def __init__(self, seed=7):
        super().__init__()
        self.features, self.head = nn.Linear(192, 8), nn.Linear(8, 4)
        generator = torch.Generator().manual_seed(seed)
        self.features.weight.data = torch.randn(8, 192, generator=generator) / 14
        self.features.bias.data.zero_()
        self.features.requires_grad_(False)
        self.register_buffer("epoch", torch.tensor(0))

    def forward(self, x):
        return self.head(self.features(x.flatten(1)).relu())


class FrozenByTrain(Backbone):
    """Frozen by train(), as detection networks freeze their stages."""

    def __init__(self):
        super().__init__()
        self.features.requires_grad_(True)

    def train(self, mode=True):
        self.features.requires_grad_(False)
        return super().train(mode)


class Drawing(nn.Module):
    """Draws by one of the generators there are, in evaluation mode too where asked."""

    def __init__(self, by, always=False):
        super().__init__()
        self.net, self.by, self.always = nn.Linear(192, 4), by, always
        self.own = torch.Generator().manual_seed(0)

    def forward(self, x):
        outputs = self.net(x.flatten(1))
        if not (self.training or self.always):
            return outputs
        draw = {
            "random": random.random,
            "numpy": np.random.rand,
            "torch": lambda: float(torch.rand(())),
            "own": lambda: float(torch.rand((), generator=self.own)),
        }[self.by]
        return outputs * (1 + draw())


class Counting(nn.Module):
    """What it gives depends on how often it was called."""

    def __init__(self):
        super().__init__()
        self.net, self.calls = nn.Linear(192, 4), 0

    def forward(self, x):
        self.calls += 1
        return self.net(x.flatten(1)) / (1 + 0.1 * self.calls)


class Residual(nn.Module):
    """Dropout before a layer that starts at zero."""

    def __init__(self):
        super().__init__()
        self.branch = nn.Sequential(nn.Linear(192, 8), nn.Dropout(0.3), nn.Linear(8, 192))
        nn.init.zeros_(self.branch[2].weight)
        nn.init.zeros_(self.branch[2].bias)
        self.head = nn.Linear(192, 4)

    def forward(self, x):
        return self.head(x.flatten(1) + self.branch(x.flatten(1)))


class Viewing(nn.Module):
    """Flattens by view, as tutorials do."""

    def __init__(self):
        super().__init__()
        self.first, self.head = nn.Conv2d(3, 6, 3), nn.Linear(192, 4)

    def forward(self, x):
        return self.head(x.view(x.size(0), -1)) + self.first(x).mean((1, 2, 3))[:, None]


def pruned():
    module = layers(nn.ReLU())
    mask = torch.rand(8, 192, generator=torch.Generator().manual_seed(3)) > 0.7
    return prune.custom_from_mask(module[1], "weight", mask.float()) and module


def weight_norm():
    module = layers(nn.ReLU())
    nn.utils.weight_norm(module[1])
    return module


def spectral(norm):
    module = layers(nn.ReLU())
    norm(module[1])
    return module


AS_TORCH = {
    **{f"edited, {how}": (lambda how=how: Edited(how)) for how in ("data", "no_grad", "rebound", "after")},
    "words": Words,
    "rotary": Rotary,
    "listed": Listed,
    "kept": Kept,
    "late": Late,
    "recurrent": Recurrent,
    "fused": Fused,
    "kept in eval": KeptInEval,
    "backbone": Backbone,
    "frozen by train()": FrozenByTrain,
    "viewing": Viewing,
    "pruned": pruned,
    "weight norm": weight_norm,
    "parametrised": lambda: spectral(parametrizations.weight_norm),
    "momentum 0": lambda: layers(nn.BatchNorm1d(8, momentum=0.0)),
}
"""Without statistics that are worked out anew: the program must give what plain torch gives."""
