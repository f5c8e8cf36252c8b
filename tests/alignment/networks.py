"""Networks that a tracer of symmetries may get wrong, each with its groups, and how many of them lie within others."""

import math

import torch
import torch.nn.functional as F
from torch import nn

WORDS, TIME = 11, 6


class Rms(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * self.weight


class Llama(nn.Module):
    """Grouped queries, rotary positions or a norm that heads share, gated units."""

    def __init__(self, rotary=True, norm=False, tied=True, width=16, heads=4, pairs=2):
        super().__init__()
        self.heads, self.pairs, self.each = heads, pairs, width // heads
        self.tokens, self.before, self.between, self.last = (
            nn.Embedding(WORDS, width),
            Rms(width),
            Rms(width),
            Rms(width),
        )
        self.q, self.out = nn.Linear(width, width, bias=False), nn.Linear(width, width, bias=False)
        self.k, self.v = (nn.Linear(width, pairs * self.each, bias=False) for _ in range(2))
        self.gate, self.up = nn.Linear(width, 24, bias=False), nn.Linear(width, 24, bias=False)
        self.down, self.head = nn.Linear(24, width, bias=False), nn.Linear(width, WORDS, bias=False)
        if tied:
            self.head.weight = self.tokens.weight
        self.rotary, self.norm = rotary, Rms(self.each) if norm else None
        angles = torch.outer(torch.arange(TIME), 1 / 10 ** torch.arange(0, self.each, 2))
        self.register_buffer("cos", torch.cat([angles, angles], -1).cos(), persistent=False)
        self.register_buffer("sin", torch.cat([angles, angles], -1).sin(), persistent=False)

    def turned(self, x):
        if self.norm is not None:
            x = self.norm(x)
        if not self.rotary:
            return x
        one, other = x.chunk(2, -1)
        return x * self.cos + torch.cat([-other, one], -1) * self.sin

    def forward(self, ids):
        size, time = ids.shape
        x = self.tokens(ids)
        y = self.before(x)
        q = self.q(y).view(size, time, self.heads, self.each).transpose(1, 2)
        k, v = (part(y).view(size, time, self.pairs, self.each).transpose(1, 2) for part in (self.k, self.v))
        q, k = self.turned(q), self.turned(k)
        k, v = (
            each[:, :, None].expand(size, self.pairs, self.heads // self.pairs, time, self.each)
            .reshape(size, self.heads, time, self.each)
            for each in (k, v)
        )  # fmt: skip
        seen = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(seen.transpose(1, 2).reshape(size, time, -1))
        y = self.between(x)
        return self.head(self.last(x + self.down(F.silu(self.gate(y)) * self.up(y))))


class Fused(nn.Module):
    """Queries, keys and values in one layer, taken apart in one of three ways; attention by hand."""

    def __init__(self, way):
        super().__init__()
        self.way, self.inputs, self.fused = way, nn.Linear(4, 12), nn.Linear(12, 36)
        self.out, self.head = nn.Linear(12, 12), nn.Linear(12, 3)
        self.register_buffer("mask", torch.tril(torch.ones(5, 5)))

    def forward(self, x):
        x = self.inputs(x)
        size, time, width = x.shape
        y = self.fused(x)
        if self.way == "chunk":
            q, k, v = (each.view(size, time, 3, 4).transpose(1, 2) for each in y.chunk(3, -1))
        elif self.way == "unbind":
            q, k, v = y.reshape(size, time, 3, 3, 4).permute(2, 0, 3, 1, 4).unbind(0)
        else:  # each head has its three beside one another
            q, k, v = y.view(size, time, 3, 12).transpose(1, 2).chunk(3, -1)
        scores = (q @ k.transpose(-2, -1)) / math.sqrt(4)
        scores = scores.masked_fill(self.mask == 0, float("-inf")).softmax(-1)
        return self.head(x + self.out((scores @ v).transpose(1, 2).reshape(size, time, width)))


class Experts(nn.Module):
    """Hidden units of each expert are its own."""

    def __init__(self):
        super().__init__()
        self.inputs, self.router, self.out = nn.Linear(4, 8), nn.Linear(8, 3), nn.Linear(8, 3)
        self.up, self.down = nn.Parameter(torch.ones(3, 8, 5)), nn.Parameter(torch.ones(3, 5, 8))

    def forward(self, x):
        x = self.inputs(x)
        hidden = torch.einsum("bd,edk->bek", x, self.up).relu()
        return self.out(torch.einsum("be,bek,ekd->bd", self.router(x).softmax(-1), hidden, self.down))


class Made(nn.Module):
    """Some layers, and a function of them and the input."""

    def __init__(self, function, **layers):
        super().__init__()
        self.function = function
        for name, layer in layers.items():
            setattr(self, name, layer)

    def forward(self, *given):
        return self.function(self, *given)


def recurrent(net, x):
    state = torch.zeros(len(x), 6, dtype=x.dtype)
    for _ in range(3):
        state = torch.tanh(net.a(x) + net.w(state))
    return net.b(state)


def padded(net, x):
    x = F.relu(net.norm(net.a(x)))
    y = net.c(F.relu(net.b(x)))
    return net.d((y + F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 4, 4))).relu().mean((2, 3)))


def in_place(net, x):
    y = net.a(x).relu_()
    y[:, :3] += net.c(x)
    y[:, 4:].mul_(2)
    return net.b(y)


def written(net, x):
    y = torch.zeros(len(x), 6, dtype=x.dtype)
    y[:, :4] = net.a(x)
    y[:, 4:] = net.c(x)
    return net.b(y.relu())


def two_towers(net, x):
    one, other = net.a(x).relu(), net.c(x).relu()
    return F.normalize(net.b(one), dim=-1) @ F.normalize(net.d(other), dim=-1).T


def squeezed(net, x):
    x = net.a(x)
    gate = torch.sigmoid(net.c(F.relu(net.b(F.adaptive_avg_pool2d(x, 1)))))
    return net.d((x * gate).mean((2, 3)))


def unet(net, x):
    x = F.relu(net.a(x))
    y = F.interpolate(F.relu(net.b(F.max_pool2d(x, 2))), scale_factor=2, mode="nearest")
    return net.c(torch.cat([x, y], 1))


def next_block(net, x):
    y = net.norm(net.b(x := net.a(x)).permute(0, 2, 3, 1))
    y = (net.scale * net.d(F.gelu(net.c(y)))).permute(0, 3, 1, 2)
    return net.e((x + y).mean((2, 3)))


def windows(net, x):
    x = net.a(x).permute(0, 2, 3, 1)
    x = x.view(len(x), 2, 4, 2, 4, 6).permute(0, 1, 3, 2, 4, 5).reshape(-1, 16, 6)
    return net.b((x.roll(1, 1) + x).mean(1))


L, C = nn.Linear, nn.Conv2d
VECTOR, SEQUENCE, PICTURE, IDS = (2, 4), (2, 5, 4), (2, 3, 8, 8), (2, TIME)

NETWORKS = {
    # name: (what makes it, shape of its inputs, {size of a group: how many}, how many of these lie within others)
    "rotary, grouped queries, tied": (Llama, IDS, {16: 1, 24: 1, 2: 2, 4: 1}, 2),
    "grouped queries": (lambda: Llama(rotary=False, tied=False), IDS, {16: 1, 24: 1, 2: 2, 4: 2}, 3),
    "a norm that heads share": (lambda: Llama(False, norm=True), IDS, {16: 1, 24: 1, 2: 2, 4: 2}, 2),
    "fused, chunk": (lambda: Fused("chunk"), SEQUENCE, {12: 1, 3: 1, 4: 2}, 2),
    "fused, unbind": (lambda: Fused("unbind"), SEQUENCE, {12: 1, 3: 1, 4: 2}, 2),
    "fused, by head": (lambda: Fused("heads"), SEQUENCE, {12: 1, 3: 1}, 0),
    "torch's encoder": (
        lambda: nn.Sequential(L(4, 8), nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), L(8, 3)),
        SEQUENCE,
        {8: 1, 2: 1, 4: 2, 16: 1},
        2,
    ),
    "experts": (Experts, VECTOR, {8: 2, 3: 1, 5: 1}, 1),
    "products of heads": (
        lambda: Made(
            lambda n, x: n.b(((h := n.a(x).view(-1, 3, 4)) @ h.transpose(1, 2)).flatten(1)), a=L(4, 12), b=L(9, 3)
        ),
        VECTOR,
        {3: 1, 4: 1},
        0,
    ),
    "softmax over heads": (
        lambda: Made(lambda n, x: n.b(n.a(x).view(-1, 3, 4).softmax(1).flatten(1)), a=L(4, 12), b=L(12, 3)),
        VECTOR,
        {3: 1, 4: 1},
        1,
    ),
    "softmax within heads": (
        lambda: Made(lambda n, x: n.b(n.a(x).view(-1, 3, 4).softmax(2).flatten(1)), a=L(4, 12), b=L(12, 3)),
        VECTOR,
        {3: 1, 4: 1},
        1,
    ),
    "norm over heads": (
        lambda: Made(
            lambda n, x: n.b(F.layer_norm(n.a(x).view(-1, 3, 4).transpose(1, 2), (3,)).flatten(1)),
            a=L(4, 12),
            b=L(12, 3),
        ),
        VECTOR,
        {3: 1, 4: 1},
        1,
    ),
    "maxout": (
        lambda: Made(lambda n, x: n.b(n.a(x).view(-1, 4, 3).max(2)[0]), a=L(4, 12), b=L(4, 3)),
        VECTOR,
        {4: 1, 3: 1},
        1,
    ),
    "glu": (lambda: Made(lambda n, x: n.b(F.glu(n.a(x))), a=L(4, 12), b=L(6, 3)), VECTOR, {6: 1}, 0),
    "recurrent by hand": (lambda: Made(recurrent, a=L(4, 6), w=L(6, 6), b=L(6, 3)), VECTOR, {6: 1}, 0),
    "one layer twice": (
        lambda: Made(lambda n, x: n.b(n.w(n.w(n.a(x).relu()).relu()).relu()), a=L(4, 6), w=L(6, 6), b=L(6, 3)),
        VECTOR,
        {6: 1},
        0,
    ),
    "option A": (
        lambda: Made(
            padded,
            a=C(3, 8, 3, padding=1),
            norm=nn.BatchNorm2d(8),
            b=C(8, 16, 3, 2, 1),
            c=C(16, 16, 3, 1, 1),
            d=L(16, 3),
        ),
        PICTURE,
        {8: 1, 16: 1, 4: 2},
        0,
    ),
    "in place": (lambda: Made(in_place, a=L(4, 6), c=L(4, 3), b=L(6, 3)), VECTOR, {3: 1, 2: 1}, 0),
    "written in parts": (lambda: Made(written, a=L(4, 4), c=L(4, 2), b=L(6, 3)), VECTOR, {4: 1, 2: 1}, 0),
    "two towers": (lambda: Made(two_towers, a=L(4, 6), b=L(6, 5), c=L(4, 7), d=L(7, 5)), VECTOR, {6: 1, 7: 1, 5: 1}, 0),
    "squeeze and excite": (
        lambda: Made(squeezed, a=C(3, 6, 3), b=C(6, 2, 1), c=C(2, 6, 1), d=L(6, 3)),
        PICTURE,
        {6: 1, 2: 1},
        0,
    ),
    "u-net": (
        lambda: Made(unet, a=C(3, 4, 3, padding=1), b=C(4, 5, 3, padding=1), c=C(9, 2, 1)),
        PICTURE,
        {4: 1, 5: 1},
        0,
    ),
    "channels last": (
        lambda: Made(
            next_block,
            a=C(3, 6, 2),
            b=C(6, 6, 3, padding=1, groups=6),
            norm=nn.LayerNorm(6),
            c=L(6, 12),
            d=L(12, 6),
            e=L(6, 3),
            scale=nn.Parameter(torch.ones(6)),
        ),
        PICTURE,
        {6: 1, 12: 1},
        0,
    ),
    "windows": (lambda: Made(windows, a=C(3, 6, 1), b=L(6, 3)), PICTURE, {6: 1}, 0),
    "pixel shuffle, transposed, groups": (
        lambda: nn.Sequential(
            C(3, 16, 3),
            nn.PixelShuffle(2),
            C(4, 5, 3),
            nn.ReLU(),
            nn.ConvTranspose2d(5, 6, 3),
            nn.GroupNorm(2, 6),
            nn.ReLU(),
            C(6, 2, 1),
        ),
        PICTURE,
        {4: 1, 5: 1, 2: 1, 3: 1},
        1,
    ),
    "groups of convolutions": (
        lambda: nn.Sequential(
            C(3, 8, 1),
            C(8, 12, 3, groups=4),
            nn.InstanceNorm2d(12, affine=True),
            nn.ReLU(),
            C(12, 4, 3),
            nn.PReLU(4),
            nn.Flatten(),
            L(64, 3),
        ),
        PICTURE,
        {4: 2, 2: 1, 3: 1},
        2,
    ),
    "weight norm": (
        lambda: nn.Sequential(nn.utils.parametrizations.weight_norm(L(4, 6)), nn.ReLU(), L(6, 3)),
        VECTOR,
        {6: 1},
        0,
    ),
    "graph": (
        lambda: Made(
            lambda n, x: n.b(torch.eye(2, dtype=x.dtype).add(1) @ (x @ n.a.weight.T).relu()), a=L(4, 6), b=L(6, 3)
        ),
        VECTOR,
        {6: 1},
        0,
    ),
    "bilinear": (
        lambda: Made(lambda n, x: n.d(n.b(n.a(x), n.c(x))), a=L(4, 5), c=L(4, 6), b=nn.Bilinear(5, 6, 7), d=L(7, 3)),
        VECTOR,
        {5: 1, 6: 1, 7: 1},
        0,
    ),
}
"""Groups that are there: if all were pinned, nothing would be wrong and nothing found."""

PINNED = {
    # name: (what makes it, shape of its inputs, sizes of the groups that are left, what is not understood)
    "lstm": (
        lambda: Made(
            lambda n, x: n.d(n.c(n.b(n.a(x))[0]).relu().mean(1)),
            a=L(4, 5),
            b=nn.LSTM(5, 6, batch_first=True),
            c=L(6, 8),
            d=L(8, 3),
        ),
        SEQUENCE,
        [8],
        ["lstm"],
    ),
    "cumulated": (
        lambda: Made(lambda n, x: n.c(n.b(n.a(x).cumsum(1)).relu()), a=L(4, 6), b=L(6, 5), c=L(5, 3)),
        VECTOR,
        [5],
        [],
    ),
    "picked by number": (
        lambda: Made(lambda n, x: n.c(n.b(n.a(x)[:, [1, 0, 2, 3, 5, 4]]).relu()), a=L(4, 6), b=L(6, 7), c=L(7, 3)),
        VECTOR,
        [7],
        [],
    ),
    "largest": (lambda: Made(lambda n, x: n.b(n.a(x).topk(3, 1)[0]), a=L(4, 6), b=L(3, 3)), VECTOR, [], []),
    "turned round": (lambda: Made(lambda n, x: n.b(n.a(x).flip(1)), a=L(4, 6), b=L(6, 3)), VECTOR, [], []),
    "every other": (lambda: Made(lambda n, x: n.b(n.a(x)[:, ::2]), a=L(4, 6), b=L(3, 3)), VECTOR, [], []),
    "fourier": (
        lambda: Made(lambda n, x: n.b(torch.fft.rfft(n.a(x)).abs()), a=L(4, 6), b=L(4, 3)),
        VECTOR,
        [],
        ["fft_rfft"],
    ),
    "cut at a tensor": (
        lambda: Made(lambda n, x: n.b(n.a(x).tensor_split(torch.tensor([2]), 1)[0]), a=L(4, 6), b=L(2, 3)),
        VECTOR,
        [],
        ["tensor_split (StopIteration)"],
    ),
    "filled with one number": (
        lambda: Made(lambda n, x: n.b(n.a(x)) + n.a(x).new_ones([]), a=L(4, 6), b=L(6, 3)),
        VECTOR,
        [6],
        [],
    ),
    "by position": (lambda: Made(lambda n, x: n.b(n.a(x) * torch.arange(6)), a=L(4, 6), b=L(6, 3)), VECTOR, [], []),
    "rolled": (lambda: Made(lambda n, x: n.b(n.a(x).roll(1, 1) + n.a(x)), a=L(4, 6), b=L(6, 3)), VECTOR, [], []),
}


def drawn(make, shape, seed=0):
    """A network in evaluation mode with random weights, none special, and inputs, all in float64."""
    torch.manual_seed(seed)
    module = make().double().eval()
    with torch.no_grad():
        for each in (*module.parameters(), *(b for n, b in module.named_buffers() if "running" in n)):
            each.copy_(torch.rand_like(each) + 0.1 if each.ndim == 1 else torch.randn_like(each))
    return module, torch.randint(WORDS, shape) if shape == IDS else torch.randn(shape, dtype=torch.float64)
