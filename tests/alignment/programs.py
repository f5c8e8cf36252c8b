"""Networks of operations drawn at random: what no one thought of, put together."""

import random

import torch
import torch.nn.functional as F
from torch import nn


class Program(nn.Module):
    """Two to eight operations on hidden units and on what earlier ones gave, the same for equal seeds."""

    def __init__(self, seed):
        super().__init__()
        self.seed, self.made, self.weights = seed, False, nn.ParameterList()
        self(torch.zeros(2, 4, dtype=torch.float64))
        self.made = True

    def weight(self, *shape):
        if not self.made:
            self.weights.append(nn.Parameter(torch.zeros(shape, dtype=torch.float64)))
        return self.weights[next(self.numbers)]

    def forward(self, x):
        self.draw, self.numbers = random.Random(self.seed), iter(range(99))
        pool = [F.linear(x, self.weight(width, 4), self.weight(width)) for width in self.draw.choices((6, 8, 12), k=2)]
        for _ in range(self.draw.randint(2, 8)):
            given = self.draw.choice(pool)
            y = self.draw.choice(OPERATIONS)(self, given, pool)
            if y is not None and y.ndim in (2, 3, 4, 5) and len(y) == 2 and y.numel() <= 2000:
                pool.append(y / (1 + y.abs().mean()))
        return [F.linear(torch.tanh(y.flatten(1)), self.weight(3, y[0].numel())) for y in pool[-2:]]

    def axis(self, y):
        return self.draw.randrange(1, y.ndim)


def layer(net, y, pool):
    return F.linear(y, net.weight(net.draw.choice((4, 6)), y.shape[-1]))


def residual(net, y, pool):
    return y + F.linear(y, net.weight(y.shape[-1], y.shape[-1]))


def unflattened(net, y, pool):
    at = net.axis(y)
    fitting = [count for count in (2, 3, 4) if y.shape[at] % count == 0]
    return y.unflatten(at, (net.draw.choice(fitting), -1)) if fitting else None


def flattened(net, y, pool):
    at = net.axis(y)
    return y.flatten(at, at + 1) if at + 1 < y.ndim else None


def viewed(net, y, pool):
    fitting = [count for count in (2, 3, 4, 6) if y[0].numel() % count == 0]
    return y.reshape(2, net.draw.choice(fitting), -1) if fitting else None


def transposed(net, y, pool):
    return y.transpose(net.axis(y), net.axis(y))


def softmax(net, y, pool):
    return y.softmax(net.axis(y))


def reduced(net, y, pool):
    return net.draw.choice((torch.mean, torch.amax, torch.sum))(y, net.axis(y), net.draw.choice((True, False)))


def normed(net, y, pool):
    shape = y.shape[net.axis(y) :]
    return F.layer_norm(y, shape, net.weight(*shape) if net.draw.random() < 0.5 else None)


def of_groups(net, y, pool):
    count = net.draw.choice([count for count in (1, 2, 3, 4) if y.shape[1] % count == 0])
    return F.group_norm(y, count, net.weight(y.shape[1]), net.weight(y.shape[1])) if y[0].numel() > count else None


def gained(net, y, pool):
    return y * net.weight(*(size if net.draw.random() < 0.5 else 1 for size in y.shape[1:]))


def added(net, y, pool):
    other = net.draw.choice([each for each in pool if each[0].numel() == y[0].numel()])
    return y * other.reshape(y.shape).tanh()


def broadcast(net, y, pool):
    fitting = [each for each in pool if each.ndim < y.ndim and each.shape[1:] == y.shape[y.ndim - each.ndim + 1 :]]
    if fitting:
        other = net.draw.choice(fitting)
        return y + other.reshape(2, *[1] * (y.ndim - other.ndim), *other.shape[1:])
    return None


def together(net, y, pool):
    at = net.axis(y)
    shape = lambda each: (*each.shape[:at], *each.shape[at + 1 :])
    return torch.cat([y, net.draw.choice([e for e in pool if e.ndim == y.ndim and shape(e) == shape(y)])], at)


def halved(net, y, pool):
    at = net.axis(y)
    if y.shape[at] % 2:
        return None
    one, other = y.chunk(2, at)
    ways = (one * other, torch.cat([other, one], at), one, torch.stack([one, other], 1), F.glu(y, at))
    return net.draw.choice(ways)


def sliced(net, y, pool):
    at = net.axis(y)
    start = net.draw.randrange(y.shape[at])
    return y.narrow(at, start, net.draw.randint(1, y.shape[at] - start))


def picked(net, y, pool):
    one, *_, last = (y if y.shape[1] > 1 else torch.cat([y, y], 1)).unbind(1)
    return one * last.tanh() if y.ndim > 2 else None


def attended(net, y, pool):
    key, value = net.draw.choices([each for each in pool if each.shape == y.shape], k=2)
    return F.scaled_dot_product_attention(y, key, value) if y.ndim > 2 else None


def products(net, y, pool):
    fitting = [
        each for each in pool if (each.ndim, *each.shape[1:-2], each.shape[-1]) == (y.ndim, *y.shape[1:-2], y.shape[-1])
    ]
    return y @ net.draw.choice(fitting).mT if y.ndim > 2 else None


def summed(net, y, pool):
    if y.ndim != 3:
        return None
    _, i, j = y.shape
    equation, *shape = net.draw.choice(
        (("bij,ijk->bik", i, j, 3), ("bij,ik->bkj", i, 4), ("bij,ij->bi", i, j), ("bij,ij->bij", i, j))
    )
    return torch.einsum(equation, y, net.weight(*shape))


def written(net, y, pool):
    y, at = y.clone(), net.axis(y)
    y.narrow(at, 0, net.draw.randint(1, y.shape[at])).mul_(2).tanh_()
    if net.draw.random() < 0.5:
        y.flatten(1)[:, :2].add_(1)
    return y


def padded(net, y, pool):
    return F.pad(y, (net.draw.randint(0, 2), net.draw.randint(0, 2)))


def copied(net, y, pool):
    ways = (y.repeat(*[1] * (y.ndim - 1), 2), y.repeat_interleave(2, -1), y.unsqueeze(1).expand(2, 3, *y.shape[1:]))
    return net.draw.choice(ways)


def convolved(net, y, pool):
    if y.ndim != 3 or y.shape[2] < 2:
        return None
    channels = y.shape[1]
    groups = net.draw.choice([count for count in (1, 2, 3, 4, channels) if channels % count == 0])
    width, kernel = net.draw.choice((1, 2)), net.draw.choice((1, 2))
    if net.draw.random() < 0.7:
        return F.conv1d(y, net.weight(groups * width, channels // groups, kernel), groups=groups)
    return F.conv_transpose1d(y, net.weight(channels, width, kernel), groups=groups)


def by_number(net, y, pool):
    if y.ndim != 3:
        return None
    rows = torch.tensor([0, y.shape[1] - 1, 0])
    spread = rows[None, :, None].expand(2, 3, y.shape[2])
    ways = (
        y.gather(1, spread),
        torch.zeros_like(y).index_add(1, rows, y[:, rows]),
        y.scatter_add(1, spread, y[:, rows]),
    )
    return net.draw.choice(ways)


OPERATIONS = [
    layer, residual, unflattened, unflattened, unflattened, flattened, flattened, viewed, transposed, transposed,
    softmax, reduced, normed, of_groups, gained, gained, added, added, broadcast, together, together, halved, halved,
    sliced, picked, attended, products, summed, written, padded, copied, convolved, by_number,
]  # fmt: skip
