"""A graph network on random graphs, with or without hubs: batches whose tensors differ in length, joined by a collate.

A batch is (features [nodes, 1], edges [2, edges], graph of each node [nodes], labels [graphs]).
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Graph = tuple[int, Tensor, int]
Batch = tuple[Tensor, Tensor, Tensor, Tensor]


def graphs(count: int, seed: int) -> list[Graph]:
    """Graphs of 8 to 20 nodes: how many, their edges, and whether these lie mostly at a few of them."""
    random, made = torch.Generator().manual_seed(seed), []
    for n in range(count):
        nodes = int(torch.randint(8, 21, (), generator=random))
        ends = torch.rand(2, 2 * nodes, generator=random) ** (1.7 if n % 2 else 1.0)
        made.append((nodes, (ends * nodes).long(), n % 2))
    return made


def collate(graphs: list[Graph]) -> Batch:
    """One graph of several, none of which is joined to another."""
    nodes = torch.tensor([count for count, _, _ in graphs])
    edges = torch.cat([each + first for (_, each, _), first in zip(graphs, nodes.cumsum(0) - nodes)], dim=1)
    owners = torch.repeat_interleave(torch.arange(len(graphs)), nodes)
    labels = torch.tensor([hubs for _, _, hubs in graphs])
    return torch.ones(len(owners), 1), torch.cat([edges, edges.flip(0)], dim=1), owners, labels


class Gnn(nn.Module):
    """Two rounds in which nodes hear their neighbours, then the mean over a graph's nodes."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(2, width), nn.Linear(2 * width, width)
        self.head = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 2))

    def forward(self, x: Tensor, edges: Tensor, owners: Tensor, graphs: int) -> Tensor:
        for layer in (self.first, self.second):
            heard = torch.zeros_like(x).index_add(0, edges[1], x[edges[0]])
            x = torch.relu(layer(torch.cat([x, heard / 4], dim=1)))
        sums = x.new_zeros(graphs, x.shape[1]).index_add(0, owners, x)
        return self.head(sums / torch.bincount(owners, minlength=graphs)[:, None])


def loss(model: nn.Module, batch: Batch) -> tuple[Tensor, int]:
    """Cross-entropy, summed over graphs, and how many these are."""
    *graphs, labels = batch
    return F.cross_entropy(model(*graphs, len(labels)), labels, reduction="sum"), len(labels)


def error(model: nn.Module, batch: Batch) -> tuple[Tensor, int]:
    """Graphs whose kind is mistaken, and how many these are."""
    *graphs, labels = batch
    return (model(*graphs, len(labels)).argmax(dim=1) != labels).sum(), len(labels)
