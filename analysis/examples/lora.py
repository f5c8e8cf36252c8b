"""Low-rank adapters of a network that stays as it is: only they are coordinates (`objective.parameters`)."""

from pathlib import Path

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.utils.data import TensorDataset

BASE = Path(__file__).parent / "data" / "base.pt"


class Adapted(nn.Linear):
    """A linear layer W, and beside it B A of low rank."""

    def __init__(self, inputs: int, outputs: int, rank: int = 4) -> None:
        super().__init__(inputs, outputs)
        self.lora_a = nn.Parameter(torch.randn(rank, inputs) / inputs**0.5)
        self.lora_b = nn.Parameter(torch.zeros(outputs, rank))

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) + x @ self.lora_a.T @ self.lora_b.T


def mlp(layer: type[nn.Linear], width: int = 256) -> nn.Sequential:
    """A network of three such layers."""
    return nn.Sequential(nn.Flatten(), layer(64, width), nn.ReLU(), layer(width, width), nn.ReLU(), layer(width, 10))


def adapted() -> nn.Module:
    """The trained base with an adapter at each of its layers."""
    network = mlp(Adapted)
    network.load_state_dict(torch.load(BASE, weights_only=True), strict=False)
    return network


def digits(test: bool, turned: bool = True) -> TensorDataset:
    """Digits, which the adapters learn to read when they lie on their side; every fifth one is for testing."""
    images, labels = (torch.tensor(each) for each in load_digits(return_X_y=True))
    mine = (torch.arange(len(labels)) % 5 == 4) == test
    upright = images[mine].float().reshape(-1, 8, 8) / 16
    return TensorDataset(upright.rot90(dims=(1, 2)) if turned else upright, labels[mine])


def prepare(steps: int = 300) -> None:
    """Train the base on digits that stand upright, and save it."""
    torch.manual_seed(0)
    (images, labels), network = digits(test=False, turned=False).tensors, mlp(nn.Linear)
    optimizer = torch.optim.Adam(network.parameters())
    for _ in range(steps):
        optimizer.zero_grad()
        F.cross_entropy(network(images), labels).backward()
        optimizer.step()
    BASE.parent.mkdir(exist_ok=True)
    torch.save(network.state_dict(), BASE)


if __name__ == "__main__":
    prepare()
