"""Attention in one operation, and embeddings."""

from collections.abc import Callable
from typing import Any

from pathsearch.alignment.rules.contractions import matmul
from pathsearch.alignment.values import Tracing, Unfit, Value, swapped


def attention(t: Tracing, given: dict[str, Any]) -> Value:
    """softmax(q kᵀ) v: heads run side by side, q and k share their channels, v has its own."""
    query, key, value = given["query"], given["key"], given["value"]
    if given.get("dropout_p"):
        raise Unfit("with dropout")
    if given.get("enable_gqa"):
        key, value = (_repeated(t, each, query) for each in (key, value))
    turned = Value((*key.axes[:-2], key.axes[-1], key.axes[-2]))
    scores = matmul(t, {"self": query, "other": turned})
    if isinstance(given.get("attn_mask"), Value):
        scores = t.broadcast([scores, given["attn_mask"]])
    if given.get("is_causal"):
        t.pin(scores.axes[-2:])
    t.mix([scores.axes[-1]], scores.axes[:-1])
    return matmul(t, {"self": scores, "other": value})


def _repeated(t: Tracing, value: Value, query: Value) -> Value:
    """Keys or values of grouped queries: each head stands for several of the query's, side by side."""
    at = len(value.axes) - 3
    count = t.size(query.axes[at]) // max(t.size(value.axes[at]), 1)
    return swapped(value, at, t.labels.merged([value.axes[at], t.fresh(count)], t.op))


def embedding(t: Tracing, given: dict[str, Any]) -> Value:
    """Rows are told apart by their numbers."""
    weight, indices = given["weight"], given["indices"]
    t.pin([weight.axes[0]])
    return Value((*indices.axes, *weight.axes[1:]))


def embedding_bag(t: Tracing, given: dict[str, Any]) -> list[Value]:
    """Rows of each bag are added up, averaged or compared."""
    weight = given["weight"]
    t.pin([weight.axes[0]])
    shapes = t.result
    bags = Value((t.fresh(shapes[0][0], t.op), weight.axes[1]))
    return [bags, *(t.pinned(shape) for shape in shapes[1:])]


ATTENTION: dict[str, Callable[[Tracing, dict[str, Any]], Any]] = {
    "scaled_dot_product_attention": attention,
    "embedding": embedding,
    **{name: embedding_bag for name in ("embedding_bag", "_embedding_bag")},
}
