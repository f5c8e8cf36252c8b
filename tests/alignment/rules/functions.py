"""Small functions of layers and an input, one or a few an operation, with the groups that are left."""

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.checkpoint import checkpoint

from tests.alignment.networks import IDS, PICTURE, SEQUENCE, TIME, VECTOR, WORDS, C, L, Made

Q = F.scaled_dot_product_attention


def P(*shape):
    return nn.Parameter(torch.ones(shape))


def heads(x, count=3):
    """[batch, time, heads · each] as [batch, heads, time, each]."""
    return x.unflatten(-1, (count, -1)).transpose(1, 2)


def joined(x):
    return x.transpose(1, 2).flatten(2)


def qkv(width=12, keys=12):
    return {"q": L(4, width), "k": L(4, keys), "v": L(4, keys), "out": L(width, 3)}


def diagonal(n, x):
    y = torch.zeros(len(x), 6, 6, dtype=x.dtype)
    y.diagonal(dim1=1, dim2=2).copy_(n.a(x))
    return n.b(y.sum(1))


def constants_added(n, x):
    y = torch.zeros(6, dtype=x.dtype)
    y.add_(torch.arange(6))
    return n.b(n.a(x) * (y * 2))


def constants_by_view(n, x):
    y = torch.zeros(2, 3, dtype=x.dtype)
    y.view(6).copy_(torch.arange(6))
    return n.b(n.a(x) * y.flatten())


def one_constant(n, x):
    y = torch.zeros(6, dtype=x.dtype)
    y[2] = 1.0
    return n.b(n.a(x) * y)


def sinusoids(n, x):
    angles = torch.outer(torch.arange(5), torch.arange(3)).to(x.dtype)
    places = torch.zeros(5, 6, dtype=x.dtype)
    places[:, 0::2], places[:, 1::2] = angles.sin(), angles.cos()
    return n.c(n.b(n.a(x) + places).relu())


def shifted(n, x):
    y = n.a(x).clone()
    y[:, 1:] += y[:, :-1].clone()
    return n.b(y)


def masked(n, x):
    y = n.a(x)
    y[y < 0] = 0.1
    return n.b(y)


def some_masked(n, x):
    y = n.a(x)
    y[torch.tensor([[True, False] * 3] * 2)] = 0.1
    return n.b(y)


def mask_token(n, x):
    y = n.a(x)
    y[torch.tensor([[True] * 4 + [False]] * 2)] = n.token
    return n.b(y)


def lstm(n, x):
    state = cell = torch.zeros(2, 6)
    for t in range(3):
        i, f, g, o = (n.a(x[:, t]) + n.w(state)).chunk(4, 1)
        cell = f.sigmoid() * cell + i.sigmoid() * g.tanh()
        state = o.sigmoid() * cell.tanh()
    return n.b(state)


def shuffled(n, x):
    one, other = n.a(x).chunk(2, 1)
    y = torch.cat([one, n.c(other).relu()], 1)
    return n.b(y.view(len(x), 2, 4, 8, 8).transpose(1, 2).reshape(len(x), 8, 8, 8).mean((2, 3)))


def messages(n, x):
    nodes = n.a(x[0]).relu()
    sent = nodes[torch.tensor([0, 1, 2, 3, 0])]
    return n.b(torch.zeros(5, 6).index_add(0, torch.tensor([1, 2, 3, 4, 4]), sent).relu())


def scattered(n, x):
    to = torch.tensor([0, 1, 1, 0, 2])[None, :, None].expand(2, 5, 6)
    return n.b(torch.zeros(2, 3, 6).scatter_reduce(1, to, n.a(x), "amax", include_self=False).sum(1))


def rotated(n, x):
    turn = torch.polar(torch.ones(5, 2), torch.outer(torch.arange(5.0), torch.tensor([1.0, 0.1])))
    turned = lambda y: torch.view_as_real(torch.view_as_complex(y.float().unflatten(-1, (-1, 2))) * turn).flatten(-2)
    q, k = (turned(heads(part(x))).type_as(x) for part in (n.q, n.k))
    return n.out(joined((q @ k.transpose(2, 3)).softmax(-1, dtype=torch.float32).type_as(q) @ heads(n.v(x))))


def narrow(n, x):
    """Types that are named, and tensors that are made, in code meant for float32."""
    y = n.a(x.float())
    y = (y * torch.rsqrt(y.pow(2).mean(-1, keepdim=True) + 1e-6)).type_as(x) * n.gain
    after = torch.zeros(2, 5, 6)
    after[:] = (torch.eye(5) + 0.1).half() @ y
    return n.b(after.to(torch.bfloat16).relu())


def buffered(value):
    def made():
        found = Made(lambda n, x: n.c(n.b(n.a(x) * n.scale).relu()), a=L(4, 6), b=L(6, 5), c=L(5, 3))
        found.register_buffer("scale", value)
        return found

    return made


def made(function, **layers):
    return lambda: Made(function, **layers)


FUNCTIONS = {
    # name: (what makes it, shape of its inputs, {size of a group: how many}, how many of these lie within others)
    # memory that is written to
    "a diagonal written": (made(diagonal, a=L(4, 6), b=L(6, 3)), VECTOR, {}, 0),
    "constants added in place": (made(constants_added, a=L(4, 6), b=L(6, 3)), VECTOR, {}, 0),
    "constants written through a view": (made(constants_by_view, a=L(4, 6), b=L(6, 3)), VECTOR, {}, 0),
    "one constant written": (made(one_constant, a=L(4, 6), b=L(6, 3)), VECTOR, {}, 0),
    "sinusoids": (made(sinusoids, a=L(4, 6), b=L(6, 5), c=L(5, 3)), SEQUENCE, {5: 1}, 0),
    "shifted in place": (made(shifted, a=L(4, 6), b=L(6, 3)), VECTOR, {}, 0),
    "masked in place": (made(masked, a=L(4, 6), b=L(6, 3)), VECTOR, {6: 1}, 0),
    "a token in masked places": (made(mask_token, a=L(4, 6), b=L(6, 3), token=P(6)), SEQUENCE, {6: 1}, 0),
    "some units masked": (made(some_masked, a=L(4, 6), b=L(6, 3)), VECTOR, {}, 0),
    # cuts and what is put together
    "cuts through one tensor twice": (
        made(lambda n, x: n.b(torch.cat([y := n.a(x), y], 1)[:, 2:10]), a=L(4, 6), b=L(8, 3)), VECTOR, {2: 3}, 0,
    ),
    "halves that change places": (
        made(lambda n, x: n.b(torch.cat([(y := n.a(x))[:, 3:], y[:, :3]], 1)), a=L(4, 6), b=L(6, 3)),
        VECTOR, {3: 2}, 0,
    ),
    "halves times the other": (
        made(lambda n, x: n.b(torch.cat([(y := n.a(x))[:, 3:], y[:, :3]], 1) * y), a=L(4, 6), b=L(6, 3)),
        VECTOR, {3: 1}, 0,
    ),
    "the first unit put last": (
        made(lambda n, x: n.b(torch.cat([(y := n.a(x))[:, 1:], y[:, :1]], 1) + y), a=L(4, 6), b=L(6, 3)),
        VECTOR, {}, 0,
    ),
    "neighbours": (made(lambda n, x: n.b((y := n.a(x))[:, 1:] - y[:, :-1]), a=L(4, 6), b=L(5, 3)), VECTOR, {}, 0),
    "one tensor twice, then a view": (
        made(lambda n, x: n.b((torch.cat([y := n.a(x), y], 1).view(-1, 4, 4) @ n.w).flatten(1)), a=L(4, 8), w=P(4, 5),
             b=L(20, 3)),
        VECTOR, {2: 1, 4: 1, 5: 1}, 0,
    ),
    "a cut through a norm of two": (
        made(lambda n, x: n.b(n.norm(torch.cat([n.a(x), n.c(x)], 1)).relu()[:, 2:7]), a=L(4, 4), c=L(4, 5),
             norm=nn.BatchNorm1d(9), b=L(5, 3)),
        VECTOR, {2: 1, 3: 1}, 0,
    ),
    "heads put together": (
        made(lambda n, x: n.b(torch.cat([n.a(x).view(-1, 3, 4), n.c(x).view(-1, 2, 4)], 1).softmax(2).flatten(1)),
             a=L(4, 12), c=L(4, 8), b=L(20, 3)),
        VECTOR, {3: 1, 2: 1, 4: 1}, 0,
    ),
    "put together, then heads": (
        made(lambda n, x: n.b(torch.cat([n.a(x), n.c(x)], 1).view(-1, 5, 4).softmax(2).flatten(1)), a=L(4, 12),
             c=L(4, 8), b=L(20, 3)),
        VECTOR, {3: 1, 2: 1, 4: 1}, 0,
    ),
    "one of a stack": (
        made(lambda n, x: n.b((y := torch.stack([n.a(x), n.c(x)], 1).relu())[:, 0]) + n.d(y[:, 1]), a=L(4, 6), c=L(4,
             6),
             b=L(6, 3), d=L(6, 3)),
        VECTOR, {6: 2}, 0,
    ),
    "a stack summed": (
        made(lambda n, x: n.b(torch.stack([n.a(x), n.c(x)]).relu().sum(0)), a=L(4, 6), c=L(4, 6), b=L(6, 3)),
        VECTOR, {6: 1}, 0,
    ),
    "pairs side by side": (
        made(lambda n, x: n.b((y := n.a(x).view(2, 6, 2))[..., 0].sigmoid() * y[..., 1]), a=L(4, 12), b=L(6, 3)),
        VECTOR, {6: 1}, 0,
    ),
    "shift and scale": (
        made(lambda n, x: n.b(n.a(x) * (y := n.c(x).chunk(2, -1))[0] + y[1]), a=L(4, 6), c=L(4, 12), b=L(6, 3)),
        VECTOR, {6: 1}, 0,
    ),
    "gates by hand": (made(lstm, a=L(4, 24), w=L(6, 24), b=L(6, 3)), SEQUENCE, {6: 1}, 0),
    # views
    "two views that do not fit": (
        made(lambda n, x: n.b((y := n.a(x)).view(-1, 3, 4).softmax(2).flatten(1)
             + y.view(-1, 4, 3).softmax(2).flatten(1)),
             a=L(4, 12), b=L(12, 3)),
        VECTOR, {}, 0,
    ),
    "two views that do": (
        made(lambda n, x: n.b((y := n.a(x)).view(-1, 2, 4).softmax(2).flatten(1)
             + y.view(-1, 4, 2).softmax(2).flatten(1)),
             a=L(4, 8), b=L(8, 3)),
        VECTOR, {2: 3}, 2,
    ),
    "with itself turned over": (
        made(lambda n, x: n.b((y := n.a(x)).view(-1, 3, 3).transpose(1, 2).flatten(1) + y), a=L(4, 9), b=L(9, 3)),
        VECTOR, {3: 1}, 0,
    ),
    "heads among examples": (
        made(lambda n, x: n.b(n.w(n.a(x).view(-1, 4)).relu().view(len(x), -1)), a=L(4, 12), w=L(4, 5), b=L(15, 3)),
        VECTOR, {3: 1, 4: 1, 5: 1}, 0,
    ),
    "as_strided": (made(lambda n, x: n.b(n.a(x).as_strided((2, 5), (6, 1))), a=L(4, 6), b=L(5, 3)), VECTOR, {}, 0),
    "channels of a shuffle": (made(shuffled, a=C(3, 8, 3, padding=1), c=C(4, 4, 1), b=L(8, 3)), PICTURE, {4: 2}, 0),
    # heads: what differs from one to the next
    "all products of heads": (
        made(lambda n, x: n.b(((y := n.a(x).view(-1, 3, 4)).transpose(1, 2) @ y).flatten(1)), a=L(4, 12), b=L(16, 3)),
        VECTOR, {3: 1, 4: 1}, 0,
    ),
    "a layer over heads": (
        made(lambda n, x: n.b(n.w(n.a(x).view(-1, 3, 4).transpose(1, 2)).flatten(1)), a=L(4, 12), w=L(3, 5), b=L(20,
             3)),
        VECTOR, {3: 1, 4: 1, 5: 1}, 0,
    ),
    "a number a head": (
        made(lambda n, x: n.b((n.a(x).view(-1, 3, 4) * n.s).flatten(1)), a=L(4, 12), s=P(3, 1), b=L(12, 3)),
        VECTOR, {3: 1, 4: 1}, 1,
    ),
    "heads summed": (
        made(lambda n, x: n.b(n.a(x).view(-1, 3, 4).sum(1)), a=L(4, 12), b=L(4, 3)),
        VECTOR, {3: 1, 4: 1}, 1,
    ),
    "batch norm of heads": (
        made(lambda n, x: n.b(n.norm(n.a(x).view(-1, 4)).view(len(x), -1)), a=L(4, 12), norm=nn.BatchNorm1d(4),
             b=L(12, 3)),
        VECTOR, {3: 1, 4: 1}, 1,
    ),
    "heads that talk": (
        made(lambda n, x: n.out(joined(torch.einsum("bhij,hg->bgij", heads(n.q(x)) @ heads(n.k(x)).mT,
             n.mix).softmax(-1)
             @ heads(n.v(x)))), mix=P(3, 3), **qkv()),
        SEQUENCE, {3: 2, 4: 2}, 2,
    ),
    "linear attention": (
        made(lambda n, x: n.out(joined(heads(n.q(x)).exp() @ (heads(n.k(x)).mT.softmax(-1) @ heads(n.v(x))))), **qkv()),
        SEQUENCE, {3: 1, 4: 2}, 2,
    ),
    "one key for all heads": (
        made(lambda n, x: n.out(joined((heads(n.q(x)) @ n.k(x)[:, None].mT).softmax(-1) @ n.v(x)[:, None])),
             **qkv(12, 4)),
        SEQUENCE, {3: 1, 4: 2}, 0,
    ),
    "grouped queries, by a flag": (
        made(lambda n, x: n.out(joined(Q(heads(n.q(x), 4), heads(n.k(x), 2), heads(n.v(x), 2), enable_gqa=True))),
             **qkv(16, 8)),
        SEQUENCE, {2: 2, 4: 2}, 3,
    ),
    "a bias by distance, a head each": (
        made(lambda n, x: n.out(joined(Q(*(heads(part(x)) for part in (n.q, n.k, n.v)), attn_mask=n.table[
             torch.arange(5)[:, None] - torch.arange(5) + 4].permute(2, 0, 1)))), table=P(9, 3), **qkv()),
        SEQUENCE, {3: 1, 4: 2}, 2,
    ),
    "slopes that heads differ by": (
        made(lambda n, x: n.out(joined(Q(*(heads(part(x)) for part in (n.q, n.k, n.v)), attn_mask=torch.tensor(
             [0.5, 0.25, 0.1], dtype=x.dtype).view(3, 1, 1) * torch.arange(5)))), **qkv()),
        SEQUENCE, {4: 2}, 0,
    ),
    "complex rotations, in float32": (made(rotated, **qkv()), SEQUENCE, {3: 1, 4: 1}, 1),
    "three beside one another in a head": (  # query, key and value could each have their own, too
        made(lambda n, x: n.b(joined(Q(*heads(n.a(x)).chunk(3, -1)))), a=L(4, 36), b=L(12, 3)),
        SEQUENCE, {3: 1}, 0,
    ),
    # parameters that are no layer's
    "learned queries": (
        made(lambda n, x: n.b(Q(n.q.expand(2, -1, -1), n.k(x), n.v(x)).mean(1)), q=P(7, 6), k=L(4, 6), v=L(4, 5),
             b=L(5, 3)),
        SEQUENCE, {7: 1, 6: 1, 5: 1}, 0,
    ),
    "learned keys": (
        made(lambda n, x: n.b((n.q(x) @ n.k.t()).softmax(-1) @ n.v), q=L(4, 6), k=P(8, 6), v=P(8, 5), b=L(5, 3)),
        SEQUENCE, {6: 1, 8: 1, 5: 1}, 0,
    ),
    "weights that a network gives": (
        made(lambda n, x: n.b(torch.einsum("bi,bio->bo", x, n.a(x).view(-1, 4, 6)).relu()), a=L(4, 24), b=L(6, 3)),
        VECTOR, {6: 1}, 0,
    ),
    "the same weight, transposed": (
        made(lambda n, x: F.linear(torch.tanh(n.a(x)), n.a.weight.t()), a=L(4, 6)), VECTOR, {6: 1}, 0,
    ),
    "two small factors": (
        made(lambda n, x: n.b((n.a(x) + x @ n.u.t() @ n.v.t()).relu()), a=L(4, 6), u=P(2, 4), v=P(6, 2), b=L(6, 3)),
        VECTOR, {6: 1, 2: 1}, 0,
    ),
    "tokens mixed by a layer": (
        made(lambda n, x: n.c((n.b(n.t((y := n.a(x)).mT).relu()).mT + y).mean(1)), a=L(4, 6), t=L(5, 7), b=L(7, 5),
             c=L(6, 3)),
        SEQUENCE, {6: 1, 7: 1}, 0,
    ),
    "embeddings of a bag": (
        lambda: Made(lambda n, ids: n.b(n.a(ids).relu()), a=nn.EmbeddingBag(WORDS, 8), b=L(8, 3)), IDS, {8: 1}, 0,
    ),
    "words and positions": (
        lambda: Made(lambda n, ids: n.b(n.norm(n.a(ids) + n.p.weight[:TIME])), a=nn.Embedding(WORDS, 8),
                     p=nn.Embedding(9, 8), norm=nn.LayerNorm(8), b=L(8, 3)),
        IDS, {8: 1}, 0,
    ),
    "a scale that varies": (buffered(torch.arange(6.0)), VECTOR, {5: 1}, 0),
    "a scale that does not": (buffered(torch.full((6,), 0.5)), VECTOR, {5: 1, 6: 1}, 0),
    # norms, convolutions, space
    "norm by hand": (
        made(lambda n, x: n.b(((y := n.a(x)) - y.mean(-1, True)) / y.std(-1, keepdim=True) * n.g), a=L(4, 6), g=P(6),
             b=L(6, 3)),
        VECTOR, {6: 1}, 0,
    ),
    "norms of one group and of all": (
        lambda: nn.Sequential(C(3, 6, 3), nn.GroupNorm(1, 6), C(6, 8, 3), nn.GroupNorm(8, 8), nn.SiLU(), C(8, 2, 1)),
        PICTURE, {6: 1, 8: 1}, 0,
    ),
    "transposed, in groups": (
        lambda: nn.Sequential(C(3, 8, 3), nn.ReLU(), nn.ConvTranspose2d(8, 12, 2, groups=4), nn.ReLU(),
                              nn.ConvTranspose2d(12, 12, 3, groups=12), C(12, 2, 1)),
        PICTURE, {4: 1, 2: 1, 3: 1}, 2,
    ),
    "several channels of one": (
        lambda: nn.Sequential(C(3, 4, 1), nn.ReLU(), C(4, 12, 3, groups=4), nn.BatchNorm2d(12), nn.ReLU6(), C(12, 2,
             1)),
        PICTURE, {4: 1, 3: 1}, 1,
    ),
    "in one dimension": (
        lambda: nn.Sequential(nn.Conv1d(5, 8, 3, padding=1), nn.ReLU(), nn.Conv1d(8, 6, 1), nn.MaxPool1d(2),
                              nn.Flatten(), L(12, 3)),
        SEQUENCE, {8: 1, 6: 1}, 0,
    ),
    "channels that attend": (
        made(lambda n, x: n.b(((y := n.a(x).flatten(2)) @ y.mT).softmax(-1).matmul(y).mean(2)), a=C(3, 6, 3), b=L(6,
             3)),
        PICTURE, {6: 1}, 0,
    ),
    "two ways to pool": (
        made(lambda n, x: n.b(torch.cat([(y := n.a(x)).mean((2, 3)), y.amax((2, 3))], 1)), a=C(3, 6, 1), b=L(12, 3)),
        PICTURE, {6: 1}, 0,
    ),
    "spectral norm": (
        lambda: nn.Sequential(nn.utils.parametrizations.spectral_norm(L(4, 6)), nn.ReLU(), L(6, 5), nn.ReLU(), L(5, 3)),
        VECTOR, {5: 1}, 0,
    ),
    # by number
    "messages along edges": (made(messages, a=L(4, 6), b=L(6, 3)), SEQUENCE, {6: 1}, 0),
    "largest of those sent": (made(scattered, a=L(4, 6), b=L(6, 3)), SEQUENCE, {6: 1}, 0),
    "rows gathered": (
        made(lambda n, x: n.b(n.a(x).gather(1, torch.tensor([3, 1])[None, :, None].expand(2, -1, 6)).sum(1)), a=L(4, 6),
             b=L(6, 3)),
        SEQUENCE, {6: 1}, 0,
    ),
    "units gathered": (
        made(lambda n, x: n.b(n.a(x).gather(1, torch.tensor([[0, 2], [1, 3]]))), a=L(4, 6), b=L(2, 3)), VECTOR, {}, 0,
    ),
    "units sent to places that differ": (
        made(lambda n, x: n.b(torch.zeros(2, 6).scatter_add(0, torch.tensor([[0, 1, 1, 0, 1, 0]] * 2), n.a(x))),
             a=L(4, 6), b=L(6, 3)),
        VECTOR, {}, 0,
    ),
    "the last word of each": (
        made(lambda n, x: n.b(n.a(x)[torch.arange(2), torch.tensor([3, 4])]), a=L(4, 6), b=L(6, 3)),
        SEQUENCE, {6: 1}, 0,
    ),
    "examples by truth values": (
        made(lambda n, x: n.b(n.a(x)[torch.tensor([True, False])].relu()), a=L(4, 6), b=L(6, 3)), SEQUENCE, {6: 1}, 0,
    ),
    # copies
    "copies one after another": (
        made(lambda n, x: n.b(n.a(x).repeat(1, 2)), a=L(4, 6), b=L(12, 3)),
        VECTOR, {6: 1, 2: 1}, 1,
    ),
    "copies side by side": (
        made(lambda n, x: n.b(n.a(x).repeat_interleave(2, 1)), a=L(4, 6), b=L(12, 3)), VECTOR, {6: 1, 2: 1}, 1,
    ),
    # what comes out, and how it is called
    "outputs by name": (
        made(lambda n, x: {"one": n.b(y := n.a(x).relu()), "rest": (n.c(y), [n.d(y)])}, a=L(4, 6), b=L(6, 3), c=L(6,
             2), d=L(6, 2)),
        VECTOR, {6: 1}, 0,
    ),
    "hidden units come out": (made(lambda n, x: (n.b(y := n.a(x)), y), a=L(4, 6), b=L(6, 3)), VECTOR, {}, 0),
    "worked out again for gradients": (
        made(lambda n, x: n.b(checkpoint(lambda y: n.a(y).relu(), x, use_reentrant=False)), a=L(4, 6), b=L(6, 3)),
        VECTOR, {6: 1}, 0,
    ),
    "code for float32": (made(narrow, a=L(4, 6), gain=P(6), b=L(6, 3)), SEQUENCE, {6: 1}, 0),
    "x and what a layer makes of it": (made(lambda n, x: n.b(x + n.a(x)), a=L(4, 4), b=L(4, 3)), VECTOR, {}, 0),
}  # fmt: skip

DRAWN = {
    "dropout that stays on": lambda n, x: n.c(n.b(F.dropout(n.a(x), 0.5, True)).relu()),
    "noise": lambda n, x: n.c(n.b(n.a(x) + torch.randn(2, 6)).relu()),
    "bernoulli": lambda n, x: n.c(n.b(n.a(x) * torch.empty(6).bernoulli_(0.5)).relu()),
}
"""Numbers that are drawn for each unit by its place: of layers of 6 and 5 hidden units the 5 are left."""
